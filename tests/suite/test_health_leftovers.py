"""What ended runs leave, told from what a run that goes on needs."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.suite.files import write_json
from experiments.suite.health_leftovers import (
    SETTLED_S,
    Survey,
    check_records,
    check_rests,
    check_runs,
    rests_in,
    survey,
    unreadable_published,
)
from experiments.suite.paths import local, published
from experiments.suite.store import Run
from tests.suite.records import made

RUN = Run("net-data-none-proxy-0123456789", 3)
LATER = time.time() + SETTLED_S + 86_400  # the tests may begin long after this


def look(now: float = LATER) -> Survey:
    return survey(local() / "runs", now)


def leave(*names: str, run: Run = RUN) -> Path:
    """Files of that name, empty, in a run's folder."""
    run.folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (run.folder / name).touch()
    return run.folder


def record(status: str = "done", run: Run = RUN) -> None:
    metrics = {"test/top1_err": 1.0} if status == "done" else {}
    value = made(run.seed, metrics, run_id=run.run_id).to_json()
    value["result"]["status"] = status
    write_json(run.record_path, value)


# Runs


def test_nothing_left_behind() -> None:
    assert look() == Survey()
    record()
    leave("epoch-0006-0123456789abcdef.ckpt", "lock", "owner", "attempts", "log.txt", "code.json")
    found = look()
    assert found == Survey(finished=[RUN])
    assert check_runs(found).what == "1 finished"
    assert [check(found).level for check in (check_runs, check_records)] == ["ok", "ok"]
    assert check_rests(found.temporary, found.empty).what == "none"


@pytest.mark.parametrize("names", [("epoch-0001-0123456789abcdef.ckpt",), ("owner", "attempts")])
def test_an_interrupted_run_can_go_on(names: tuple[str, ...]) -> None:
    leave(*names)
    assert look() == Survey(interrupted=[RUN])
    finding = check_runs(look())
    assert (finding.level, finding.what) == ("ok", "0 finished, 1 interrupted (the same make command goes on)")


def test_a_failed_run_is_tried_again() -> None:
    record("failed")
    assert look() == Survey(failed=[RUN])
    assert "1 failed (the same make command tries again)" in check_runs(look()).what
    record("diverged")
    assert look() == Survey(finished=[RUN])


def test_a_run_that_somebody_does_leaves_nothing() -> None:
    folder = leave(".epoch-2.tmp", ".record.json.abcd1234", "record.json.previous", "record.json.damaged")
    (folder / "record.json").write_text("{", encoding="utf-8")
    with RUN.claimed():
        assert look() == Survey(busy=[RUN])
        assert check_runs(look()).what == "0 finished, 1 running now"
    assert look().busy == [] and len(look().temporary) == 2


def test_a_folder_without_record_checkpoint_and_owner_is_left_over() -> None:
    folder = leave("log.txt")
    assert look(time.time()).empty == []  # its run may just be starting
    assert look().empty == [folder]
    assert not (folder / "lock").exists()  # it only looked
    finding = check_rests([], look().empty)
    assert finding.level == "warn" and finding.advice == (f"rm -r {folder}",)


def test_what_is_no_run_is_left_alone() -> None:
    (local() / "runs" / "notes").mkdir(parents=True)
    (local() / "runs" / "notes" / "text").mkdir()
    (local() / "runs" / "file").touch()
    assert look() == Survey()


# Records


def test_a_record_that_cannot_be_read_fails() -> None:
    leave("owner")
    RUN.record_path.write_text("{", encoding="utf-8")
    finding = check_records(look())
    assert finding.level == "FAIL" and "record.json is not valid JSON" in finding.what
    assert finding.advice == (f"rm -r {RUN.record_path}", "then the same make command does the run again")


def test_a_damaged_record_that_was_put_aside_is_a_warning() -> None:
    record()
    leave("record.json.damaged")
    finding = check_records(look())
    assert (finding.level, finding.what) == ("warn", "1 record put aside because damaged")
    assert finding.advice == (f"rm {RUN.record_path}.damaged",)


def test_a_record_from_before_fresh_can_be_brought_back() -> None:
    record()
    with RUN.claimed():
        RUN.start_over()
    finding = check_records(look())
    assert finding.level == "warn" and "from before FRESH=1 of net-data-none-proxy-0123456789, seed 3" in finding.what
    (command,) = finding.advice
    assert subprocess.run(command, shell=True).returncode == 0
    assert look() == Survey(finished=[RUN])


def test_a_record_from_before_a_fresh_run_that_was_interrupted() -> None:
    leave("record.json.previous", "epoch-0001-0123456789abcdef.ckpt")
    (line,) = check_records(look()).advice
    assert line.startswith("the same make command finishes the new run;") and f"mv {RUN.record_path}.previous" in line


def test_a_record_from_before_a_fresh_run_that_is_done() -> None:
    record()
    leave("record.json.previous")
    assert check_records(look()).advice == (f"rm {RUN.record_path}.previous",)


# Temporary files


def test_temporary_files_of_a_run_that_is_gone() -> None:
    record()
    folder = leave(".epoch-3.tmp", ".record.json.ab12_xyz", ".progress.json.00000000", ".DS_Store", ".nfs0001")
    (folder / ".epoch-3.tmp").write_bytes(bytes(1_500_000))
    found = look()
    expected = [folder / ".epoch-3.tmp", folder / ".progress.json.00000000", folder / ".record.json.ab12_xyz"]
    assert sorted(found.temporary) == expected
    finding = check_rests(found.temporary, ())
    assert finding.level == "warn" and finding.what == "3 temporary files of processes that are gone, 1.5 MB"
    assert finding.advice == tuple(f"rm {path}" for path in expected)


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_temporary_files_elsewhere_are_old_and_of_no_process(tmp_path: Path) -> None:
    cache, tables = tmp_path / "data", tmp_path / "tables"
    for folder in (cache / "fashion_mnist", tables):
        folder.mkdir(parents=True)
    part = cache / "fashion_mnist" / f".images.gz.{dead_process()}.part"
    text = tables / ".table3.md.abcdefgh"
    mine = cache / "fashion_mnist" / f".images.gz.{os.getpid()}.part"
    for path in (part, text, mine, tables / "table3.md", tables / ".hidden"):
        path.touch()
    assert sorted(rests_in([cache, tables, tmp_path / "absent"], LATER)) == [part, text]
    assert rests_in([cache, tables], time.time()) == []


def test_the_temporary_files_of_write_text_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that another way to name them cannot go unnoticed."""

    def killed(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(Path, "replace", killed)
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    with pytest.raises(SystemExit):
        write_json(tmp_path / "record.json", {})
    assert len(rests_in([tmp_path], LATER)) == 1


# Published records


def test_published_records_that_cannot_be_read() -> None:
    write_json(published() / "records" / RUN.run_id / "3.json", made(3, {"a": 1.0}, run_id=RUN.run_id).to_json())
    assert unreadable_published(published() / "records") == ({}, 1)
    (published() / "records" / RUN.run_id / "4.json").write_text("{", encoding="utf-8")
    write_json(published() / "records" / RUN.run_id / "first.json", {})
    problems, readable = unreadable_published(published() / "records")
    assert [path.name for path in problems] == ["4.json", "first.json"] and readable == 1
    assert "not valid JSON" in next(iter(problems.values()))
