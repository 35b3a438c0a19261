"""How long a user waits for a command: imports, the start of a run, tables of which everything is done."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from experiments.benchmarks.rounds import Side
from experiments.suite.files import read_json, write_json
from experiments.suite.paths import RESULTS, ROOT
from experiments.suite.plan import RowPlan
from experiments.suite.regenerate import published_request

TABLE = "table3"
MANY = 200  # finished runs to plan
PUBLISHED = ROOT / "results" / "published"  # the project's own, wherever results go


@contextmanager
def sides() -> Iterator[Mapping[str, Side]]:
    """Seconds by command. They see results of their own: the published runs, as if this machine had done them."""
    with tempfile.TemporaryDirectory() as folder:
        few, many = Path(folder, "few"), Path(folder, "many")
        request = published_request(TABLE)
        seeds = range(len(request.table.seeds))
        _finished(few, request.rows, seeds)
        shutil.copytree(PUBLISHED, few / "published")
        more = range(-(-MANY // len(request.rows)))
        _finished(many, request.rows, more)
        verb = [sys.executable, "-m"]
        yield {
            "import": lambda: _seconds([sys.executable, "-c", "import lightning_modules.experiment"], few),
            "start to first step": lambda: _seconds_to_first_line([*verb, "experiments.run", "budget=smoke"], folder),
            f"make {TABLE}, nothing to do": lambda: _seconds(["make", TABLE, _listed("SEEDS", seeds)], few),
            "make tables": lambda: _seconds(["make", "tables"], few),
            f"plan of {len(more) * len(request.rows)} finished runs": lambda: _seconds(
                [*verb, "experiments.plan", f"table={TABLE}", _listed("seeds", more)], many
            ),
        }


def _listed(name: str, seeds: Sequence[int]) -> str:
    return f"{name}={','.join(map(str, seeds))}"


def _finished(results: Path, rows: Sequence[RowPlan], seeds: Sequence[int]) -> None:
    """Records of all rows at these seeds, made of the published ones of seed 0."""
    for row in rows:
        record = read_json(PUBLISHED / "records" / row.run_id / "0.json")
        for seed in seeds:
            record["provenance"]["seed"] = seed
            write_json(results / "local" / "runs" / row.run_id / str(seed) / "record.json", record)


def environment(results: str | Path) -> dict[str, str]:
    """Without what `make bench` was told, which its commands would take for theirs."""
    told = ("MAKE", "MFLAGS", "ARGS", "BUDGET", "SEEDS", "FRESH", "JOBS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(told)}
    return {**kept, RESULTS: str(results)}


def _seconds(command: Sequence[str], results: Path) -> float:
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, env=environment(results), check=True, capture_output=True)
    return time.perf_counter() - began


def _seconds_to_first_line(command: Sequence[str], folder: str) -> float:
    """A run's first line comes when its training starts."""
    with tempfile.TemporaryDirectory(dir=folder) as results:
        began = time.perf_counter()
        with subprocess.Popen(
            command, cwd=ROOT, env=environment(results), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            assert process.stdout
            line = process.stdout.readline()
            elapsed = time.perf_counter() - began
            process.kill()
        if b"epoch 1" not in line:
            raise RuntimeError(f"a run's first line was {line!r}")
        return elapsed
