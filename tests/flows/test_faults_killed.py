"""kill -9 at random moments: the same command again does what is missing, and only that."""

import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.flows.commands import Process, finished, records, start

TABLE = (
    "table=table3", "budget=smoke", "seeds=0,1,2,3", "logger=none", "budget.images_seen=6144",
    "budget.train_images=256", "budget.val_images=64", "budget.test_images=64",
)  # fmt: skip
RUNS, KILLS = 12, 20

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(sys.platform != "linux", reason="looks for the workers in /proc"),
]


def start_table(results: Path) -> Process:
    return start(results, sys.executable, "-m", "experiments.table", *TABLE)


def processes(results: Path, module: str) -> list[int]:
    """The processes of this module that have these results, oldest first."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            mine = f"COMPACT_NETS_RESULTS={results}".encode() in (folder / "environ").read_bytes().split(b"\0")
            if mine and module.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue  # it has just ended
    return sorted(found)


def strike(results: Path, table: Process, victim: str) -> None:
    """Kills the table, one of its workers (the table where there is none), or all of them at once."""
    workers = processes(results, "experiments.run")
    if victim == "worker" and workers:
        doomed = workers[:1]
    else:
        doomed = [table.pid, *(workers if victim == "all" else [])]
    for process in doomed:
        os.kill(process, signal.SIGKILL)
    if table.pid in doomed:
        table.communicate()


def done(results: Path) -> dict[Path, bytes]:
    """What belongs to finished runs and must never change again: the record, and the list of attempts."""
    folders = [path.parent for path in (results / "local" / "runs").glob("*/*/record.json")]
    return {path: path.read_bytes() for folder in folders for path in (folder / "record.json", folder / "attempts")}


def test_a_table_killed_twenty_times_is_the_table_and_no_run_is_done_twice(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    whole, results = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("killed")
    answer = finished(start_table(whole), timeout=600)
    assert answer.returncode == 0, answer.stdout + answer.stderr

    chance = random.Random(20)
    table, kept = start_table(results), {}
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.5, 20))
        now = done(results)
        assert {path: now.get(path) for path in kept} == kept
        kept = now
        if table.poll() is not None:  # with a line for each worker that was killed
            said = table.communicate()
            assert table.returncode == 1 and "failed: " in said[0] and "Traceback" not in said[0] + said[1], said
            table = start_table(results)
            time.sleep(chance.uniform(0.5, 20))
        strike(results, table, chance.choice(("table", "worker", "all")))
        if table.poll() is not None:
            table = start_table(results)
    assert len(kept) < 2 * RUNS, "the table was done before it was killed often enough"
    finished(table, timeout=600)

    answer = finished(start_table(results), timeout=600)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert {path: done(results)[path] for path in kept} == kept
    expected, found = records(whole), records(results)
    assert len(expected) == RUNS and set(found) == set(expected)
    for name, record in found.items():
        assert record["result"] == expected[name]["result"], name
    attempts = [record["provenance"]["attempts"] for record in found.values()]
    assert max(attempts) > 1, "no run was killed and went on"
    for folder in (results / "local" / "runs").glob("*/*"):
        names = sorted(path.name for path in folder.iterdir() if path.suffix != ".ckpt")
        assert names == ["attempts", "code.json", "lock", "log.txt", "owner", "record.json"]
        assert len(list(folder.glob("*.ckpt"))) == 1
    assert not processes(results, "experiments.run")
