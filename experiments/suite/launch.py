"""Runs side by side: a process for each core or GPU, each the plain command that a user could type."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from experiments.suite.cli import BUSY, USER_ERROR
from experiments.suite.compose import frozen
from experiments.suite.devices import Place
from experiments.suite.paths import FROZEN_CONF, RESULTS, ROOT, results, shown
from experiments.suite.plan import FINISHED, PlannedRun, makespan
from experiments.suite.progress import TABLE_PROCESS, View, duration, read_progress
from experiments.suite.record import Record, outcome
from experiments.suite.store import Run
from lightning_modules.errors import CorruptFileError, naming

POLL_S = 0.2
LATE_LOOKS = 50  # for the record of a run that ended well: ten seconds
COMMAND = "$ python "
WAITING = {"phase": "waiting"}
ALL = "all runs"
GRACE_S = 8.0  # what a run that is asked to stop gets to close its files

Failures = dict[tuple[str, int], list[str]]  # by reason and exit code, the runs


@dataclass(frozen=True)
class Job:
    """A run's process to be: its command, what is put into its environment, and where what it says goes."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    log_path: Path


class Going(Protocol):
    """A job that has been started. ``poll``: its exit code, None while it goes on."""

    def poll(self) -> int | None: ...


class Starter(Protocol):
    """Who starts jobs, and what becomes of those that go on when whoever waits for them stops."""

    def start(self, jobs: Sequence[Job]) -> Sequence[Going]: ...

    def leave(self, going: Sequence[Going]) -> None: ...

    def why(self, going: Going, code: int) -> str:
        """How a job ended that left no result, in a few words."""
        ...


class Processes:
    """Jobs as processes of this machine. They stop with their table."""

    def start(self, jobs: Sequence[Job]) -> list[subprocess.Popen[bytes]]:
        return [self._started(job) for job in jobs]

    def _started(self, job: Job) -> subprocess.Popen[bytes]:
        with naming(job.log_path), job.log_path.open("ab") as log:
            return subprocess.Popen(
                job.command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **job.environment, TABLE_PROCESS: str(os.getpid())},
                start_new_session=True,  # Ctrl-C reaches the table, which then stops its runs in order
            )  # fmt: skip

    def leave(self, going: Sequence[Any]) -> None:
        """Asks every one to stop, and makes it stop if it does not."""
        for process in going:
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + GRACE_S
        for process in going:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def why(self, going: Going, code: int) -> str:
        if code >= 0:
            return f"exit {code}"
        killed = signal.Signals(-code).name
        return f"{killed}: out of memory, or kill -9" if code == -signal.SIGKILL else killed


@dataclass
class Pool:
    """Runs ``planned``, one at each place. ``failures``: what went wrong, and the exit code and runs of each.

    What they are composed from is conf/ as it is when the first of them starts.
    """

    planned: Sequence[PlannedRun]
    places: Sequence[Place]
    tags: Sequence[str] = ()
    starter: Starter = field(default_factory=Processes)
    told: Callable[[Record], str] = outcome  # how a run ended, in a few words
    failures: Failures = field(default_factory=dict)
    _left: dict[Run, float | None] = field(default_factory=dict)
    _processes: dict[Run, tuple[PlannedRun, Going]] = field(default_factory=dict)
    _places: dict[Run, Place] = field(default_factory=dict)  # of the runs that are going
    _free: list[Place] = field(default_factory=list)
    _lost: set[Run] = field(default_factory=set)  # of this table, that came to nothing
    _conf: str = ""

    def run(self) -> Failures:
        waiting = list(self.planned)
        self._free = list(self.places)
        self._conf = str(frozen())
        try:
            with View() as view:
                for item in waiting:
                    view.show(name_of(item), WAITING)
                while self._refill(waiting) or waiting or self._processes:
                    self._fill(waiting, view)
                    for run, (item, process) in list(self._processes.items()):
                        name, code = name_of(item), process.poll()
                        if code is None:
                            self._show(view, name, item)
                            continue
                        del self._processes[run]
                        self._free.append(self._places.pop(run))
                        if code == BUSY:
                            waiting.append(item)
                        else:
                            view.end(name, self._last_word(name, item, code, self.starter.why(process, code)))
                    self._show_total(view, waiting)
                    time.sleep(POLL_S)
        finally:
            self.starter.leave([process for _, process in self._processes.values()])
        return self.failures

    def _refill(self, waiting: list[PlannedRun]) -> bool:
        """Adds what has to be done by now; whether more will come. A table's runs are all known from the start."""
        return False

    def _fill(self, waiting: list[PlannedRun], view: View) -> None:
        """Starts what is waiting while a place is free. A run that another process holds is left to it.

        One whose parent is being trained, or is yet to be, waits for it here, where it keeps no worker.
        """
        ready: list[tuple[PlannedRun, Place]] = []
        for item in list(waiting):
            if not self._free:  # or every look would try the locks of all that wait
                break
            name = name_of(item)
            if item.run.is_busy():
                self._show(view, name, item)
            elif is_done(item):
                waiting.remove(item)
                view.end(name, f"{self._last_word(name, item, 0, '')} (by another process)")
            elif lost := next((parent for parent in item.parents if parent in self._lost), None):
                waiting.remove(item)
                reason = f"the run that it begins with, {lost.run_id}, came to nothing"
                view.end(name, self._failed(item, reason, 1))
            elif not any(self._is_coming(parent, waiting, ready) for parent in item.parents):
                waiting.remove(item)
                ready.append((item, self._free.pop(0)))
        self._start(ready)

    def _is_coming(self, parent: Run, waiting: Sequence[PlannedRun], ready: Sequence[tuple[PlannedRun, Place]]) -> bool:
        """Whether somebody else will have done it: it is waiting itself, or a run that is going needs it as well."""
        going = [item for item, _ in (*self._processes.values(), *ready)]
        expected = [run for item in going for run in (item.run, *item.parents)] + [item.run for item in waiting]
        return (parent in expected or parent.is_busy()) and not is_finished(parent)

    def _start(self, ready: Sequence[tuple[PlannedRun, Place]]) -> None:
        processes = self.starter.start([self._job(item, place) for item, place in ready]) if ready else ()
        for (item, place), process in zip(ready, processes, strict=True):
            self._processes[item.run] = (item, process)
            self._places[item.run] = place

    def _job(self, item: PlannedRun, place: Place) -> Job:
        run = item.run
        run.folder.mkdir(parents=True, exist_ok=True)
        tags = [f"tags=[{','.join(quoted(tag) for tag in self.tags)}]"] if self.tags else []
        command = [
            sys.executable, "-m", "experiments.run", *place.overrides, *item.overrides, f"seed={run.seed}",
            f"label={quoted(item.label)}", *tags,
        ]  # fmt: skip
        with naming(run.log_path), run.log_path.open("ab") as log:
            log.write(f"{COMMAND}{' '.join(command[1:])}\n".encode())
        return Job(
            tuple(command), {RESULTS: str(results()), FROZEN_CONF: self._conf, **place.environment}, run.log_path
        )

    def _show(self, view: View, name: str, item: PlannedRun) -> None:
        state = read_progress(item.run.progress_path)
        if state:
            self._left[item.run] = state.get("seconds_left")
            view.show(name, state)

    def _last_word(self, name: str, item: PlannedRun, code: int, why: str) -> str:
        try:
            record = left_by(item.run, code)
        except CorruptFileError as error:
            return self._failed(item, str(error), code)
        if record is None or record.status == "failed":
            log = "" if code == USER_ERROR else f" ({why}; {shown(item.run.log_path)})"
            return self._failed(item, last_line(item) + log, code)
        return f"{name}: {self.told(record)} after {duration(record.provenance.get('wall_s'))}"

    def _failed(self, item: PlannedRun, reason: str, code: int) -> str:
        name = name_of(item)
        self._lost.add(item.run)
        self.failures.setdefault((reason, code), []).append(name)
        return f"{name}: failed"

    def _show_total(self, view: View, waiting: Sequence[PlannedRun]) -> None:
        total = len(self.planned)
        done = total - len(waiting) - len(self._processes)
        busy = [self._left.get(run) for run in self._processes]
        left = makespan([60 * item.minutes if item.minutes else None for item in waiting], len(self.places), busy)
        view.show(ALL, {"phase": "all", "step": done, "steps": total, "seconds_left": left})


def left_by(run: Run, code: int) -> Record | None:
    """The record that a run has left. Of one that ended well on another machine it may be seen late (NFS)."""
    record = run.record()
    for _ in range(LATE_LOOKS if code == 0 else 0):
        if record is not None and record.status in FINISHED:
            break
        time.sleep(POLL_S)
        record = run.record()
    return record


def say_failures(failures: Failures) -> None:
    """A line on standard error for each reason, with the runs that it ended."""
    for (reason, _), names in failures.items():
        print(f"failed: {', '.join(names)}: {reason}", file=sys.stderr, flush=True)


def is_done(item: PlannedRun) -> bool:
    """Whether a result has come since the plan was made."""
    return is_finished(item.run)


def is_finished(run: Run) -> bool:
    try:
        record = run.record()
    except CorruptFileError:
        return False
    return record is not None and record.status in FINISHED


def name_of(item: PlannedRun) -> str:
    return f"{item.label}, seed {item.run.seed}"


def last_line(item: PlannedRun) -> str:
    """What the run said last."""
    lines = [line for line in item.run.log_path.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].removeprefix("error: ") if lines and not lines[-1].startswith(COMMAND) else "it said nothing"


def quoted(text: str) -> str:
    """A value in Hydra's grammar."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
