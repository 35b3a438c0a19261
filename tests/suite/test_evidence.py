"""What is known of a table's rows, on each side."""

import pytest

from experiments.suite.columns import column
from experiments.suite.evidence import Evidence, gather, uncounted
from experiments.suite.store import Run
from tests.suite.test_costs import ARCH, SOURCE
from tests.suite.test_costs import made as cost
from tests.suite.test_plan import CONTRACT, ID, keep, record, row


def test_here_and_published() -> None:
    here, theirs = record(0), record(0, CONTRACT)
    keep(here)
    keep(record(1, status="diverged"))
    keep(record(2, status="failed"))
    keep(theirs, published=True)
    rows = [row(ID, CONTRACT)]
    assert [found.seed for found in gather(rows, [0, 1, 2, 3], {}, public=False).records["vanilla"]] == [0, 1]
    assert gather(rows, [0, 1], {}, public=True).records == {"vanilla": [theirs]}
    assert gather(rows, [0], {}, public=False).records == {"vanilla": [here]}


@pytest.mark.parametrize("public", [True, False])
def test_what_cannot_be_read_is_named_and_the_rest_counts(public: bool) -> None:
    for seed in (0, 1, 2):
        keep(record(seed), public)
    path = Run(ID, 1).published_path if public else Run(ID, 1).record_path
    path.write_text("{", encoding="utf-8")
    found = gather([row()], [0, 1, 2], {}, public)
    assert [each.seed for each in found.records["vanilla"]] == [0, 2]
    assert len(found.problems) == 1
    assert str(path) in found.problems[0]


def test_a_cost_is_a_row_s_computed_columns_until_there_is_a_run() -> None:
    cost().write()
    found = gather([row()], [0], {"vanilla": ARCH}, public=False)
    assert found.knows("vanilla") and not found.records["vanilla"]
    (stand_in,) = found.of("vanilla", column("params"))
    assert column("params").value(stand_in) == 1_248_424
    assert found.of("vanilla", column("test/top1_acc")) == []
    keep(record())
    trained = gather([row()], [0], {"vanilla": ARCH}, public=False)
    assert trained.of("vanilla", column("params")) == trained.records["vanilla"] == [record()]


def test_what_has_yet_to_be_counted() -> None:
    archs = {"vanilla": ARCH, "other": {**ARCH, "bypass": "simple"}}
    assert uncounted(archs, Evidence()) == ["vanilla", "other"]
    assert uncounted(archs, Evidence({"vanilla": [record()]}, {"other": cost()})) == []
    assert uncounted(archs, Evidence({"vanilla": []}, {"other": cost(**{SOURCE: "0" * 12})})) == ["vanilla", "other"]
