"""Of what a record was made: packages, machine, commit."""

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from experiments.suite.paths import ROOT

PACKAGES = (
    "torch", "torchvision", "pytorch-lightning", "torchmetrics", "fvcore", "numpy", "hydra-core", "wandb", "onnx",
    "onnxruntime",
)  # fmt: skip


def packages() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def machine() -> dict[str, Any]:
    """Kind of processor and system; nothing that tells whose machine it is."""
    return {"cpu": _cpu_model(), "cores": cores(), "system": f"{platform.system()} {platform.machine()}"}


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def commit() -> dict[str, Any]:
    """{"commit", "dirty"}; both None outside a git checkout."""
    revision = _git("rev-parse", "HEAD")
    status = _git("status", "--porcelain", "--untracked-files=no")
    return {"commit": revision, "dirty": None if status is None else bool(status)}


def _git(*arguments: str) -> str | None:
    try:
        answer = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def _cpu_model() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
