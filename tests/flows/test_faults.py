"""Damaged files, full and read-only disks, a clock that goes backwards: told in a line, nothing lost but time."""

import gzip
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from experiments import run
from experiments.suite import store
from experiments.suite.interrupts import Interrupted
from experiments.suite.paths import DATA_CACHE
from lightning_modules.data.fashion_mnist import DEBIAN_FOLDER
from tests.flows.commands import environment, finished, records, start, start_run, started
from tests.flows.faults import (
    FEW,
    RUN,
    YEARS_10,
    Here,
    copied,
    empty,
    file_size_limit,
    flip,
    folder,
    holding,
    in_a_line,
    limit_file_size,
    names,
    run_folder,
    truncate,
)

pytestmark = pytest.mark.xdist_group("faults")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Results with a run that nothing disturbed."""
    with pytest.MonkeyPatch.context() as patch:
        results = tmp_path_factory.mktemp("whole")
        patch.setenv("COMPACT_NETS_RESULTS", str(results))
        assert run.main([*RUN]) == 0
        yield results


@pytest.fixture(scope="module")
def stopped(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results with a run that was stopped in its third epoch of three."""

    class Stop:
        def __enter__(self) -> "Stop":
            return self

        def __exit__(self, *error: Any) -> None: ...

        def __call__(self, progress: Any) -> None:
            if progress.epoch == 3:
                raise Interrupted(15)

    with pytest.MonkeyPatch.context() as patch:
        results = tmp_path_factory.mktemp("stopped")
        patch.setenv("COMPACT_NETS_RESULTS", str(results))
        patch.setattr(run, "_reporter", lambda name, label: Stop())
        with pytest.raises(Interrupted):
            run.main([*RUN])
        assert [name[:10] for name in names(run_folder(results)) if name.endswith(".ckpt")] == [
            "epoch-0001",
            "epoch-0002",
        ]
        return results


def result(results: Path) -> dict[str, Any]:
    (record,) = records(results).values()
    return record["result"]


# Checkpoints


@pytest.mark.parametrize("damage", [truncate, flip, empty])
def test_a_damaged_checkpoint_is_named_and_the_one_before_used(
    tmp_path: Path, here: Here, whole: Path, stopped: Path, damage: Callable[[Path], None]
) -> None:
    results = copied(stopped, tmp_path / "results")
    newest = max(run_folder(results).glob("*.ckpt"))
    damage(newest)
    answer = here(results, run, *RUN)
    assert answer.code == 0, answer.err
    assert f"warning: {newest} is damaged and was not used; went on from epoch 1\n" in answer.out
    assert result(results) == result(whole)
    assert not newest.exists()


def test_with_no_good_checkpoint_it_starts_over_and_says_so(
    tmp_path: Path, here: Here, whole: Path, stopped: Path
) -> None:
    results = copied(stopped, tmp_path / "results")
    both = list(run_folder(results).glob("*.ckpt"))
    for path in both:
        flip(path, 0.1)
    answer = here(results, run, *RUN)
    assert answer.code == 0, answer.err
    for path in both:
        assert f"warning: {path} is damaged and was not used; started over\n" in answer.out
    assert result(results) == result(whole)


def test_halves_of_a_killed_attempt_are_cleared_away(tmp_path: Path, here: Here, whole: Path, stopped: Path) -> None:
    results = copied(stopped, tmp_path / "results")
    folder = run_folder(results)
    for name in (".epoch-3.tmp", ".progress.json.abc123", ".record.json.abc123"):
        (folder / name).write_text("half", encoding="ascii")
    assert here(results, run, *RUN).code == 0
    assert result(results) == result(whole)
    assert not [name for name in names(folder) if name.startswith(".")]


def test_a_checkpoint_needs_no_room_among_the_temporary_files(
    tmp_path: Path, here: Here, whole: Path, stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = copied(stopped, tmp_path / "results")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    answer = here(results, run, *RUN)
    assert answer.code == 0, answer.err
    assert result(results) == result(whole)


# Data


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("name", ["train-labels-idx1-ubyte", "t10k-images-idx3-ubyte"])
def test_a_bit_flipped_data_file_is_named_and_nothing_is_written(
    tmp_path: Path, here: Here, name: str, packed: bool
) -> None:
    source = DEBIAN_FOLDER if DEBIAN_FOLDER.is_dir() else DATA_CACHE / "fashion_mnist"
    folder, results = tmp_path / "images", tmp_path / "results"
    folder.mkdir()
    for path in source.glob("*ubyte*"):
        (folder / path.name).symlink_to(path)
    path = next(folder.glob(f"{name}*"))
    content = path.read_bytes()
    path.unlink()
    if path.suffix == ".gz" and not packed:
        path, content = path.with_suffix(""), gzip.decompress(content)
    elif path.suffix != ".gz" and packed:
        path, content = path.with_suffix(".gz"), gzip.compress(content)
    path.write_bytes(content)
    flip(path)
    answer = here(results, run, *RUN, f"data.root={folder}")
    assert answer.code == 2
    assert str(path) in in_a_line(answer)
    assert not results.exists()


# Records


def not_a_number(path: Path) -> None:
    found = json.loads(path.read_text("utf-8"))
    found["result"]["metrics"]["test/top1_acc"] = float("nan")
    path.write_text(json.dumps(found), encoding="utf-8")


@pytest.mark.parametrize("damage", [holding(b"{"), folder, not_a_number], ids=["brace", "folder", "not a number"])
def test_a_run_whose_record_is_damaged_is_done_again(
    tmp_path: Path, here: Here, whole: Path, damage: Callable[[Path], None]
) -> None:
    results = copied(whole, tmp_path / "results")
    path = run_folder(results) / "record.json"
    damage(path)
    answer = here(results, run, *RUN)
    assert answer.code == 0, answer.err
    assert f"{path} " in answer.out and "kept as record.json.damaged, the run is done again" in answer.out
    assert result(results) == result(whole)
    assert (run_folder(results) / "record.json.damaged").exists()
    assert "done before" in here(results, run, *RUN).out


# A full disk


def test_a_disk_too_full_for_a_checkpoint(tmp_path: Path, here: Here, whole: Path) -> None:
    with file_size_limit(1_000_000):
        answer = here(tmp_path, run, *RUN)
    assert answer.code == 2
    folder = run_folder(tmp_path)
    assert in_a_line(answer) == f"error: {folder}: File too large; make it readable and writable, or make room"
    assert set(names(folder)) == {"attempts", "code.json", "lock", "owner", "record.json"}
    assert result(tmp_path)["status"] == "failed"
    assert here(tmp_path, run, *RUN).code == 0
    assert result(tmp_path) == result(whole)


@pytest.mark.parametrize("less", [None, 500], ids=["for nothing", "for the record of a failure"])
def test_a_disk_too_full_for_the_record(tmp_path: Path, here: Here, whole: Path, less: int | None) -> None:
    """The last epoch is done: there is only the test and the record to do."""
    results = copied(whole, tmp_path / "results")
    folder = run_folder(results)
    room = 2_000 if less is None else (folder / "record.json").stat().st_size - less
    (folder / "record.json").unlink()
    before = set(names(folder))
    with file_size_limit(room):
        answer = here(results, run, *RUN)
    assert answer.code == 2
    assert f"error: {folder / 'record.json'}: File too large;" in in_a_line(answer)
    assert set(names(folder)) - before <= {"record.json"}
    assert bool(records(results)) == (less is not None)
    assert here(results, run, *RUN).code == 0
    assert result(results) == result(whole)


# The clock


class Earlier(datetime):
    """Ten years ago."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return datetime.fromtimestamp(time.time(), tz)


@pytest.fixture
def earlier(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - YEARS_10)
    for module in (run, store):
        monkeypatch.setattr(module, "datetime", Earlier)


@pytest.mark.usefixtures("earlier")
def test_a_run_goes_on_after_the_clock_was_set_back(tmp_path: Path, here: Here, whole: Path, stopped: Path) -> None:
    results = copied(stopped, tmp_path / "results")
    tomorrow = time.time() + YEARS_10 + 86_400
    for path in results.rglob("*"):
        os.utime(path, (tomorrow, tomorrow))
    answer = here(results, run, *RUN)
    assert answer.code == 0, answer.err
    assert result(results) == result(whole)
    first, second = (run_folder(results) / "attempts").read_text("ascii").splitlines()
    assert second < first  # the clock was
    (record,) = records(results).values()
    assert record["provenance"]["attempts"] == 2 and record["provenance"]["wall_s"] > 0
    assert record["provenance"]["started_at"] < datetime.now(UTC).isoformat()
    assert "done before" in here(results, run, *RUN).out


SET_BACK = f"""
import datetime, time
_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() - {YEARS_10}
time.time_ns = lambda: _time_ns() - {YEARS_10} * 10**9
class _Datetime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)
datetime.datetime = _Datetime
"""


@pytest.mark.slow
def test_a_table_goes_on_in_processes_whose_clock_was_set_back(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(SET_BACK, encoding="utf-8")
    results = tmp_path / "results"
    command = (sys.executable, "-m", "experiments.table", "table=table3", *FEW, "budget.images_seen=256")
    assert finished(start(results, *command)).returncode == 0
    kept = {path: path.read_bytes() for path in results.glob("local/runs/*/*/record.json")}
    gone = kept.popitem()[0]
    gone.unlink()
    answer = finished(start(results, *command, PYTHONPATH=str(tmp_path)))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "1 of 3 runs to do" in answer.stdout and "Traceback" not in answer.stdout + answer.stderr
    assert {path: path.read_bytes() for path in kept} == kept
    year = json.loads(gone.read_text("utf-8"))["provenance"]["started_at"][:4]
    assert int(year) <= datetime.now(UTC).year - 9
    assert "all 3 runs are done" in finished(start(results, *command, PYTHONPATH=str(tmp_path))).stdout


# A full disk, in whole commands


@pytest.mark.slow
def test_a_full_disk_ends_a_run_that_logs_in_a_line(tmp_path: Path) -> None:
    """W&B's own files can't be written either; that alone would not end it."""
    logging = [*(word for word in RUN if word != "logger=none"), "logger=wandb"]
    command = (sys.executable, "-m", "experiments.run", *logging)
    answer = finished(started(command, environment(tmp_path), limit_file_size(3_000)), timeout=120)
    assert answer.returncode == 2
    assert str(run_folder(tmp_path)) in in_a_line(answer) and "File too large" in in_a_line(answer)
    assert not records(tmp_path) and not checkpoints_and_halves(tmp_path)
    assert finished(start_run(tmp_path, *logging)).returncode == 0
    assert result(tmp_path)["status"] == "done"


@pytest.mark.slow
def test_a_full_disk_ends_a_table_with_one_line_for_its_runs(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "experiments.table", "table=table3", *FEW, "budget.images_seen=256", "logger=none")
    answer = finished(started(command, environment(tmp_path), limit_file_size(1_000_000)))
    assert answer.returncode == 2, answer.stdout + answer.stderr
    said = answer.stdout + answer.stderr
    assert said.count("File too large") == 3 and said.count("failed: ") == 3 and "Traceback" not in said
    assert not checkpoints_and_halves(tmp_path)
    assert finished(start(tmp_path, *command)).returncode == 0
    assert {record["result"]["status"] for record in records(tmp_path).values()} == {"done"}
    assert len(records(tmp_path)) == 3


def checkpoints_and_halves(results: Path) -> list[Path]:
    return [path for pattern in ("*.ckpt", ".*") for path in (results / "local" / "runs").glob(f"*/*/{pattern}")]
