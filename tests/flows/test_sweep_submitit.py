"""hydra/launcher=slurm by submitit's own executor on this machine: no SLURM is needed."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from experiments.suite.fields import declared
from experiments.suite.launch import Pool
from experiments.suite.sweep import planned
from experiments.suite.sweep_slurm import Cluster, HereByTheSameWay, place
from tests.flows.commands import checkpoints, finished, records, start, start_run
from tests.flows.faults import FEW

LONG = ("budget=smoke", "budget.images_seen=6144", "logger=none", "trainer.threads=1")  # 6 epochs
HERE = ("hydra/launcher=slurm", "hydra.launcher.cluster=local")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("submitit")]


def test_a_sweep_by_submitit_on_this_machine_lists_what_failed(tmp_path: Path) -> None:
    sweep = ("-m", *FEW, "logger=none", "recipe.batch_size=64,100000", *HERE)
    answer = finished(start(tmp_path, sys.executable, "-m", "experiments.run", *sweep), timeout=500)
    assert answer.returncode == 1
    (line,) = answer.stderr.splitlines()
    assert line.startswith(
        "failed: recipe.batch_size=100000, seed 0: recipe.batch_size=100000: larger than the training"
    )
    (record,) = records(tmp_path).values()
    assert record["provenance"]["threads"] == 1 and record["result"]["status"] == "done"


def test_a_pre_empted_job_is_put_back_and_goes_on_from_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, results = tmp_path / "whole", tmp_path / "pre-empted"
    assert finished(start_run(whole, *LONG)).returncode == 0
    monkeypatch.setenv("COMPACT_NETS_RESULTS", str(results))
    found = planned(LONG)
    options = {**declared("hydra/launcher", "slurm"), "cluster": "local"}
    cluster = Cluster(options, found.trainer)

    class PreEmpts(Cluster):
        def start(self, jobs):
            (going,) = super().start(jobs)
            assert isinstance(going, HereByTheSameWay)
            end = time.monotonic() + 120
            while not checkpoints(results) and time.monotonic() < end:
                time.sleep(0.1)
            controller = going.job._process.pid
            (task,) = Path(f"/proc/{controller}/task/{controller}/children").read_text(encoding="ascii").split()
            os.kill(int(task), signal.SIGUSR2)  # as SLURM does before it takes the node away
            return [going]

    pool = Pool(found.runs, [place(options, found.trainer)], starter=PreEmpts(options, found.trainer))
    assert cluster.why(object(), 3) == "exit 3"  # type: ignore[arg-type]
    assert not pool.run()
    (record,), (expected,) = records(results).values(), records(whole).values()
    assert record["provenance"]["attempts"] == 2
    assert record["result"] == expected["result"]
