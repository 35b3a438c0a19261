"""What is there, what is missing, what it will take."""

from dataclasses import replace
from typing import Any

import pytest

from experiments.suite import fingerprint
from experiments.suite.contract import load
from experiments.suite.files import write_json
from experiments.suite.paths import ROOT
from experiments.suite.plan import (
    PlannedRun,
    RowPlan,
    expected_minutes,
    minutes_left,
    plan,
    rows_of,
    staleness,
)
from experiments.suite.record import Record
from experiments.suite.store import Run
from tests.suite.records import made

ID, CONTRACT = "net-data-none-proxy-0123456789", "net-data-none-proxy-ccccccccccc"
SOURCE = "lightning_modules/recipe.py"


PROXY = "net-data-none-proxy-ddddddddddd"


def row(run_id: str = ID, contract_id: str | None = None, share: float | None = None) -> RowPlan:
    return RowPlan("vanilla", "Vanilla", ("budget=proxy",), run_id, contract_id or run_id, PROXY, share)


def record(seed: int = 0, run_id: str = ID, **provenance: Any) -> Record:
    found = made(seed, {"test/top1_acc": 90.0}, run_id=run_id, status=provenance.pop("status", "done"))
    found.provenance.update(provenance)
    return found


def keep(found: Record, published: bool = False) -> None:
    run = Run(found.run_id, found.seed)
    write_json(run.published_path if published else run.record_path, found.to_json())


def planned() -> PlannedRun:
    (found,) = plan([row()], [0])
    return found


def start() -> None:
    folder = Run(ID, 0).folder
    folder.mkdir(parents=True)
    (folder / "epoch-0001-0123456789abcdef.ckpt").touch()


def test_a_compressed_run_names_the_runs_it_begins_with() -> None:
    runs = {run.row: run for run in plan(rows_of(load("table13"), "proxy"), [3])}
    assert runs["squeezenet"].parents == runs["bwn"].parents == ()
    assert runs["kmeans_8"].parents == runs["small_distilled"].parents == (runs["squeezenet"].run,)
    assert runs["mobilenet_int8"].parents == (runs["mobilenet"].run,) and runs["mobilenet"].run.seed == 3


def test_a_child_of_a_parent_that_was_trained_again_says_so() -> None:
    child, parent = record(0), record(0, CONTRACT)
    parent.result["weights_sha256"] = "b"
    child.provenance["parent"] = {"run_id": CONTRACT, "seed": 0, "weights_sha256": "a"}
    keep(child)
    compressed = replace(row(), parents=(CONTRACT,))
    assert plan([compressed], [0])[0].note == "", "nobody knows"
    keep(parent)
    assert plan([compressed], [0])[0].note == f"stale: {CONTRACT} has been trained again, to other weights"
    child.provenance["parent"]["weights_sha256"] = "b"
    keep(child)
    assert plan([compressed], [0])[0].note == ""


# States


def test_missing() -> None:
    found = planned()
    assert (found.state, found.note, found.minutes, found.to_do) == ("missing", "", None, True)
    assert not Run(ID, 0).folder.exists()  # a plan leaves nothing behind


def test_an_empty_folder_is_missing_too() -> None:
    Run(ID, 0).folder.mkdir(parents=True)
    assert planned().state == "missing"


@pytest.mark.parametrize("status", ["done", "diverged"])
def test_done(status: str) -> None:
    keep(record(status=status))
    found = planned()
    assert (found.state, found.note, found.to_do) == ("done", "", False)


def test_a_published_record_is_not_this_machines() -> None:
    keep(record(), published=True)
    assert planned().state == "missing"


def test_interrupted() -> None:
    start()
    found = planned()
    assert (found.state, found.to_do) == ("interrupted", True)
    assert "last epoch" in found.note


def test_running() -> None:
    start()
    with Run(ID, 0).claimed():
        found = planned()
    assert (found.state, found.note, found.to_do) == ("running", "by another process", True)
    assert planned().state == "interrupted"


def test_running_before_the_first_checkpoint() -> None:
    with Run(ID, 0).claimed():
        assert planned().state == "running"


def test_failed_with_its_reason() -> None:
    failed = record(status="failed")
    keep(failed)
    assert (planned().state, planned().note, planned().to_do) == ("failed", "see its log", True)
    failed.result["reason"] = "out of memory"
    keep(failed)
    assert planned().note == "out of memory"
    with Run(ID, 0).claimed():
        assert planned().state == "running"


def test_damaged_names_the_file() -> None:
    keep(record())
    path = Run(ID, 0).record_path
    path.write_text("{", encoding="utf-8")
    found = planned()
    assert (found.state, found.to_do) == ("damaged", True)
    assert str(path) in found.note


def test_stale_is_done_and_says_which_code_changed() -> None:
    now = fingerprint.of_file(ROOT / SOURCE)
    keep(record(code={SOURCE: now}))
    assert (planned().state, planned().note) == ("done", "")
    keep(
        record(code={SOURCE: "0" * 12, "lightning_modules/errors.py": "1" * 12, "lightning_modules/gone.py": "2" * 12})
    )
    found = planned()
    assert (found.state, found.to_do) == ("done", False)
    assert found.note == f"stale: lightning_modules/errors.py, lightning_modules/gone.py, {SOURCE} changed"


def test_a_record_without_a_fingerprint_is_not_called_stale() -> None:
    assert staleness(record()) == ""


def test_seed_by_seed() -> None:
    rows = [row("a-b-c-d-0"), row("a-b-c-d-1")]
    order = [(found.run.seed, found.run.run_id[-1]) for found in plan(rows, [2, 0])]
    assert order == [(2, "0"), (2, "1"), (0, "0"), (0, "1")]


# Time


def test_minutes_are_the_shortest_of_this_machines_runs_else_of_the_published() -> None:
    assert expected_minutes(row()) is None
    for seed, seconds in ((0, 240.0), (1, 600.0), (2, 180.0)):
        keep(record(seed, wall_s=seconds), published=True)
    assert expected_minutes(row()) == 3.0
    keep(record(7, wall_s=360.0))
    assert expected_minutes(row()) == 6.0
    keep(record(8, wall_s=300.0))
    assert expected_minutes(row()) == 5.0
    assert planned().minutes == 5.0


def test_only_runs_that_were_finished_tell_the_time() -> None:
    keep(record(0, wall_s=6.0, status="diverged"))
    keep(record(1, wall_s=6.0, status="failed"))
    keep(record(2))
    Run(ID, 3).folder.mkdir(parents=True)
    Run(ID, 3).record_path.write_text("{", encoding="utf-8")
    (Run(ID, 0).folder.parent / "notes").mkdir()
    assert expected_minutes(row()) is None


def test_the_contracts_run_tells_the_time_of_one_that_differs() -> None:
    keep(record(0, CONTRACT, wall_s=180.0), published=True)
    assert expected_minutes(row(ID, CONTRACT)) == 3.0
    keep(record(0, wall_s=60.0))
    assert expected_minutes(row(ID, CONTRACT)) == 1.0


@pytest.mark.parametrize(
    ("minutes", "jobs", "expected"),
    [
        ([], 2, 0.0),
        ([5.0], 1, 5.0),
        ([5.0], 4, 5.0),
        ([3.0, 2.0, 1.0], 1, 6.0),
        ([3.0, 2.0, 1.0], 2, 3.0),
        ([1.0, 2.0, 3.0], 2, 4.0),  # in their order: the long one starts last
        ([4.0, 4.0, 4.0], 2, 8.0),
        ([1.0] * 10, 3, 4.0),
        ([1.0, None, 1.0], 2, None),
    ],
)
def test_minutes_left(minutes: list[float | None], jobs: int, expected: float | None) -> None:
    runs = [PlannedRun("r", "R", (), Run(ID, seed), "missing", "", each) for seed, each in enumerate(minutes)]
    assert minutes_left(runs, jobs) == expected


# Rows


def test_the_rows_of_a_table() -> None:
    rows = rows_of(load("table3"), "smoke")
    assert [found.row for found in rows] == ["vanilla", "simple_bypass", "complex_bypass"]
    assert rows[0].overrides == ("experiment=table3/vanilla", "budget=smoke")
    assert len({found.run_id for found in rows}) == 3
    assert all("-smoke-" in found.run_id for found in rows)
    assert not any(found.differs for found in rows)


def test_rows_with_extra_overrides_know_their_contract() -> None:
    plain = rows_of(load("table3"), "smoke")
    other = rows_of(load("table3"), "smoke", ["recipe.lr=0.123"])
    assert all(found.differs for found in other)
    assert [found.contract_id for found in other] == [found.run_id for found in plain]
    assert other[0].overrides[-1] == "recipe.lr=0.123"
    harmless = rows_of(load("table3"), "smoke", ["trainer.threads=1", "label=x"])
    assert not any(found.differs for found in harmless)


def test_without_records_of_its_own_a_run_takes_its_share_of_the_published_one() -> None:
    assert expected_minutes(row(share=0.5)) is None
    keep(record(run_id=PROXY, wall_s=600.0), published=True)
    assert expected_minutes(row(share=0.5)) == pytest.approx(5 + 10 / 60)
    assert expected_minutes(row(share=None)) is None
    keep(record(wall_s=60.0))
    assert expected_minutes(row(share=0.5)) == 1.0


def test_a_row_with_seeds_of_its_own_runs_with_those_alone() -> None:
    rows = [row(), replace(row(), row="one", seeds=(1,))]
    found = plan(rows, [0, 1])
    assert [(each.row, each.run.seed) for each in found] == [("vanilla", 0), ("vanilla", 1), ("one", 1)]
