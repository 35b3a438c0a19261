"""Every kind of claim, every verdict."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats

from experiments.suite import claim_estimate
from experiments.suite.claims import judge
from experiments.suite.contract import load
from experiments.suite.record import Record
from experiments.suite.statements import statement
from tests.suite import records
from tests.suite.records import made, row

stats: Any = scipy.stats
ORDER = "{id: x, kind: ordering, metric: test/top1_acc, better: a, worse: b, margin: 0}"
HIGH, LOW = [90.0, 90.2, 90.1, 90.3, 90.2], [88.0, 88.3, 88.0, 88.1, 88.2]
MIXED = [88.0, 92.0, 87.0, 93.0, 90.0]


def _judged(folder: Path, claims: str, found: dict[str, list[Record]], budget: str = "proxy") -> dict[str, Any]:
    return judge(load("made", records.contract(folder, f"[{claims}]")), budget, found)


def _kept(record: Record) -> np.ndarray:
    values = record.per_example("test/top1_acc")
    assert values is not None
    return values


def _x(folder: Path, claim: str, found: dict[str, list[Record]], budget: str = "proxy") -> dict[str, Any]:
    return _judged(folder, claim, found, budget)["x"]


def test_an_ordering_replicates_fails_or_stays_open(tmp_path: Path) -> None:
    yes = _x(tmp_path, ORDER, {"a": row("a", HIGH), "b": row("b", LOW)})
    expected = stats.ttest_rel(HIGH, LOW)
    interval = expected.confidence_interval(0.95)
    assert yes["verdict"] == "replicated"
    assert (yes["estimate"], yes["low"], yes["high"]) == pytest.approx((2.04, interval.low, interval.high))
    assert (yes["n"], yes["p"], yes["p_holm"]) == (5, pytest.approx(expected.pvalue), pytest.approx(expected.pvalue))
    assert "reason" not in yes
    no = _x(tmp_path, ORDER, {"a": row("a", LOW), "b": row("b", HIGH)})
    assert (no["verdict"], no["estimate"]) == ("not replicated", pytest.approx(-2.04))
    assert _x(tmp_path, ORDER, {"a": row("a", MIXED), "b": row("b", HIGH)})["verdict"] == "inconclusive"


def test_the_margin_moves_the_line(tmp_path: Path) -> None:
    found = {"a": row("a", HIGH), "b": row("b", LOW)}
    assert _x(tmp_path, ORDER.replace("margin: 0", "margin: 1.5"), found)["verdict"] == "replicated"
    assert _x(tmp_path, ORDER.replace("margin: 0", "margin: 2"), found)["verdict"] == "inconclusive"
    assert _x(tmp_path, ORDER.replace("margin: 0", "margin: 3"), found)["verdict"] == "not replicated"


def test_where_lower_is_better(tmp_path: Path) -> None:
    """The record holds accuracies: a, the more accurate, has the lower error, and positive is still the claim's way."""
    found = {"a": row("a", HIGH), "b": row("b", LOW)}
    result = _x(tmp_path, ORDER.replace("top1_acc", "top1_err"), found)
    assert (result["verdict"], result["estimate"]) == ("replicated", pytest.approx(2.04))


def test_images_count_in_the_interval(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    found = {"a": row("a", [90.0] * 5, 300, generator), "b": row("b", [60.0] * 5, 300, generator)}
    result = _x(tmp_path, ORDER, found)
    d = [a.metrics["test/top1_acc"] - b.metrics["test/top1_acc"] for a, b in zip(found["a"], found["b"], strict=True)]
    images = np.array([
        _kept(a) - _kept(b)
        for a, b in zip(found["a"], found["b"], strict=True)
    ])  # fmt: skip
    se = np.sqrt(np.var(d, ddof=1) / 5 + images.mean(axis=0).var(ddof=1) / 300)
    assert result["high"] - result["estimate"] == pytest.approx(stats.t.ppf(0.975, 4) * se)


def test_too_few_seeds_and_none(tmp_path: Path) -> None:
    two = _x(tmp_path, ORDER, {"a": row("a", HIGH), "b": row("b", LOW[:2])})
    assert (two["verdict"], two["n"], two["p"]) == ("inconclusive", 2, None)
    assert two["low"] is not None and "2 seeds in common, at least 3" in two["reason"]
    one = _x(tmp_path, ORDER, {"a": row("a", HIGH[:1]), "b": row("b", LOW)})
    assert (one["verdict"], one["n"], one["low"]) == ("inconclusive", 1, None)
    none = _x(tmp_path, ORDER, {"a": row("a", HIGH)})
    assert (none["verdict"], none["n"], none["estimate"]) == ("not run", 0, None)
    assert "no runs of b" in none["reason"]
    apart = _x(tmp_path, ORDER, {"a": row("a", HIGH)[:2], "b": row("b", LOW)[2:]})
    assert (apart["verdict"], apart["n"]) == ("not run", 0)
    assert "no seed in common" in apart["reason"]


def test_a_diverged_seed_is_left_out_and_named(tmp_path: Path) -> None:
    result = _x(tmp_path, ORDER, {"a": row("a", [90.0, 90.2, 90.1, None, 90.2]), "b": row("b", LOW)})
    assert (result["verdict"], result["n"]) == ("replicated", 4)
    assert result["reason"] == "a: diverged (seed 3)"
    gone = _x(tmp_path, ORDER, {"a": row("a", [None]), "b": row("b", LOW)})
    assert (gone["verdict"], gone["reason"]) == ("not run", "a: diverged (seed 0)")


def test_smoke_is_never_judged_on_trained_metrics(tmp_path: Path) -> None:
    exact = "{id: y, kind: exact, metric: params, row: a, equals: b}"
    result = _judged(tmp_path, f"{ORDER}, {exact}", {"a": row("a", HIGH), "b": row("b", LOW)}, "smoke")
    assert (result["x"]["verdict"], result["x"]["n"], result["x"]["p_holm"]) == ("inconclusive", 5, None)
    assert "smoke" in result["x"]["reason"]
    assert result["y"]["verdict"] == "replicated"


def test_runs_on_different_test_sets_are_not_paired(tmp_path: Path) -> None:
    found = {"a": row("a", HIGH, 100), "b": row("b", LOW, 90)}
    result = _x(tmp_path, ORDER, found)
    assert (result["verdict"], result["estimate"]) == ("inconclusive", None)
    assert "different sets of images (90 and 100)" in result["reason"]


def test_holm_is_over_all_claims_of_the_table(tmp_path: Path) -> None:
    """p = 0.03 alone would do; beside three claims that have not run yet it counts four times."""
    d = np.array([-0.2, 0.5, 0.7, 1.2, 1.8, 1.0])
    strong = {"a": row("a", list(90 + d)), "b": row("b", [90.0] * 6)}
    p = stats.ttest_1samp(d, 0).pvalue
    assert 0.0125 < p < 0.05
    alone = _x(tmp_path, ORDER, strong)
    assert (alone["p"], alone["p_holm"], alone["verdict"]) == (pytest.approx(p), pytest.approx(p), "replicated")
    others = [ORDER.replace("id: x", f"id: y{index}").replace("worse: b", "worse: c") for index in range(3)]
    beside = _judged(tmp_path, ", ".join([ORDER, *others]), strong)
    assert (beside["x"]["p_holm"], beside["x"]["verdict"]) == (pytest.approx(4 * p), "inconclusive")
    assert "Holm's correction for 4 claims" in beside["x"]["reason"]
    assert (beside["y0"]["verdict"], beside["y0"]["p_holm"]) == ("not run", None)


def test_exact_claims(tmp_path: Path) -> None:
    claims = (
        "{id: same, kind: exact, metric: params, row: b, equals: a}, "
        "{id: other, kind: exact, metric: params, row: c, equals: a}, "
        "{id: printed, kind: exact, metric: model_mb, row: a, equals: paper}, "
        "{id: misprinted, kind: exact, metric: model_mb, row: c, equals: paper}"
    )
    cost = {"params": 1_589_672, "macs": 1}
    found = {"a": [made(0)], "b": [made(7, status="diverged")], "c": [made(0, cost=cost)]}
    result = _judged(tmp_path, claims, found)
    assert [result[name]["verdict"] for name in ("same", "other", "printed", "misprinted")] == [
        "replicated",
        "not replicated",
        "replicated",
        "not replicated",
    ]
    assert result["misprinted"]["estimate"] == pytest.approx(6.064, abs=1e-3)
    assert result["misprinted"]["reason"] == "6.06 against 7.7 printed"
    assert result["same"]["n"] is None and result["same"]["p"] is None
    assert _judged(tmp_path, claims, {"a": [made(0)]})["same"]["verdict"] == "not run"


def test_exact_claims_on_records_that_disagree_or_say_nothing(tmp_path: Path) -> None:
    claim = "{id: x, kind: exact, metric: params, row: b, equals: a}"
    torn = _x(tmp_path, claim, {"a": [made(0), made(1, cost={"params": 5})], "b": [made(0)]})
    assert (torn["verdict"], torn["reason"]) == ("inconclusive", "the runs of a disagree: 5 and 1,248,424")
    bare = _x(tmp_path, claim, {"a": [made(0, cost={"macs": 1})], "b": [made(0)]})
    assert bare["verdict"] == "not run"


def test_absolute_claims_are_for_the_paper_s_budget(tmp_path: Path) -> None:
    claim = "{id: x, kind: absolute, metric: test/top1_acc, row: a, margin: 0.5}"
    near, far = [57.5, 57.6, 57.4, 57.5, 57.6], [59.0, 59.1, 58.9, 59.0, 59.2]
    assert _x(tmp_path, claim, {"a": row("a", near)}, "paper")["verdict"] == "replicated"
    off = _x(tmp_path, claim, {"a": row("a", far)}, "paper")
    assert (off["verdict"], off["estimate"]) == ("not replicated", pytest.approx(1.54))
    proxy = _x(tmp_path, claim, {"a": row("a", near)})
    assert proxy["verdict"] == "not run" and "budget paper" in proxy["reason"]


def test_a_delta_has_the_paper_s_sign(tmp_path: Path) -> None:
    """The paper prints 57.5 for a and 60.4 for b."""
    claim = "{id: x, kind: delta, metric: test/top1_acc, row: a, minus: b, margin: 0}"
    result = _x(tmp_path, claim, {"a": row("a", LOW), "b": row("b", HIGH)})
    assert (result["verdict"], result["estimate"]) == ("replicated", pytest.approx(2.04))
    assert _x(tmp_path, claim, {"a": row("a", HIGH), "b": row("b", LOW)})["verdict"] == "not replicated"


def test_a_ratio_is_the_paper_s_within_a_share(tmp_path: Path) -> None:
    """57.5 / 60.4 = 0.952."""
    claim = "{id: x, kind: ratio, metric: test/top1_acc, row: a, over: b, margin: 0.05}"
    result = _x(tmp_path, claim, {"a": row("a", [80.0, 80.3, 79.8]), "b": row("b", [84.0, 84.1, 84.2])})
    assert result["verdict"] == "replicated"
    assert result["estimate"] == pytest.approx(80.0 / 84.1, abs=2e-3)
    assert result["low"] < result["estimate"] < result["high"]
    assert (
        _x(tmp_path, claim, {"a": row("a", [90.0, 90.3, 89.8]), "b": row("b", [45.0, 45.1, 45.2])})["verdict"]
        == "not replicated"
    )
    assert _x(tmp_path, claim, {"a": row("a", [0.0] * 3), "b": row("b", [45.0] * 3)})["verdict"] == "inconclusive"


def test_a_ratio_of_computed_columns_needs_no_seeds(tmp_path: Path) -> None:
    claim = "{id: x, kind: ratio, metric: model_mb, row: c, over: a, margin: 0.1}"
    cost = {"params": 1_589_672, "macs": 1}
    result = _x(tmp_path, claim, {"a": [made(0)], "c": [made(0, cost=cost)]}, "smoke")
    assert (result["verdict"], result["n"]) == ("not replicated", None)
    assert result["estimate"] == pytest.approx(1_589_672 / 1_248_424)


def test_equivalence_by_two_one_sided_tests(tmp_path: Path) -> None:
    claim = "{id: x, kind: equivalent, metric: test/top1_acc, row: a, to: b, margin: 0.5}"
    close = [value + shift for value, shift in zip(LOW, (0.1, -0.1, 0.05, 0.0, 0.1), strict=True)]
    result = _x(tmp_path, claim, {"a": row("a", close), "b": row("b", LOW)})
    d = np.subtract(close, LOW)
    above = stats.ttest_1samp(d, -0.5, alternative="greater").pvalue
    below = stats.ttest_1samp(d, 0.5, alternative="less").pvalue
    assert (result["verdict"], result["p"]) == ("replicated", pytest.approx(2 * max(above, below)))
    assert _x(tmp_path, claim, {"a": row("a", HIGH), "b": row("b", LOW)})["verdict"] == "not replicated"
    assert _x(tmp_path, claim, {"a": row("a", MIXED), "b": row("b", LOW)})["verdict"] == "inconclusive"


def test_noninferiority_looks_at_one_side(tmp_path: Path) -> None:
    claim = "{id: x, kind: noninferior, metric: test/top1_err, row: a, than: b, margin: 0.5}"
    slightly_worse = [value - 0.2 for value in LOW]
    assert _x(tmp_path, claim, {"a": row("a", HIGH), "b": row("b", LOW)})["verdict"] == "replicated"
    assert _x(tmp_path, claim, {"a": row("a", slightly_worse), "b": row("b", LOW)})["verdict"] == "replicated"
    assert _x(tmp_path, claim, {"a": row("a", LOW), "b": row("b", HIGH)})["verdict"] == "not replicated"


def test_a_trend_is_a_slope(tmp_path: Path) -> None:
    claim = "{id: x, kind: trend, metric: test/top1_acc, rows: [a, b, c], direction: increasing, margin: 0}"
    found = {"a": row("a", LOW), "b": row("b", [89.0, 89.4, 89.2, 89.1, 89.3]), "c": row("c", HIGH)}
    result = _x(tmp_path, claim, found)
    assert (result["verdict"], result["estimate"]) == ("replicated", pytest.approx(2.04 / 2))
    falling = _x(tmp_path, claim.replace("increasing", "decreasing"), found)
    assert (falling["verdict"], falling["estimate"]) == ("not replicated", pytest.approx(-2.04 / 2))


GAP = "{id: x, kind: gap, metric: test/top1_acc, wider: {better: a, worse: b}, than: {better: b, worse: c}, margin: 0}"


def test_a_gap_is_a_difference_of_leads(tmp_path: Path) -> None:
    """a leads b by about 2 points, b leads c by about 0.5: b stands in both leads and counts twice."""
    third = [87.6, 87.5, 87.7, 87.4, 87.9]
    found = {"a": row("a", HIGH), "b": row("b", LOW), "c": row("c", third)}
    d = np.array(HIGH) - 2 * np.array(LOW) + np.array(third)
    expected = stats.ttest_1samp(d, 0)
    result = _x(tmp_path, GAP, found)
    interval = expected.confidence_interval(0.95)
    assert (result["verdict"], result["n"]) == ("replicated", 5)
    assert (result["estimate"], result["low"], result["high"]) == pytest.approx((d.mean(), interval.low, interval.high))
    assert result["p"] == pytest.approx(expected.pvalue)
    assert _x(tmp_path, GAP.replace("margin: 0", "margin: 3"), found)["verdict"] == "not replicated"
    turned = "wider: {better: b, worse: c}, than: {better: a, worse: b}"
    other = _x(tmp_path, GAP.replace("wider: {better: a, worse: b}, than: {better: b, worse: c}", turned), found)
    assert (other["verdict"], other["estimate"]) == ("not replicated", pytest.approx(-d.mean()))
    errors = _x(tmp_path, GAP.replace("top1_acc", "top1_err"), found)
    assert errors == pytest.approx(result)


def test_a_gap_pairs_its_images(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    found = {name: row(name, [level] * 5, 200, generator) for name, level in (("a", 90), ("b", 70), ("c", 60))}
    result = _x(tmp_path, GAP, found)
    images = np.array([
        _kept(a) - 2 * _kept(b) + _kept(c)
        for a, b, c in zip(found["a"], found["b"], found["c"], strict=True)
    ])  # fmt: skip
    se = np.sqrt(images.mean(axis=1).var(ddof=1) / 5 + images.mean(axis=0).var(ddof=1) / 200)
    assert result["high"] - result["estimate"] == pytest.approx(stats.t.ppf(0.975, 4) * se)


def test_a_gap_that_cannot_be_tested(tmp_path: Path) -> None:
    a, c = row("a", HIGH), row("c", LOW)
    assert _x(tmp_path, GAP, {"a": a, "c": c})["reason"] == "no runs of b"
    bare = _x(tmp_path, GAP, {"a": a, "b": [made(0)], "c": c})
    assert (bare["verdict"], bare["reason"]) == ("not run", "the runs of b hold no test/top1_acc")
    costs = {"a": {"params": 9}, "b": {"params": 12}, "c": {"params": 20}}
    found = {name: [made(0, cost=cost)] for name, cost in costs.items()}
    computed = _x(tmp_path, GAP.replace("test/top1_acc", "params"), found)
    assert (computed["verdict"], computed["estimate"], computed["n"]) == ("not replicated", 3 - 8, None)


def test_a_gap_beside_the_paper_s_and_in_words(tmp_path: Path) -> None:
    """The paper prints 57.5, 60.4 and 58.8."""
    table = load("made", records.contract(tmp_path, f"[{GAP.replace('margin: 0', 'margin: 0.5')}]"))
    claim = table.claims[0]
    assert claim_estimate.printed(table, claim) == pytest.approx((57.5 - 60.4) - (60.4 - 58.8))
    words = "the lead of Net A over Net B larger than that of Net B over Net C by more than 0.5 points"
    assert statement(table, claim) == f"Top-1 accuracy: {words}"
    unprinted = load("made", records.contract(tmp_path, f"[{GAP.replace('top1_acc', 'top1_err')}]"))
    assert claim_estimate.printed(unprinted, unprinted.claims[0]) is None


def test_timed_claims_have_no_seeds(tmp_path: Path) -> None:
    claim = "{id: x, kind: ordering, metric: val/latency_ms, better: a, worse: b, margin: 1}"
    found = {"a": [made(0, {"val/latency_ms": 3.0})], "b": [made(0, {"val/latency_ms": 5.0})]}
    result = _x(tmp_path, claim, found)
    assert (result["verdict"], result["estimate"], result["n"]) == ("replicated", 2.0, None)
    assert _x(tmp_path, claim, found, "smoke")["verdict"] == "inconclusive"


def test_the_order_of_the_records_is_nothing(tmp_path: Path) -> None:
    found = {"a": row("a", HIGH, 50), "b": row("b", LOW, 50)}
    mirrored = {name: list(reversed(kept)) for name, kept in reversed(found.items())}
    assert _x(tmp_path, ORDER, found) == _x(tmp_path, ORDER, mirrored)


def test_a_bound(tmp_path: Path) -> None:
    """Of a computed column the number decides, of a trained one its interval."""
    size = "{id: x, kind: below, metric: params, row: a, margin: 2000000}"
    small = _x(tmp_path, size, {"a": row("a", HIGH)})
    assert (small["verdict"], small["estimate"], small["n"]) == ("replicated", 1_248_424, None)
    large = _x(tmp_path, size.replace("2000000", "1248424"), {"a": row("a", HIGH)})
    assert large["verdict"] == "not replicated"
    error = "{id: x, kind: below, metric: test/top1_err, row: a, margin: 11}"
    assert _x(tmp_path, error, {"a": row("a", HIGH)})["verdict"] == "replicated"
    assert _x(tmp_path, error.replace("11", "9"), {"a": row("a", HIGH)})["verdict"] == "not replicated"
    assert _x(tmp_path, error.replace("11", "10"), {"a": row("a", MIXED)})["verdict"] == "inconclusive"
    table = load("made", records.contract(tmp_path, f"[{error}]"))
    assert statement(table, table.claims[0]) == "Top-1 error: Net A below 11 points"
