"""What is made of SLURM's answers. They are made here; tests/flows/test_sweep_slurm.py asks a real one."""

import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.suite import sweep_slurm
from experiments.suite.fields import declared
from experiments.suite.launch import Job
from experiments.suite.sweep_launchers import chosen
from experiments.suite.sweep_slurm import GOES_ON, Cluster, OnCluster, Queue

TRAINER = {"accelerator": "cpu", "devices": 1, "threads": 1, "workers": 0}


class Slurm:
    """Answers as it is told to: the queue, what it knows of a job, and its configuration."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.queue, self.config = "", "MaxArraySize            = 1001\n"
        self.job: str | None = None
        self.asked = 0
        self.now = 1000.0
        monkeypatch.setattr(sweep_slurm, "_asked", self.answer)
        monkeypatch.setattr(sweep_slurm, "time", SimpleNamespace(monotonic=lambda: self.now, sleep=time.sleep))

    def answer(self, *command: str) -> str | None:
        self.now += 0.01
        if command[0] == "squeue":
            return self.queue
        if command[2] == "config":
            return self.config
        self.asked += 1
        return self.job

    def poll(self, going: OnCluster, after: float = 6.0) -> int | None:
        self.now += after
        return going.poll()


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> Slurm:
    return Slurm(monkeypatch)


def job(state: str, code: str = "0:0") -> str:
    return (
        f"JobId=12 ArrayJobId=12 JobName=compact-nets JobState={state} Reason=None Requeue=1 ExitCode={code} RunTime=1"
    )


@pytest.mark.parametrize("state", GOES_ON)
def test_a_job_that_the_queue_lacks_goes_on_while_slurm_says_so(slurm: Slurm, state: str) -> None:
    going = OnCluster("12_3", Queue())
    slurm.job = job(state)
    assert [slurm.poll(going) for _ in range(30)] == [None] * 30
    slurm.job = job("COMPLETED")
    assert slurm.poll(going) == 0 and going.state() == "COMPLETED"


@pytest.mark.parametrize(
    ("state", "code", "found"),
    [("COMPLETED", "0:0", 0), ("FAILED", "2:0", 2), ("OUT_OF_MEMORY", "0:125", 125), ("CANCELLED", "0:15", 15)],
)
def test_one_that_has_ended_has_its_state_and_code(slurm: Slurm, state: str, code: str, found: int) -> None:
    going = OnCluster("12_3", Queue())
    slurm.queue = "12_3"
    assert slurm.poll(going) is None and slurm.asked == 0
    slurm.queue, slurm.job = "12_4", job(state, code)
    assert (slurm.poll(going), going.state()) == (found, state)
    slurm.job = None
    assert slurm.poll(going) == found and slurm.asked == 1


def test_no_answer_is_asked_for_again_but_not_for_ever(slurm: Slurm) -> None:
    going = OnCluster("12_3", Queue())
    assert [slurm.poll(going) for _ in range(5)] == [None] * 5
    slurm.job = job("RUNNING")
    assert slurm.poll(going) is None
    slurm.job = ""
    assert [slurm.poll(going) for _ in range(5)] == [None] * 5
    before = slurm.asked
    assert [slurm.poll(going, after=0.2) for _ in range(10)] == [None] * 10
    assert slurm.asked <= before + 1, "asked at every look"
    assert slurm.poll(going, after=sweep_slurm.FORGOTTEN_S) == 1 and going.state() == ""


@pytest.mark.parametrize(
    ("largest", "at_a_time", "jobs", "arrays", "parallel"),
    [
        ("1001", 0, 40, [40], [40]), ("1001", 3, 40, [40], [3]), ("16", 4, 40, [16, 16, 8], [1, 1, 1]),
        ("16", 0, 40, [16, 16, 8], [16, 16, 8]), ("", 6, 2000, [1001, 999], [3, 3]),
    ],
)  # fmt: skip
def test_all_jobs_are_arrays_of_no_more_than_the_cluster_takes(
    slurm: Slurm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, largest: str, at_a_time: int, jobs: int,
    arrays: Sequence[int], parallel: Sequence[int],
) -> None:  # fmt: skip
    slurm.config = f"MaxArraySize            = {largest}\n" if largest else ""
    found: list[tuple[int, int]] = []

    class Executor:
        def __init__(self, parallel: int) -> None:
            self.parallel, self.jobs = parallel, 0

        def batch(self) -> Any:
            from contextlib import nullcontext

            return nullcontext()

        def submit(self, call: Any) -> Any:
            if not self.jobs:
                found.append((0, self.parallel))
            self.jobs += 1
            found[-1] = (self.jobs, self.parallel)
            return SimpleNamespace(job_id=f"{len(found)}_{self.jobs - 1}")

    monkeypatch.setattr(Cluster, "_executor", lambda self, at_a_time: Executor(at_a_time))
    cluster = Cluster({**declared("hydra/launcher", "slurm"), "jobs": at_a_time}, TRAINER)
    asked = [Job(("true",), {}, tmp_path / str(number) / "log.txt") for number in range(jobs)]
    for each in asked:
        each.log_path.parent.mkdir()
    going = cluster.start(asked)
    assert found == list(zip(arrays, parallel, strict=True))
    names = [each.name for each in going if isinstance(each, OnCluster)]
    assert len(set(names)) == jobs
    assert [(each.log_path.parent / "submitted").read_text(encoding="ascii") for each in asked] == names
    slurm.queue = "\n".join(names)
    slurm.now += 10
    assert [each.name for each in cluster.start(asked) if isinstance(each, OnCluster)] == names
    assert len(found) == len(arrays), "submitted twice"


def test_the_speed_is_not_measured_where_jobs_are_only_submitted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from experiments import table

    started: list[list[str]] = []
    fake = SimpleNamespace(run=lambda command, **_: started.append(command) or SimpleNamespace(returncode=0))
    monkeypatch.setattr(table, "subprocess", fake)
    request: Any = SimpleNamespace(table=SimpleNamespace(name="table11"), budget="paper", extra=("data.root=/a b",))
    table._measure(request, chosen(["hydra/launcher=slurm"])[0])
    line = "-m experiments.measure table=table11 budget=paper 'data.root=/a b'"
    assert not started and line in capsys.readouterr().out
    table._measure(request, chosen([])[0])
    assert started[0][1:] == ["-m", "experiments.measure", "table=table11", "budget=paper", "data.root=/a b"]
