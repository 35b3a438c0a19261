"""Whole commands, as a user types them, with results in a folder of the test's own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
Process = subprocess.Popen[str]


def environment(results: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "WANDB"))}
    return {**kept, "COMPACT_NETS_RESULTS": str(results), "COLUMNS": "120", **more}


def start(results: Path, *command: str, **more: str) -> Process:
    """``more`` is put into its environment."""
    return started(command, environment(results, **more))


def started(command: Sequence[str], variables: dict[str, str], prepare: Callable[[], None] | None = None) -> Process:
    """``prepare`` is called in the new process."""
    return subprocess.Popen(
        command, cwd=ROOT, env=variables, text=True, encoding="utf-8", preexec_fn=prepare,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def finished(process: Process, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    out, err = process.communicate(timeout=timeout)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def make(results: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return finished(start(results, "make", *arguments, **more))


def verb(results: Path, name: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return finished(start(results, sys.executable, "-m", f"experiments.{name}", *arguments, **more))


def start_run(results: Path, *overrides: str) -> Process:
    return start(results, sys.executable, "-m", "experiments.run", *overrides)


def kill(process: Process) -> None:
    """kill -9, the process and all it started."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def wait_until(condition: Callable[[], object], process: Process, seconds: float = 120) -> None:
    """Fails when the process ends, or time does, before the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def records(results: Path) -> dict[str, dict[str, Any]]:
    """{"<run_id>/<seed>": record} of this machine's runs."""
    found = sorted((results / "local" / "runs").glob("*/*/record.json"))
    return {f"{path.parent.parent.name}/{path.parent.name}": json.loads(path.read_text()) for path in found}


def checkpoints(results: Path) -> list[Path]:
    return list((results / "local" / "runs").glob("*/*/epoch-*.ckpt"))


def table(results: Path, name: str = "table3") -> dict[str, Any]:
    return json.loads((results / "local" / "tables" / f"{name}.json").read_text(encoding="utf-8"))


def wandb_summaries(results: Path) -> list[dict[str, Any]]:
    """What W&B's own reader finds in each offline run."""
    tool = shutil.which("wandb", path=str(Path(sys.executable).parent)) or "wandb"
    found = []
    for path in sorted((results / "local" / "wandb").glob("offline-run-*/*.wandb")):
        command = [tool, "leet", "inspect", "--summary", "--json", str(path)]
        answer = subprocess.run(command, capture_output=True, text=True, env=environment(results, WANDB_MODE="offline"))
        assert answer.returncode == 0, answer.stderr
        found.append(json.loads(answer.stdout))
    return found
