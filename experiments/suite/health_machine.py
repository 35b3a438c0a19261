"""Whether this machine has what runs need: room on the disk, cores, memory, an accelerator, a clock that is right."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from experiments.suite.health import GB, Finding, count, one_line
from experiments.suite.paths import shown

LEAST_GB, ENOUGH_GB = 1, 5  # of free disk space
JOB_GB = 1.5  # of memory: a run of a small net on Fashion-MNIST takes 1.1
DAY_S = 24 * 3600.0


def check_folder(path: Path, elsewhere: str) -> Finding:
    """Whether ``path`` can be written, or made, and how much room there is. ``elsewhere``: how to use another one."""
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    try:
        tempfile.TemporaryFile(dir=there).close()
        free = shutil.disk_usage(there).free / GB
    except OSError as error:
        reason = error.strerror if there.is_dir() else "it is a file"
        what = f"{shown(path)} cannot be written ({f'{shown(there)}: ' if there != path else ''}{reason})"
        return Finding("FAIL", what, (f"make it a folder that can be written, or {elsewhere}",))
    return check_room(path, free, elsewhere)


def check_room(path: Path, free_gb: float, elsewhere: str) -> Finding:
    what = f"{shown(path)}, {free_gb:,.1f} GB free"
    if free_gb < ENOUGH_GB:
        level = "FAIL" if free_gb < LEAST_GB else "warn"
        return Finding(level, f"{what}: too little", (f"make room (df -h), or {elsewhere}",))
    return Finding("ok", what)


def check_threads(cores: int, threads: int | None, quota: float | None, environment: Mapping[str, str]) -> Finding:
    """``threads``: what torch takes for a single run; None where torch does not import.

    ``quota``: the processor time that the container gets, in cores; None where it is not limited.
    """
    advice = []
    if quota is not None and quota < cores:
        jobs = max(1, int(quota))
        advice.append(f"the container gets the time of {quota:g} of them: make table3 JOBS={jobs}")
    asked = environment.get("OMP_NUM_THREADS", "")
    first = asked.partition(",")[0].strip()
    if asked and not (first.isdigit() and 1 <= int(first) <= cores):
        advice.append(f"OMP_NUM_THREADS={asked} is no number of threads from 1 to {cores}: unset OMP_NUM_THREADS")
    policy = environment.get("OMP_WAIT_POLICY", "PASSIVE")
    if policy.upper() != "PASSIVE":
        spin = "threads that spin slow a busy machine down 10 to 100 times: export OMP_WAIT_POLICY=PASSIVE"
        advice.append(f"OMP_WAIT_POLICY={policy}; {spin}")
    single = f"; a single run takes {count(threads, 'thread')}" if threads else ""
    what = f"{count(cores, 'core')}: a table does {cores} at a time, a thread each{single}"
    return Finding("warn", what, tuple(map(one_line, advice))) if advice else Finding("ok", what)


def check_memory(available: int | None, jobs: int) -> Finding:
    """``available`` in bytes; None where the system does not tell."""
    if available is None:
        return Finding("ok", "unknown on this system")
    what = (
        f"{available / GB:.1f} GB available, {available / jobs / GB:.1f} GB for each of {count(jobs, 'run')} at a time"
    )
    fitting = int(available / GB / JOB_GB)
    if fitting >= jobs:
        return Finding("ok", what)
    less = "close other programs" if not fitting else f"close other programs, or make table3 JOBS={fitting}"
    return Finding("warn", f"{what}; a run takes up to {JOB_GB} GB", (less,))


def check_accelerator(
    listed: Sequence[str] | None, facts: Mapping[str, Any] | None, environment: Mapping[str, str]
) -> Finding:
    """``listed``: the lines of nvidia-smi -L, None without it. ``facts``: what torch sees (health_python.PROBE)."""
    names = [line.partition(" (UUID")[0].strip() for line in listed or () if line.startswith("GPU ")]
    if names and facts and not facts["cuda"]:
        visible = environment.get("CUDA_VISIBLE_DEVICES")
        if visible is not None:
            what = f"{', '.join(names)}, none of them in CUDA_VISIBLE_DEVICES={visible}"
            return Finding("warn", what, ("unset CUDA_VISIBLE_DEVICES, unless that is meant",))
        advice = "a build of torch for this driver: make clean-venv && make setup, without PIP_ARGS of a CPU build"
        return Finding("warn", f"{', '.join(names)}, but torch {facts['torch']} cannot use them", (advice,))
    if names:
        return Finding("ok", f"{', '.join(names)}; runs use {'it' if len(names) == 1 else 'them'} with trainer=gpu")
    if facts and (facts["cuda"] or facts["mps"]):
        return Finding("ok", count(facts["cuda"], "CUDA device") if facts["cuda"] else "Apple's GPU (MPS)")
    return Finding("ok", "none; none is needed at budget smoke and proxy")


def check_clock(newest: tuple[Path, float] | None, now: float) -> Finding:
    """``newest``: the project's newest file and its time. A clock that was set back keeps make from doing its work."""
    today = f"{datetime.fromtimestamp(now):%Y-%m-%d %H:%M}"
    if newest is None or newest[1] <= now + DAY_S:
        return Finding("ok", today)
    path, time = newest
    what = f"{today}, but {shown(path)} is of {datetime.fromtimestamp(time):%Y-%m-%d}"
    return Finding("warn", what, ("set the clock (date shows it)", f"if it is right: touch {shown(path)}"))


def newest_file(root: Path, left_out: Iterable[str]) -> tuple[Path, float] | None:
    """The newest file below ``root`` and its time, without the folders that are left out by name."""
    skipped = set(left_out)
    found: tuple[Path, float] | None = None
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in skipped]
        for path in (Path(folder, name) for name in files):
            try:
                time = path.stat().st_mtime
            except OSError:
                continue  # gone, or a link to nowhere
            if found is None or time > found[1]:
                found = path, time
    return found


def available_memory(root: Path = Path("/")) -> int | None:
    """Bytes that programs can still get: what the system says, or less where a control group has a limit."""
    try:
        lines = (root / "proc/meminfo").read_text(encoding="ascii").splitlines()
        available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return None
    group = root / "sys/fs/cgroup"
    try:
        limit, used = (int((group / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
        statistics = dict(line.split() for line in (group / "memory.stat").read_text(encoding="ascii").splitlines())
        return min(available, limit - used + int(statistics["inactive_file"]))  # a cache that gives way is free
    except (OSError, ValueError, KeyError):  # no control group, or "max": no limit
        return available


def processor_quota(root: Path = Path("/")) -> float | None:
    """The processor time that this control group may use, in cores; None where it is not limited."""
    try:
        quota, period = (root / "sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None
