"""Claims about speed: judged round by round."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.suite import rendering
from experiments.suite.assemble import assemble
from experiments.suite.contract import Table, load
from experiments.suite.evidence import Evidence
from experiments.suite.timed_claims import judge
from experiments.suite.timings import Timing
from tests.suite import records
from tests.suite.test_timings import B1, made, repeated

HEAD = (
    "title: Speed\npaper: shufflenet_v2.table8_speed_accuracy\nseeds: [0, 1]\n"
    f"columns: [params, test/top1_err, {B1}]\nfields: {{{B1}: arm_images_s}}"
)
ROWS = (
    "{a: {label: A, paper: {model: ShuffleNet v2 1x}}, b: {label: B, paper: {model: ShuffleNet v1 1x g=3}}, "
    "c: {label: C, trained: false}}"
)
ORDER = f"{{id: x, kind: ordering, metric: {B1}, better: a, worse: b, margin: 0}}"
NOISE = np.random.default_rng(0).normal(0, 5, 12)  # of the machine: it disturbs both rows alike


def _table(folder: Path, claim: str = ORDER) -> Table:
    return load("made", records.contract(folder, f"[{claim}]", ROWS, HEAD))


def _judged(folder: Path, timing: Timing | None, claim: str = ORDER, budget: str = "proxy") -> dict[str, Any]:
    table = _table(folder, claim)
    return judge(table, table.claims[0], budget, timing)


def _pair(lead: float, rounds: int = 12) -> Timing:
    """b is as fast as the machine lets it; a is ``lead`` images/s faster in every round, give or take little."""
    base = 50 + NOISE[:rounds]
    ahead = base + lead + np.linspace(-0.5, 0.5, rounds)
    return made({"a": ahead.tolist(), "b": base.tolist()})


def test_rows_are_compared_within_a_round(tmp_path: Path) -> None:
    """A lead of 1 is far below what the machine's speed varies from round to round, and yet sure."""
    found = _judged(tmp_path, _pair(1.0))
    assert found["verdict"] == "replicated" and found["n"] is None and found["p_holm"] is None
    assert found["estimate"] == pytest.approx(1.0) and found["reason"] == "median of 12 rounds"
    steps = np.linspace(-0.5, 0.5, 12)
    assert (found["low"], found["high"]) == (pytest.approx(1 + steps[2]), pytest.approx(1 + steps[9]))
    assert _judged(tmp_path, _pair(-1.0))["verdict"] == "not replicated"
    assert _judged(tmp_path, _pair(0.1))["verdict"] == "inconclusive"


def test_the_margin_counts(tmp_path: Path) -> None:
    claim = ORDER.replace("margin: 0", "margin: 2")
    verdicts = [_judged(tmp_path, _pair(lead), claim)["verdict"] for lead in (1.0, 2.0, 3.0)]
    assert verdicts == ["not replicated", "inconclusive", "replicated"]


def test_a_ratio_is_that_of_each_round(tmp_path: Path) -> None:
    claim = f"{{id: x, kind: ratio, metric: {B1}, row: a, over: b, margin: 0.05}}"
    base = 50 + NOISE
    paper = 24.4 / 21.8
    found = _judged(tmp_path, made({"a": (paper * base).tolist(), "b": base.tolist()}), claim)
    assert (found["verdict"], found["estimate"]) == ("replicated", pytest.approx(paper))
    assert _judged(tmp_path, made({"a": base.tolist(), "b": base.tolist()}), claim)["verdict"] == "not replicated"


def test_what_cannot_be_judged(tmp_path: Path) -> None:
    assert _judged(tmp_path, None)["reason"] == "no timings of a, b"
    assert _judged(tmp_path, made({"b": [1.0] * 12}))["verdict"] == "not run"
    few = _judged(tmp_path, _pair(1.0, 9))
    assert (few["verdict"], few["reason"]) == ("inconclusive", "median of 9 rounds, at least 10 are needed")
    smoke = _judged(tmp_path, _pair(1.0), budget="smoke")
    assert smoke["verdict"] == "inconclusive" and "budget smoke only proves" in smoke["reason"]
    absolute = f"{{id: x, kind: absolute, metric: {B1}, row: a, margin: 1}}"
    assert _judged(tmp_path, _pair(1.0), absolute)["reason"] == "the paper's speed is another machine's"


def test_repeats_that_disagree_prove_nothing(tmp_path: Path) -> None:
    """All 24 rounds agree on the claim, and yet the two repeats differ by more than they may in a's lead over b."""
    base = {"b": [1.0] * 24, "c": [1.0] * 12 + [2.0] * 12}
    found = _judged(tmp_path, repeated({**base, "a": [2.0] * 12 + [2.12] * 12}))
    assert found["verdict"] == "inconclusive"
    assert found["reason"] == "median of 24 rounds; between repeats its rows' ratio differs by 6.0 %, more than 5 %"
    assert found["estimate"] == pytest.approx(1.06)
    agreeing = _judged(tmp_path, repeated({**base, "a": [2.0] * 12 + [2.08] * 12}))  # c is none of the claim's rows
    assert (agreeing["verdict"], agreeing["reason"]) == ("replicated", "median of 24 rounds")
    trend = f"{{id: x, kind: trend, metric: {B1}, rows: [a, b, c], direction: decreasing, margin: 0}}"
    steps = repeated({"a": [9.0] * 24, "b": [5.0] * 24, "c": [1.0] * 12 + [1.2] * 12})
    assert "differs by 20.0 %" in _judged(tmp_path, steps, trend)["reason"]
    few = repeated({"a": [2.0] * 4 + [3.0] * 4, "b": [1.0] * 8})
    assert _judged(tmp_path, few)["reason"] == "median of 8 rounds, at least 10 are needed"


def test_a_row_that_is_not_trained_can_be_timed(tmp_path: Path) -> None:
    claim = ORDER.replace("worse: b", "worse: c")
    base = made({"a": [2.0] * 10, "c": [1.0] * 10})
    assert _judged(tmp_path, base, claim)["verdict"] == "replicated"


def test_in_the_table(tmp_path: Path) -> None:
    timing = made({"a": [float(n) for n in range(1, 13)], "b": [1.0] * 12, "c": [2.0] * 12})
    busy = Timing(timing.samples, timing.nets, timing.code, {**timing.provenance, "others": 0.74})
    data = assemble(_table(tmp_path), "proxy", Evidence(timing=timing), Evidence(timing=busy), {})
    cell = data["rows"][0]["cells"][B1]
    assert cell["printed"] == "24.4" and cell["difference"] == 0
    assert cell["published"] == {"mean": 6.5, "low": 3.0, "high": 10.0, "n": None, "runs": [], "rounds": 12}
    assert data["claims"][0]["here"]["verdict"] == "replicated"
    quiet = "A processor, 1 thread, median of 12 rounds"
    assert data["speed"] == f"published: {quiet}; this machine: {quiet}, while other processes kept 0.7 cores busy"
    page = rendering.markdown(assemble(_table(tmp_path), "proxy", Evidence(timing=timing), Evidence(), {}))
    assert f"Budget proxy. Speed: {quiet}." in page
    assert "| **A** | paper | – | 30.6 | 24.4 |" in page and "|  | published | – | – | 6.5 ± 3.5 |" in page
    assert "Speed: median ± half of its 95 % interval over rounds." in page
    assert "+5.5 \\[+2.0, +9.0\\] images/s; median of 12 rounds" in page
