"""Searches as a user types them, with trials that are trained: two processes at one study, one of them killed; the grid."""

import csv
import re
import shlex
import signal
import sys
from pathlib import Path

import pytest

from tests.flows.commands import Process, checkpoints, finished, records, start, wait_until
from tests.flows.faults import FEW

TRIALS = ("search=lr_wd", *FEW, "budget.images_seen=768", "logger=none")  # 3 epochs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("search")]


def search(results: Path, *more: str) -> Process:
    return start(results, sys.executable, "-m", "experiments.search", *TRIALS, *more)


def trials(results: Path) -> list[dict[str, str]]:
    (path,) = (results / "local" / "searches").glob("lr_wd-*/trials.csv")
    return list(csv.DictReader(path.open(encoding="utf-8")))


def test_two_processes_share_a_study_and_a_killed_one_s_trials_are_done_by_the_next(tmp_path: Path) -> None:
    first, second = (search(tmp_path, "trials=6", "jobs=1") for _ in range(2))
    wait_until(lambda: checkpoints(tmp_path), first)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    answers = [finished(second, timeout=600), finished(search(tmp_path, "trials=6"), timeout=600)]
    assert [answer.returncode for answer in answers] == [0, 0], answers
    assert "lr_wd: 6 of 6 trials (" in answers[1].stdout
    found = trials(tmp_path)
    assert len(found) == len({line["trial"] for line in found}) == 6
    done = [line for line in found if line["state"] == "done"]
    assert done and len(records(tmp_path)) == len(done)
    values = {record["result"]["metrics"]["val/top1_err"] for record in records(tmp_path).values()}
    assert {float(line["val/top1_err"]) for line in done} == values
    best = re.search(r"^to train it fully: (.*)$", answers[1].stdout, re.MULTILINE)
    assert best
    command = shlex.split(best[1])
    assert command[1:4] == ["-m", "experiments.run", "-m"] and f"recipe.lr={done[0]['recipe.lr']}" in command
    assert list((tmp_path / "local" / "searches").glob("lr_wd-*/lr_wd.svg"))


def test_the_grid_is_a_sweep_with_all_its_seeds_ranked_by_validation(tmp_path: Path) -> None:
    answer = finished(search(tmp_path, "method=grid", "budget.images_seen=256"), timeout=850)
    assert answer.returncode == 0, answer.stderr
    assert "sweep: 27 of 27 runs to do" in answer.stdout and "test/" not in answer.stdout.replace(str(tmp_path), "")
    lines = list(csv.DictReader((tmp_path / "local" / "sweeps" / "lr_wd-grid.csv").open(encoding="utf-8")))
    assert len(lines) == 9 and {line["n"] for line in lines} == {"3"}
    means = [float(line["mean"]) for line in lines]
    assert means == sorted(means)
    assert len(records(tmp_path)) == 27
