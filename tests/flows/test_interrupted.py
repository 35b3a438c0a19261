"""Killed, stopped, started twice: the result is the same and nothing is done again."""

import shlex
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.commands import (
    checkpoints,
    finished,
    kill,
    make,
    records,
    start,
    start_run,
    table,
    wait_until,
)  # fmt: skip

RUN = ("arch.bypass=simple", "budget=smoke", "budget.images_seen=6144", "trainer.threads=1", "logger=none")


def result(results: Path) -> dict:
    (record,) = records(results).values()
    return record["result"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict]:
    folder = tmp_path_factory.mktemp("uninterrupted")
    answer = finished(start_run(folder, *RUN))
    assert answer.returncode == 0, answer.stderr
    yield result(folder)


pytestmark = pytest.mark.xdist_group("interrupted")


def test_kill_9_and_again_gives_the_same_result_bit_for_bit(tmp_path: Path, uninterrupted: dict) -> None:
    for epochs in (1, 2):
        process = start_run(tmp_path, *RUN)
        wait_until(lambda wanted=epochs: any(f"-{wanted:04d}-" in path.name for path in checkpoints(tmp_path)), process)
        time.sleep(0.3)
        kill(process)
    answer = finished(start_run(tmp_path, *RUN))
    assert answer.returncode == 0, answer.stderr
    assert result(tmp_path) == uninterrupted
    (record,) = records(tmp_path).values()
    assert record["provenance"]["attempts"] == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_asked_to_stop_it_stops_soon_says_how_to_go_on_and_goes_on(
    tmp_path: Path, uninterrupted: dict, number: signal.Signals
) -> None:
    process = start_run(tmp_path, *RUN)
    wait_until(lambda: checkpoints(tmp_path), process)
    process.send_signal(number)
    began = time.monotonic()
    answer = finished(process, timeout=20)
    assert time.monotonic() - began < 10
    assert answer.returncode == 128 + number
    (line,) = answer.stderr.splitlines()
    said, command = line.rsplit(": ", 1)
    assert said == "interrupted: to go on from the last finished epoch"
    assert shlex.split(command)[1:] == ["-m", "experiments.run", *RUN]
    assert finished(start(tmp_path, *shlex.split(command))).returncode == 0
    assert result(tmp_path) == uninterrupted


TABLE = ("table=table3", "budget=smoke", "logger=none")


def table_command(results: Path, *more: str):
    return start(results, sys.executable, "-m", "experiments.table", *TABLE, *more)


@pytest.mark.slow
def test_a_stopped_table_stops_its_runs_and_goes_on(tmp_path: Path) -> None:
    process = table_command(tmp_path)
    wait_until(lambda: checkpoints(tmp_path), process)
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    answer = finished(process, timeout=20)
    assert time.monotonic() - began < 10
    assert answer.returncode == 143
    assert answer.stderr.startswith("interrupted: to go on from the last finished epoch: ")
    assert f" -m experiments.table {' '.join(TABLE)}\n" in answer.stderr and answer.stderr.count("\n") == 1
    kept = {path: path.read_bytes() for path in checkpoints(tmp_path)}
    time.sleep(0.5)
    assert {path: path.read_bytes() for path in checkpoints(tmp_path)} == kept  # no run goes on behind its back
    assert finished(table_command(tmp_path)).returncode == 0
    assert len(records(tmp_path)) == 3


@pytest.mark.slow
def test_two_tables_at_once_do_no_run_twice(tmp_path: Path) -> None:
    both = [table_command(tmp_path), table_command(tmp_path)]
    answers = [finished(process) for process in both]
    assert [answer.returncode for answer in answers] == [0, 0], answers
    assert len(records(tmp_path)) == 3
    assert {record["provenance"]["attempts"] for record in records(tmp_path).values()} == {1}
    assert all(cell["here"] for row in table(tmp_path)["rows"] for cell in row["cells"].values())
    logs = [path.read_text() for path in (tmp_path / "local" / "runs").glob("*/*/log.txt")]
    assert not any("Traceback" in log for log in logs)


@pytest.mark.slow
def test_a_worker_whose_table_was_killed_stops(tmp_path: Path) -> None:
    process = table_command(tmp_path, "budget.images_seen=204800")
    wait_until(lambda: checkpoints(tmp_path), process)
    process.kill()
    process.communicate()
    time.sleep(4)
    kept = sorted(path.name for path in checkpoints(tmp_path))
    time.sleep(3)
    assert sorted(path.name for path in checkpoints(tmp_path)) == kept
    shutil.rmtree(tmp_path / "local")


@pytest.mark.slow
def test_fresh_starts_over(tmp_path: Path) -> None:
    assert make(tmp_path, "table3", "BUDGET=smoke", "ARGS=logger=none").returncode == 0
    before = {name: record["provenance"]["started_at"] for name, record in records(tmp_path).items()}
    assert make(tmp_path, "table3", "BUDGET=smoke", "FRESH=1", "ARGS=logger=none").returncode == 0
    after = {name: record["provenance"]["started_at"] for name, record in records(tmp_path).items()}
    assert set(after) == set(before) and all(after[name] > before[name] for name in before)
