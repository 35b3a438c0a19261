"""Whether a claim about speed holds, by the rounds that measured all its rows."""

import math
from typing import Any

import numpy as np

from experiments.suite import claim_estimate, rounds
from experiments.suite.claim_contract import Claim
from experiments.suite.claims import Finding, Verdict
from experiments.suite.contract import Table
from experiments.suite.rounds import MIN_ROUNDS, Median
from experiments.suite.samples import Samples
from experiments.suite.statistics import Estimate
from experiments.suite.timings import SMOKE, Timing

AGREE = 0.05  # share of a ratio of two rows by which repeats may differ


def judge(table: Table, claim: Claim, budget: str, timing: Timing | None) -> dict[str, Any]:
    """As ``claims.judge`` says it of one claim; n is None, since there are no seeds.

    The rows are compared within each round. The claim is ``replicated`` when the 95 % interval of the median over the
    rounds lies in the claim's region, ``not replicated`` when it lies outside, otherwise ``inconclusive``. It is that also
    where the repeats of the measurement do not agree on its rows.
    """
    return _examine(table, claim, budget, timing).to_json()


def _examine(table: Table, claim: Claim, budget: str, timing: Timing | None) -> Finding:
    if claim.kind == "absolute":
        return Finding("not run", reason="the paper's speed is another machine's", seeded=False)
    missing = [row for row in claim.rows if not (timing and timing.values(row, claim.metric))]
    if timing is None or missing:
        return Finding("not run", reason=f"no timings of {', '.join(missing)}", seeded=False)
    values = [timing.values(row, claim.metric) for row in claim.rows]
    found = rounds.median([_of_round(table, claim, list(speeds)) for speeds in zip(*values, strict=False)])
    shown = claim_estimate.readable(claim, _estimate(found))
    reason = f"median of {found.rounds} rounds"
    if budget == SMOKE:
        reason = f"budget smoke only proves that the path works; {reason}"
        return Finding("inconclusive", shown, reason, seeded=False)
    if found.rounds < MIN_ROUNDS:
        return Finding("inconclusive", shown, f"{reason}, at least {MIN_ROUNDS} are needed", seeded=False)
    differs = timing.disagreement(dict.fromkeys(claim.rows[1:], claim.rows[0]), claim.metric)
    if differs is not None and differs > AGREE:
        reason += f"; between repeats its rows' ratio differs by {100 * differs:.1f} %, more than {100 * AGREE:.0f} %"
        return Finding("inconclusive", shown, reason, seeded=False)
    return Finding(_verdict(found, *claim_estimate.region(table, claim)), shown, reason, seeded=False)


def _of_round(table: Table, claim: Claim, speeds: list[float]) -> float:
    """The claim's number in one round. Speeds are positive, so that a ratio always has one."""
    samples = Samples((0,), [np.array([speed]) for speed in speeds], None)
    value = claim_estimate.of(table, claim, table.column(claim.metric), samples)
    return math.nan if value is None else value.estimate


def _estimate(found: Median) -> Estimate:
    return Estimate(found.estimate, found.low, found.high, found.rounds, None, None)


def _verdict(found: Median, lower: float, upper: float) -> Verdict:
    if found.low is None or found.high is None:
        return "inconclusive"
    if lower < found.low and found.high < upper:
        return "replicated"
    return "not replicated" if found.high <= lower or upper <= found.low else "inconclusive"
