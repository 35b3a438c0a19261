"""Shards rendered side by side, by processes of one thread each that end with the process that started them.

They are programs of their own rather than copies of this process: nothing of it is imported again, whatever it has loaded,
and a reader whose standard input closes knows that nobody waits for it any longer.
"""

import json
import os
import selectors
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from lightning_modules.errors import UserError

ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}


@dataclass(frozen=True)
class Job:
    """One shard: ``faces`` faces of ``split`` from number ``first`` on, to be written into ``folder`` as ``name``."""

    folder: str
    name: str
    split: str
    first: int
    faces: int
    size: int
    seed: int


def render_all(jobs: Sequence[Job], processes: int, done: Callable[[Job], None]) -> None:
    """Has every job done; ``done`` is called after each, in whatever order they end.

    Raises UserError when a process died, which is most often the want of memory or disk.
    """
    left = iter(jobs)
    with _started(min(processes, len(jobs))) as workers, selectors.DefaultSelector() as answers:
        doing: dict[int, Job] = {}

        def give(worker: subprocess.Popen[str]) -> None:
            job = next(left, None)
            if job is None:
                answers.unregister(worker.stdout)  # type: ignore[arg-type]
                return
            doing[worker.pid] = job
            with suppress(BrokenPipeError):  # it has died: its closed output says so below
                print(json.dumps(asdict(job)), file=worker.stdin, flush=True)

        for worker in workers:
            answers.register(worker.stdout, selectors.EVENT_READ, worker)  # type: ignore[arg-type]
            give(worker)
        while answers.get_map():
            for key, _ in answers.select():
                worker: subprocess.Popen[str] = key.data
                job = doing[worker.pid]
                if not worker.stdout.readline():  # type: ignore[union-attr]
                    raise UserError(f"rendering {job.name} in {job.folder} failed (exit status {worker.wait()})")
                done(job)
                give(worker)


@contextmanager
def _started(number: int) -> Iterator[list[subprocess.Popen[str]]]:
    root = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "lightning_modules.faces.worker"]
    workers = []
    try:
        for _ in range(number):
            workers.append(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                 env={**os.environ, **ONE_THREAD, "PYTHONPATH": paths})
            )  # fmt: skip
        yield workers
    finally:
        for worker in workers:
            worker.kill()  # each is either idle or no longer wanted; what it has written is whole
            worker.communicate()
