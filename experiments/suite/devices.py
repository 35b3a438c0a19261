"""Where a table's runs go: a core for each, or on a machine with GPUs one or several of those. Found without torch."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any

from experiments.suite.provenance import cores

VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Place:
    """What one run at a time gets: overrides and environment of its process."""

    overrides: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def hide_gpus() -> None:
    """For a process that computes on the CPU, or PyTorch looks for a driver in every optimiser step: half a millisecond."""
    os.environ.setdefault(VISIBLE, "")


def gpus() -> list[str]:
    """The NVIDIA GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    if VISIBLE in os.environ:
        return [name.strip() for name in os.environ[VISIBLE].split(",") if name.strip() not in ("", "-1")]
    try:
        answer = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return []
    found = [line for line in answer.stdout.splitlines() if line.startswith("GPU ")]
    return [str(number) for number, _ in enumerate(found)]


def places(trainer: Mapping[str, Any], jobs: int, shared: bool = False) -> list[Place]:
    """For ``jobs`` runs side by side of this conf/trainer; with 0 as many as there are GPUs, or cores, for them.

    On cores each run has a thread; with ``shared``, fewer runs than cores share all of them.
    """
    devices, accelerator = trainer["devices"], trainer["accelerator"]
    here = gpus() if accelerator in ("gpu", "cuda", "auto") else []
    if not here:
        # A thread each: two processes of one thread are faster than one of two, and the result depends on the number.
        side_by_side = jobs or max(1, cores() // devices)
        threads = max(1, cores() // (side_by_side * devices)) if shared else 1
        return [Place((f"trainer.threads={threads}",), {"OMP_NUM_THREADS": str(threads)})] * side_by_side
    groups = [here[start : start + devices] for start in range(0, len(here) - devices + 1, devices)] or [here]
    return [Place((), {VISIBLE: ",".join(group)}) for group in islice(cycle(groups), jobs or len(groups))]
