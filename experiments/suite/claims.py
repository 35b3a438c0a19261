"""Whether each claim of a table holds, by the records of one side (what is published, or this machine's).

A claim says in which region its estimate must lie: above the margin, or within it. With p_for the p-value of "outside
the region" (two one-sided tests where the region has two ends) and p_against that of "inside", a claim's p is twice the
smaller one, and Holm's correction is taken over all claims of the table that ask for a test, whether or not they could
be tested yet. At 0.05 the claim is `replicated` when the estimate lies inside, `not replicated` when outside; otherwise
it is `inconclusive`. So, for a single claim, the verdict can be read off the printed 95 % interval.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from experiments.suite import claim_estimate, statistics
from experiments.suite.claim_contract import Claim
from experiments.suite.columns import Column, printed_text
from experiments.suite.contract import Table
from experiments.suite.paper import agrees
from experiments.suite.samples import Records, Samples, aligned, by_seed, lost
from experiments.suite.statistics import Estimate

Verdict = Literal["replicated", "not replicated", "inconclusive", "not run"]
ALPHA = 0.05
MIN_SEEDS = 3


@dataclass(frozen=True)
class Finding:
    """One claim, before or after the correction for the others; ``inside``: its estimate lies in the region."""

    verdict: Verdict
    value: Estimate | None = None
    reason: str | None = None
    p: float | None = None
    p_holm: float | None = None
    inside: bool = False
    seeded: bool = True

    def to_json(self) -> dict[str, Any]:
        value = self.value
        low, high = (value.low, value.high) if value else (None, None)
        found: dict[str, Any] = {
            "verdict": self.verdict,
            "estimate": value.estimate if value else None,
            "low": low,
            "high": high,
            "n": (value.n if value else 0) if self.seeded else None,
            "p": self.p,
            "p_holm": self.p_holm,
        }
        return {**found, "reason": self.reason} if self.reason else found


def judge(table: Table, budget: str, records: Records) -> dict[str, dict[str, Any]]:
    """By claim id: verdict, estimate (positive is the claim's way), low, high, n, p, p_holm and maybe a reason.

    ``records`` by row. The estimate of an exact claim is the row's value, of a ratio the ratio. n counts the seeds that
    all rows of the claim have, None for claims without seeds (exact, computed and timed columns).
    """
    findings = {claim.id: examine(table, claim, budget, records) for claim in table.claims}
    family = [claim.id for claim in table.claims if _is_statistical(table, claim, budget)]
    # An untested claim counts with p = 1: the verdict of one row must not hang on which other rows have run.
    p_values = [p if (p := findings[name].p) is not None else 1.0 for name in family]
    for name, adjusted in zip(family, statistics.holm(p_values), strict=True):
        if findings[name].p is not None:
            findings[name] = _decide(findings[name], adjusted, len(family))
    return {name: finding.to_json() for name, finding in findings.items()}


def _is_statistical(table: Table, claim: Claim, budget: str) -> bool:
    return table.column(claim.metric).kind == "trained" and (claim.kind != "absolute" or budget == "paper")


def _decide(finding: Finding, p_holm: float, family: int) -> Finding:
    if p_holm <= ALPHA:
        return replace(finding, p_holm=p_holm, verdict="replicated" if finding.inside else "not replicated")
    reason = finding.reason
    if finding.p is not None and finding.p <= ALPHA:
        corrected = f"the interval alone would decide, but not after Holm's correction for {family} claims"
        reason = f"{reason}; {corrected}" if reason else corrected
    return replace(finding, p_holm=p_holm, verdict="inconclusive", reason=reason)


def examine(table: Table, claim: Claim, budget: str, records: Records) -> Finding:
    """One claim by itself: final where no test is needed or possible, else inconclusive with the p-value to correct."""
    column = table.column(claim.metric)
    seeded = column.kind == "trained"
    # Of a computed column even a diverged run knows the value.
    missing = [row for row in dict.fromkeys(claim.rows) if not records.get(row)]
    if claim.kind == "absolute" and column.kind != "computed" and budget != "paper":
        reason = f"judged at budget paper only: budget {budget} is another experiment than the paper's"
        return Finding("not run", reason=reason, seeded=seeded)
    if missing:
        return Finding("not run", reason=f"no runs of {', '.join(missing)}", seeded=seeded)
    if claim.kind == "exact":
        return _exact(table, claim, column, records)
    if column.kind == "computed":
        values = {row: computed(column, records[row]) for row in claim.rows}
        return _unseeded(table, claim, column, values)
    return _measured(table, claim, column, budget, records)


def computed(column: Column, records: Sequence[Any]) -> list[float]:
    """The different values that a row's records hold: one, unless they contradict each other."""
    return sorted({value for record in records if (value := column.value(record)) is not None})


def _exact(table: Table, claim: Claim, column: Column, records: Records) -> Finding:
    found = {row: computed(column, records[row]) for row in claim.rows}
    problem = _contradiction(found, column)
    if problem:
        return problem
    values = [found[row][0] for row in claim.rows]
    estimate = Estimate(values[0], None, None, 1, None, None)
    if len(values) == 2:
        holds, other = values[0] == values[1], column.text(values[1])
    else:
        printed = table.row(claim.rows[0]).paper[claim.metric]
        assert printed is not None  # the contract is checked
        holds, other = agrees(values[0], printed), f"{printed_text(printed)} printed"
    reason = None if holds else f"{column.text(values[0])} against {other}"
    return Finding("replicated" if holds else "not replicated", estimate, reason, seeded=False)


def _contradiction(found: Mapping[str, list[float]], column: Column) -> Finding | None:
    for row, values in found.items():
        if not values:
            return Finding("not run", reason=f"the runs of {row} hold no {column.name}", seeded=False)
        if len(values) > 1:
            listed = " and ".join(map(column.text, values))
            return Finding("inconclusive", reason=f"the runs of {row} disagree: {listed}", seeded=False)
    return None


def _unseeded(table: Table, claim: Claim, column: Column, found: Mapping[str, list[float]]) -> Finding:
    """Numbers without a spread over seeds: the estimate itself decides."""
    problem = _contradiction(found, column)
    if problem:
        return problem
    samples = Samples((0,), [np.array(found[row]) for row in claim.rows], None)
    value = claim_estimate.of(table, claim, column, samples)
    if value is None:
        return Finding("inconclusive", reason="a ratio needs positive numbers", seeded=False)
    lower, upper = claim_estimate.region(table, claim)
    holds = lower < value.estimate < upper
    return Finding("replicated" if holds else "not replicated", claim_estimate.readable(claim, value), seeded=False)


def _measured(table: Table, claim: Claim, column: Column, budget: str, records: Records) -> Finding:
    seeded = column.kind == "trained"
    losses = {row: lost(records[row]) for row in claim.rows}
    reasons = [f"{row}: {', '.join(words)}" for row, words in losses.items() if words]
    try:
        samples = aligned(column, claim.rows, records)
    except ValueError as error:
        return Finding("inconclusive", reason=str(error), seeded=seeded)
    if not samples.seeds:
        reasons = reasons or [_nothing_in_common(claim, column, records)]
        return Finding("not run", reason="; ".join(reasons), seeded=seeded)
    value = claim_estimate.of(table, claim, column, samples)
    if value is None:
        return Finding("inconclusive", reason="a ratio needs positive numbers", seeded=seeded)
    shown = claim_estimate.readable(claim, value)
    if budget == "smoke":
        reasons.insert(0, "budget smoke only proves that the path works")
        return Finding("inconclusive", shown, "; ".join(reasons), seeded=seeded)
    if not seeded:
        means = {row: [float(values.mean())] for row, values in zip(claim.rows, samples.values, strict=True)}
        return _unseeded(table, claim, column, means)
    if value.n < MIN_SEEDS:
        common = "" if len(claim.rows) == 1 else " in common"
        reasons.insert(0, f"{value.n} seed{'s' if value.n > 1 else ''}{common}, at least {MIN_SEEDS} are needed")
        return Finding("inconclusive", shown, "; ".join(reasons))
    lower, upper = claim_estimate.region(table, claim)
    p_for, p_against = statistics.p_inside(value, lower, upper), statistics.p_outside(value, lower, upper)
    p = min(1.0, 2 * min(p_for, p_against))
    return Finding("inconclusive", shown, "; ".join(reasons) or None, p=p, inside=p_for < p_against)


def _nothing_in_common(claim: Claim, column: Column, records: Records) -> str:
    without = [
        row
        for row in dict.fromkeys(claim.rows)  # a gap may name one twice
        if not any(column.value(r) is not None for r in by_seed(records[row]).values())
    ]
    return f"the runs of {', '.join(without)} hold no {column.name}" if without else "the rows have no seed in common"
