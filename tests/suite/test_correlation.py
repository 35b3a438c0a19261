"""How well a computed column foretells a timed one."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from experiments.suite import correlation, rendering
from experiments.suite.assemble import assemble
from experiments.suite.contract import load
from experiments.suite.evidence import Evidence
from experiments.suite.subjects import Subject
from tests.suite.test_costs import ARCH, NONE
from tests.suite.test_costs import made as cost
from tests.suite.test_timings import made as timings

ROWS = ("gpu_x1_1_1", "gpu_x1_1_2", "gpu_x1_1_6", "gpu_x1_1_12")


def evidence(speeds: dict[str, list[float]]) -> Evidence:
    """Rows of table7 whose memory access cost grows from row to row."""
    costs = {
        row: replace(cost(), cost={**cost().cost, "access": 10**6 * (number + 1)}) for number, row in enumerate(ROWS)
    }
    subjects = {row: Subject(ARCH, NONE, base=ROWS[0]) for row in ROWS}
    return Evidence(costs=costs, timing=timings(speeds), subjects=subjects)


def test_ranks_within_a_group() -> None:
    assert correlation.spearman(np.array([[1, 10], [2, 20], [3, 25], [4, 99]])) == pytest.approx(1)
    assert correlation.spearman(np.array([[1, 3], [2, 2], [3, 1]])) == pytest.approx(-1)
    drawn = np.random.default_rng(0).integers(0, 6, (20, 2))  # with equal ones
    expected: Any = spearmanr(drawn[:, 0], drawn[:, 1])
    assert correlation.spearman(drawn) == pytest.approx(expected.statistic)
    table = load("table7")
    falling = {row: [40.0 - 10 * number] for number, row in enumerate(ROWS)}
    found = correlation.of_table(table, {"published": Evidence(), "here": evidence(falling)})
    assert found["here"] == {"gpu_x1": pytest.approx(1)}, "more access, fewer images a second"
    assert found["published"] == {}
    two = {row: values for row, values in falling.items() if row in ROWS[:2]}
    assert correlation.of_table(table, {"here": evidence(two)})["here"] == {}, "two are always in order"


def test_it_is_said_under_the_table_and_a_gpu_that_nobody_has_is_not() -> None:
    falling = {row: [40.0 - 10 * number] for number, row in enumerate(ROWS)}
    data = assemble(load("table7"), "proxy", Evidence(), evidence(falling), {})
    text = rendering.correlation_text(data)
    assert (
        text.startswith("Rank correlation of memory access cost with speed at batch 1") and "this machine 1.00" in text
    )
    assert rendering.escaped(text) in rendering.markdown(data)
    names = [column["name"] for column in data["columns"]]
    assert names == ["macs_m", "access_m", "images_s_b1", "images_s_b1_rel"]
    with_gpu = evidence(falling)
    assert with_gpu.timing is not None
    samples = {row: {**own, "gpu_images_s": [9.0]} for row, own in with_gpu.timing.samples.items()}
    seen = assemble(
        load("table7"), "proxy", Evidence(), replace(with_gpu, timing=replace(with_gpu.timing, samples=samples)), {}
    )
    assert [column["name"] for column in seen["columns"]][-2:] == ["gpu_images_s", "gpu_images_s_rel"]
    assert rendering.correlation_text(assemble(load("table7"), "proxy", Evidence(), Evidence(), {})) == ""
