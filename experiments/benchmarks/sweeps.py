"""Sweeps: runs side by side against one after another, as whole commands, and how long one takes that is finished."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from experiments.benchmarks.commands import environment
from experiments.benchmarks.rounds import Side
from experiments.suite.compose import compose
from experiments.suite.composed import remember
from experiments.suite.files import read_json, write_json
from experiments.suite.identity import run_id
from experiments.suite.paths import ROOT

RUNS, MANY = 8, 200
RATES = 20  # of the finished sweep; the rest of its runs are seeds
REPEATED = f"sweep of {MANY} finished runs"
SMOKE = ("budget=smoke", "logger=none")
PUBLISHED = ROOT / "results" / "published" / "records"


@contextmanager
def sides() -> Iterator[Mapping[str, Side]]:
    """Seconds by what is done. Each starts with results of its own."""
    with tempfile.TemporaryDirectory() as folder:
        finished = Path(folder, "finished")
        overrides = [f"recipe.lr=range(0.001,{0.001 * (RATES + 0.5):g},step=0.001)", f"seed=range(0,{MANY // RATES})"]
        _finish(finished)
        _seconds(finished, *overrides)  # composes all its runs, as whoever ran the sweep has
        yield {
            "side by side": lambda: _fresh(folder, "hydra.launcher.jobs=0"),
            "one after another": lambda: _fresh(folder, "hydra.launcher.jobs=1"),
            REPEATED: lambda: _seconds(finished, *overrides),
        }


def _finish(results: Path) -> None:
    """Records of all the runs, made of a published one."""
    record = read_json(next(PUBLISHED.glob("squeezenet-*/0.json")))
    for number in range(1, RATES + 1):
        record["config"] = compose([f"recipe.lr={0.001 * number:.12g}"])
        record["provenance"]["run_id"] = run_id(record["config"])
        for seed in range(MANY // RATES):
            record["provenance"]["seed"] = seed
            write_json(results / "local" / "runs" / record["provenance"]["run_id"] / str(seed) / "record.json", record)
    remember()


def _fresh(folder: str, *overrides: str) -> float:
    with tempfile.TemporaryDirectory(dir=folder) as results:
        return _seconds(Path(results), *SMOKE, f"seed=range(0,{RUNS})", *overrides)


def _seconds(results: Path, *overrides: str) -> float:
    command = [sys.executable, "-m", "experiments.run", "-m", *overrides]
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, env=environment(results), check=True, capture_output=True)
    return time.perf_counter() - began
