"""What is known of a table's rows, on each side."""

from dataclasses import replace

import pytest

from experiments.suite.coded_sizes import Coded
from experiments.suite.columns import column
from experiments.suite.evidence import Evidence, gather, uncoded, uncounted, untimed, with_derived
from experiments.suite.store import Run
from experiments.suite.subjects import Subject
from tests.suite.test_costs import ARCH, NONE, SOURCE
from tests.suite.test_costs import made as cost
from tests.suite.test_plan import CONTRACT, ID, keep, record, row
from tests.suite.test_timings import made as timings


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
    found = gather([row()], [0], {"vanilla": Subject(ARCH, NONE)}, public=False)
    assert found.knows("vanilla") and not found.records["vanilla"]
    (stand_in,) = found.of("vanilla", column("params"))
    assert column("params").value(stand_in) == 1_248_424
    assert found.of("vanilla", column("test/top1_acc")) == []
    keep(record())
    trained = gather([row()], [0], {"vanilla": Subject(ARCH, NONE)}, public=False)
    assert trained.of("vanilla", column("params")) == trained.records["vanilla"] == [record()]


def test_what_has_yet_to_be_counted() -> None:
    subjects = {"vanilla": Subject(ARCH, NONE), "other": Subject({**ARCH, "bypass": "simple"}, NONE)}
    assert uncounted(subjects, Evidence()) == ["vanilla", "other"]
    assert uncounted(subjects, Evidence({"vanilla": [record()]}, {"other": cost()})) == []
    assert uncounted(subjects, Evidence({"vanilla": []}, {"other": cost(**{SOURCE: "0" * 12})})) == ["vanilla", "other"]


def test_a_gpu_is_not_asked_for() -> None:
    columns = {"a": [column("images_s_b1"), column("gpu_images_s")]}
    timing = timings({"a": [1.0]})
    assert untimed(columns, Evidence()) == ["a"]
    assert untimed(columns, Evidence(timing=timing)) == []


def test_derived_columns_are_the_row_s_over_those_of_its_base() -> None:
    subjects = {"a": Subject(ARCH, NONE, base="a"), "b": Subject(ARCH, NONE, base="a")}
    found = Evidence(
        costs={"a": cost(), "b": cost()}, timing=timings({"a": [10.0, 20.0], "b": [5.0, 40.0]}), subjects=subjects
    )
    timed = with_derived(found, [column("images_s_b1_rel")]).timing
    assert timed is not None
    assert timed.values("a", "images_s_b1_rel") == [1.0, 1.0] and timed.values("b", "images_s_b1_rel") == [0.5, 2.0]
    (record,) = found.of("b", column("macs_m_rel"))
    assert column("macs_m_rel").value(record) == 1.0
    assert Evidence(costs={"b": cost()}, subjects=subjects).of("b", column("macs_m_rel")) == []


def test_the_yield_is_the_actual_over_the_theoretical_speed_up() -> None:
    small = replace(cost(), cost={**cost().cost, "macs": cost().cost["macs"] // 4})
    subjects = {"a": Subject(ARCH, NONE, base="a"), "b": Subject(ARCH, NONE, base="a")}
    timing = timings({"a": [80.0], "b": [40.0]}, "onnx_ms")
    found = Evidence(costs={"a": cost(), "b": small}, timing=timing, subjects=subjects)
    timed = with_derived(found, [column("onnx_ms_rel"), column("onnx_ms_yield")]).timing
    assert timed is not None and timed.values("b", "onnx_ms_rel") == [2.0]
    assert timed.values("b", "onnx_ms_yield") == [pytest.approx(0.5)]


PRUNE = {**NONE, "name": "prune", "steps": [{"method": "prune", "density": 0.5}]}
COMPRESSED = {
    "plain": Subject(ARCH, NONE, base="plain"),
    "asked": Subject(ARCH, PRUNE, densities={}, base="plain"),
    "unasked": Subject(ARCH, PRUNE, base="plain"),
}


def coded(size: int, **code: str) -> Coded:
    return Coded(ARCH, PRUNE, {}, {"bytes": size, "parts": {"codes": size}, "coded": {}, "fillers": 0}, code, {})


def test_the_file_at_the_paper_s_scale_is_the_compressed_one_or_four_bytes_a_parameter() -> None:
    found = Evidence(
        costs=dict.fromkeys(COMPRESSED, cost()), coded={"asked": coded(500_000)}, subjects=COMPRESSED
    )  # fmt: skip

    def values(name: str) -> list[list[float | None]]:
        return [[column(name).value(record) for record in found.of(row, column(name))] for row in COMPRESSED]

    plain = 4 * 1_248_424
    assert values("coded_mb") == [[plain / 2**20], [500_000 / 2**20], []]
    assert values("coded_mb_rel") == [[1.0], [plain / 500_000], []]
    assert Evidence(subjects=COMPRESSED).of("plain", column("coded_mb")) == []
    trained = Evidence({"plain": [record()]}, subjects=COMPRESSED).of("plain", column("coded_mb"))
    assert [column("coded_mb").value(each) for each in trained] == [plain / 2**20]


def test_which_files_at_the_paper_s_scale_have_yet_to_be_made() -> None:
    assert uncoded(COMPRESSED, Evidence()) == ["asked"]
    assert uncoded(COMPRESSED, Evidence(coded={"asked": coded(1)})) == []
    assert uncoded(COMPRESSED, Evidence(coded={"asked": coded(1, **{SOURCE: "0" * 12})})) == ["asked"]
