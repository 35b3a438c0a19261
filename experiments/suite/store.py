"""Where runs live, and who may write them.

    results/local/runs/<run_id>/<seed>/   record.json, checkpoints, log, progress of the runs of this machine
    results/published/records/<run_id>/<seed>.json

A run has one owner at a time: a lock that the operating system drops when its process dies, however it dies.
"""

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from experiments.suite import record
from experiments.suite.files import read_json, write_json
from experiments.suite.paths import local, published, shown
from experiments.suite.record import Record
from lightning_modules.errors import CorruptFileError, UserError, naming

PROBE_S = 0.5  # somebody who only looks whether a run is busy holds its lock for less
NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)  # what flock says on a file system that has none
FRESH = "fresh"  # a line of the file of attempts: what came before is forgotten


class Busy(Exception):
    """Another process is at this run."""

    def __init__(self, owner: str):
        super().__init__(f"another process ({owner}) is at this run")
        self.owner = owner


@contextmanager
def locked(path: Path, timeout: float = -1) -> Iterator[None]:
    """Holds that lock, which the operating system drops when this process dies; waits at most ``timeout`` seconds.

    Raises:
        Timeout: another process holds it.
        UserError: the file system has no such locks. (A file whose existence is the lock would outlive its process.)
    """
    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(timeout=timeout)
    except OSError as error:
        if error.errno in NO_LOCKS:
            raise UserError(
                f"{shown(path)} cannot be locked ({error.strerror}); mount its file system with locks between nodes "
                "(flock; docs/cluster.md), or set COMPACT_NETS_RESULTS to another folder"
            ) from error
        raise
    try:
        yield
    finally:
        lock.release()


@dataclass(frozen=True)
class Run:
    """A run's folder on this machine."""

    run_id: str
    seed: int

    @property
    def folder(self) -> Path:
        return local() / "runs" / self.run_id / str(self.seed)

    @property
    def record_path(self) -> Path:
        return self.folder / "record.json"

    @property
    def progress_path(self) -> Path:
        return self.folder / "progress.json"

    @property
    def log_path(self) -> Path:
        return self.folder / "log.txt"

    @property
    def published_path(self) -> Path:
        return published() / "records" / self.run_id / f"{self.seed}.json"

    def record(self) -> Record | None:
        """The record of this machine; None when there is none. Raises CorruptFileError when it cannot be trusted."""
        return self._read(self.record_path)

    def published_record(self) -> Record | None:
        return self._read(self.published_path)

    def _read(self, path: Path) -> Record | None:
        try:
            found = record.read(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CorruptFileError(f"{shown(path)} cannot be read ({error.strerror})") from error
        if (found.run_id, found.seed) != (self.run_id, self.seed):
            raise CorruptFileError(f"{shown(path)} is the record of another run ({found.run_id}, seed {found.seed})")
        return found

    def started(self) -> bool:
        """Whether there is a checkpoint to go on from."""
        return any(self.folder.rglob("epoch-*.ckpt"))

    def is_busy(self) -> bool:
        """Whether another process holds the run at this moment. Raises UserError where nobody can tell."""
        if not self.folder.is_dir():
            return False
        try:
            with locked(self._lock_path, timeout=0):
                return False
        except Timeout:
            return True
        except OSError:
            return False  # a read-only folder: nobody can be writing there

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Holds the run for this process. Raises Busy when another one does, UserError when it cannot be written."""
        with ExitStack() as held:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                held.enter_context(locked(self._lock_path, timeout=PROBE_S))
                (self.folder / "owner").write_text(str(os.getpid()), encoding="ascii")
            except Timeout:
                raise Busy(self.owner()) from None
            except OSError as error:
                raise UserError(
                    f"{shown(self.folder)} cannot be written ({error.strerror}); "
                    "make it writable, or set COMPACT_NETS_RESULTS to another folder"
                ) from error
            yield

    @property
    def _lock_path(self) -> Path:
        return self.folder / "lock"

    def owner(self) -> str:
        """Who holds the run, for people."""
        try:
            return f"process {int((self.folder / 'owner').read_text(encoding='ascii'))}"
        except (OSError, ValueError):
            return "just started"

    def begin_attempt(self) -> tuple[int, int]:
        """Notes that a process starts or resumes this run.

        Returns how many have since it last started over, this one included, and a number no attempt had before.
        """
        self._note(f"{datetime.now(UTC).isoformat(timespec='seconds')} process {os.getpid()}")
        lines = (self.folder / "attempts").read_text(encoding="ascii").splitlines()
        return next((count for count, line in enumerate(reversed(lines)) if line == FRESH), len(lines)), len(lines)

    def _note(self, line: str) -> None:
        path = self.folder / "attempts"
        with naming(path), path.open("a", encoding="ascii") as file:
            file.write(f"{line}\n")

    def write(self, result: Record) -> None:
        """Writes the record and lets go of what only an unfinished run needs."""
        write_json(self.record_path, result.to_json())
        if result.status != "failed":
            older = sorted(self.folder.glob("epoch-*.ckpt"))[:-1]
            halves = self.folder.glob(".*")  # what a killed attempt was writing
            steps = list(self.folder.glob("*/epoch-*.ckpt"))  # of a compressed run, which ends with a file
            for leftover in (self.progress_path, self._previous, *older, *steps, *halves):
                leftover.unlink(missing_ok=True)
            for folder in {path.parent for path in steps}:
                folder.rmdir()

    def start_over(self) -> None:
        """Forgets every checkpoint and puts the record aside until there is a new one. The caller holds the claim."""
        if self.record_path.exists():
            self.record_path.replace(self._previous)
        for pattern in ("epoch-*.ckpt", "progress.json", "code.json"):
            for path in self.folder.rglob(pattern):
                path.unlink(missing_ok=True)
        self._note(FRESH)

    def restore(self) -> None:
        """Brings back the record of a run that was to start over and could not."""
        if self._previous.exists() and not self.record_path.exists() and not self.started():
            self._previous.replace(self.record_path)

    @property
    def _previous(self) -> Path:
        return self.folder / "record.json.previous"

    def set_aside(self) -> None:
        """Renames a record that cannot be read, out of the way of the next one. The caller holds the claim."""
        with suppress(FileNotFoundError):
            self.record_path.rename(self.record_path.with_suffix(".json.damaged"))
            self._note(FRESH)

    def same_code(self, fingerprint: Mapping[str, str]) -> bool:
        """Whether the checkpoints are of this code; notes the code where there are none. The caller holds the claim."""
        path = self.folder / "code.json"
        if self.started():
            try:
                return read_json(path) == dict(fingerprint)
            except (OSError, CorruptFileError):
                return False
        write_json(path, dict(fingerprint))
        return True
