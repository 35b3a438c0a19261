"""Sweeps and tables as jobs of a real SLURM: Debian's packages, one node, set up by tests/slurm/setup.sh."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.commands import Process, checkpoints, finished, kill, records, start, start_run, table, wait_until
from tests.flows.faults import FEW

SETUP = Path(__file__).parents[1] / "slurm" / "setup.sh"
FEWER = (*FEW, "logger=none")
LONG = ("budget=smoke", "budget.images_seen=6144", "logger=none", "trainer.threads=1")  # 6 epochs
SLURM = ("hydra/launcher=slurm", "hydra.launcher.mem_gb=2")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("slurm")]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The configuration file of a SLURM that is there for these tests alone."""
    folder = tmp_path_factory.mktemp("slurm")
    answer = subprocess.run([SETUP, "start", folder], capture_output=True, text=True, timeout=600)
    try:
        if answer.returncode:
            pytest.skip(f"no SLURM here: {answer.stderr.strip()}")
        yield str(folder / "slurm.conf")
    finally:
        subprocess.run([SETUP, "stop", folder], timeout=60)


@pytest.fixture
def conf(slurm: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SLURM_CONF", slurm)
    return slurm


def sweep(results: Path, *overrides: str) -> Process:
    return start(results, sys.executable, "-m", "experiments.run", "-m", *overrides, *SLURM)


def said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def job_of(results: Path) -> str:
    (path,) = (results / "local" / "runs").glob("*/*/submitted")
    return path.read_text(encoding="ascii")


def test_a_table_is_an_array_of_jobs_and_given_again_submits_nothing(tmp_path: Path, conf: str) -> None:
    make = ["make", "table3", "BUDGET=smoke", "LAUNCHER=slurm", f"ARGS={' '.join(FEWER)}"]
    typed = [sys.executable, "-m", "experiments.table", "table=table3", *FEWER, "launcher=slurm"]
    makefile = (Path(__file__).parents[2] / "Makefile").read_text(encoding="utf-8")
    command = make if "launcher=$(LAUNCHER)" in makefile else typed
    answer = finished(start(tmp_path, *command), timeout=800)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "submitted to SLURM: 3 jobs" in answer.stdout
    jobs = sorted(path.name for path in (tmp_path / "local" / "slurm").iterdir() if path.is_dir())
    assert [name.partition("_")[2] for name in jobs] == ["", "0", "1", "2"] and len(
        {j.split("_")[0] for j in jobs}
    ) == 1
    assert len(records(tmp_path)) == 3
    assert all(row["cells"]["test/top1_acc"]["here"] for row in table(tmp_path)["rows"])
    again = finished(start(tmp_path, *command))
    assert again.returncode == 0 and "all 3 runs are done" in again.stdout
    assert sorted(path.name for path in (tmp_path / "local" / "slurm").iterdir() if path.is_dir()) == jobs


def test_one_run_is_two_processes(tmp_path: Path, conf: str) -> None:
    two = ("trainer.devices=2", "trainer.accelerator=cpu")
    answer = finished(sweep(tmp_path, *FEWER, *two), timeout=600)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    (record,) = records(tmp_path).values()
    assert record["result"]["status"] == "done"
    assert record["config"]["trainer"]["devices"] == 2 and record["provenance"]["threads"] == 1
    assert "NumCPUs=2" in said("scontrol", "show", "job", "-o", job_of(tmp_path))
    here = finished(start_run(tmp_path / "here", *FEWER, *two, "trainer.threads=1"))
    assert here.returncode == 0
    (expected,) = records(tmp_path / "here").values()
    assert record["result"] == expected["result"]


def test_requeued_in_its_middle_a_run_goes_on_and_its_result_is_the_same(tmp_path: Path, conf: str) -> None:
    whole, results = tmp_path / "whole", tmp_path / "requeued"
    assert finished(start_run(whole, *LONG)).returncode == 0
    process = sweep(results, *LONG)
    wait_until(lambda: checkpoints(results), process)
    said("scontrol", "requeue", job_of(results))
    answer = finished(process, timeout=600)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    (record,), (expected,) = records(results).values(), records(whole).values()
    assert record["provenance"]["attempts"] == 2
    assert record["result"] == expected["result"]


def test_jobs_outlive_who_submitted_them_and_are_not_submitted_twice(tmp_path: Path, conf: str) -> None:
    process = sweep(tmp_path, *LONG)
    wait_until(lambda: checkpoints(tmp_path), process)
    kill(process)
    job = job_of(tmp_path)
    assert job in said("squeue", "--me", "--noheader", "--array", "--format=%i")
    answer = finished(sweep(tmp_path, *LONG), timeout=600)
    assert answer.returncode == 0 and "submitted" not in answer.stdout, answer.stdout
    (record,) = records(tmp_path).values()
    assert record["provenance"]["attempts"] == 1 and job_of(tmp_path) == job


def test_a_cancelled_job_stops_no_other_and_is_listed_with_slurm_s_reason(tmp_path: Path, conf: str) -> None:
    process = sweep(tmp_path, *LONG, "seed=0,1")
    wait_until(lambda: len(checkpoints(tmp_path)) >= 1, process)
    first = next((tmp_path / "local" / "runs").glob("*/0/submitted")).read_text(encoding="ascii")
    said("scancel", first)
    answer = finished(process, timeout=600)
    assert answer.returncode == 1
    (line,) = answer.stderr.splitlines()
    assert line.startswith("failed: ") and "seed 0: " in line and "SLURM: CANCELLED" in line
    assert [record["provenance"]["seed"] for record in records(tmp_path).values()] == [1]


def test_a_slurm_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    missing = str(tmp_path / "slurm.conf")
    answer = finished(
        start(
            tmp_path, sys.executable, "-m", "experiments.run", "-m", *FEWER, *SLURM, SLURM_CONF=missing, PATH=os.defpath
        )
    )
    assert answer.returncode == 2 and answer.stderr.startswith(
        "error: hydra/launcher=slurm: squeue does not answer here"
    )
    assert answer.stderr.count("\n") == 1
