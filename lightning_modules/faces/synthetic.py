"""The rendered data set: made on first use, kept, checked when it is read.

Face ``index`` of ``split`` is a function of (generator version, seed, split, index) alone; each is a person of its own, so
no identity is in two splits.
"""

import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from lightning_modules.data.names import file_name
from lightning_modules.errors import UserError, check_choice
from lightning_modules.faces import shards
from lightning_modules.faces.head import ASSET
from lightning_modules.faces.landmark_set import LandmarkSet
from lightning_modules.faces.markup import five_points
from lightning_modules.faces.render import ATTRIBUTES, VERSION
from lightning_modules.faces.workers import Job, render_all

COUNTS = {"train": 12_000, "val": 1_500, "test": 1_500}
LOOK_EVERY_S = 1.0  # whether another process has finished the set

Said = Callable[[Mapping[str, Any]], None]


def nobody(state: Mapping[str, Any]) -> None:
    """Hears the progress, and says nothing."""


def synthetic_faces(
    cache: Path,
    split: str,
    count: int | None = None,
    *,
    points: int = 5,
    size: int = 128,
    seed: int = 0,
    version: int = VERSION,
    counts: Mapping[str, int] = COUNTS,
    processes: int | None = None,
    said: Said = nobody,
) -> LandmarkSet:
    """The first ``count`` faces of ``split`` (None: all), rendered where ``cache`` has not got them.

    Images (N, size, size, 3) uint8, points (N, 5 or 68, 2). Attributes: ``yaw``, ``pitch``, ``roll`` of the head in
    degrees (positive: to the viewer's right, up, clockwise), ``scale``, the distance of the eye centres by the picture's
    width, and ``occlusion``, the share of the 68 points that something hides: hair, glasses, a hand, the face itself.

    Two processes may ask at once: one renders, the other waits. Stopped and asked again, it goes on after the last shard.

    Args:
        processes: that render side by side, a thread each; None: one a core.
        said: is told the progress: ``phase`` ("all"), ``step`` and ``steps`` in faces, ``seconds_left``.

    Raises:
        UserError: an argument is none that there is; a process died.
        CorruptFileError: a file is not what was rendered.
    """
    check_choice("split", split, tuple(counts))
    check_choice("data.points", points, (5, 68))
    if version != VERSION:
        raise UserError(f"data.version={version}: this renderer draws version {VERSION}; set data.version={VERSION}")
    if seed < 0:
        raise UserError(f"data.seed={seed}: must be 0 or more")
    wanted = counts[split] if count is None else count
    if not 1 <= wanted <= counts[split]:
        raise UserError(f"{wanted} faces of {split}: there are 1 to {counts[split]:,}; raise data.counts.{split}")
    folder = cache / f"v{VERSION}-{_asset_digest()}-seed{seed}-{size}px"
    jobs = _jobs(folder, split, wanted, size, seed)
    _complete(folder, jobs, processes or _cores(), said)
    return _load([shards.written(folder)[job.name] for job in jobs], split, wanted, points, size)


def of_config(
    data: Mapping[str, Any], cache: Path, split: str, count: int | None = None, said: Said = nobody
) -> LandmarkSet:
    """``synthetic_faces`` as ``data`` (a conf/data file's content) describes it, under its name in ``cache``."""
    return synthetic_faces(
        cache / file_name(data["name"]),
        split,
        count,
        points=data["points"],
        size=data["size"],
        seed=data["seed"],
        version=data["version"],
        counts=data["counts"],
        said=said,
    )


def _jobs(folder: Path, split: str, wanted: int, size: int, seed: int) -> list[Job]:
    """Of whole shards, so that a shard is the same whatever number of faces was asked for."""
    starts = range(0, wanted, shards.FACES)
    return [
        Job(str(folder), f"{split}-{number:04d}", split, start, shards.FACES, size, seed)
        for number, start in enumerate(starts)
    ]


def _complete(folder: Path, jobs: Sequence[Job], processes: int, said: Said) -> None:
    """Returns when all jobs' shards are there, whoever renders them."""
    lock = FileLock(folder.with_name(f"{folder.name}.lock"))
    while missing := _missing(folder, jobs):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with lock.acquire(timeout=LOOK_EVERY_S):
                for part in folder.glob(".*.part"):  # of a process that was killed
                    part.unlink()
                _render(_missing(folder, jobs), jobs, processes, said)
        except Timeout:
            said(_state(jobs, missing, None))


def _missing(folder: Path, jobs: Sequence[Job]) -> list[Job]:
    there = shards.written(folder)
    return [job for job in jobs if job.name not in there]


def _render(missing: Sequence[Job], jobs: Sequence[Job], processes: int, said: Said) -> None:
    began, left = time.monotonic(), list(missing)
    said(_state(jobs, left, None))

    def done(job: Job) -> None:
        left.remove(job)
        faces = sum(job.faces for job in missing) - sum(job.faces for job in left)
        said(_state(jobs, left, (time.monotonic() - began) / faces))

    render_all(missing, processes, done)


def _state(jobs: Sequence[Job], missing: Sequence[Job], seconds_a_face: float | None) -> dict[str, Any]:
    steps, left = (sum(job.faces for job in some) for some in (jobs, missing))
    seconds_left = None if seconds_a_face is None else left * seconds_a_face
    return {"phase": "all", "step": steps - left, "steps": steps, "seconds_left": seconds_left}


def _load(paths: Sequence[Path], split: str, count: int, points: int, size: int) -> LandmarkSet:
    found = [shards.read(path) for path in paths]
    pictures = [picture for faces in found for picture in faces.pictures][:count]
    landmarks = np.concatenate([faces.points for faces in found])[:count]
    attributes = np.concatenate([faces.attributes for faces in found])[:count]
    return LandmarkSet(
        images=shards.decode(pictures, size),
        points=five_points(landmarks) if points == 5 else landmarks,
        attributes={name: attributes[:, column] for column, name in enumerate(ATTRIBUTES)},
        names=[f"{split}/{index:05d}" for index in range(count)],
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _asset_digest() -> str:
    return hashlib.sha256(ASSET.read_bytes()).hexdigest()[:8]
