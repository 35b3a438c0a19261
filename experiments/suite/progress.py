"""Showing how far runs are: bars in a terminal, lines elsewhere, a file from a table's worker to its table."""

import math
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from experiments.suite.files import read_json, write_json
from experiments.suite.interrupts import Interrupted
from lightning_modules.errors import CorruptFileError

TABLE_PROCESS = "COMPACT_NETS_TABLE_PROCESS"  # set for the runs that a table starts: its process id
LINE_EVERY_S = 30.0


def print_line(text: str) -> None:
    print(text, flush=True)


def duration(seconds: float | None) -> str:
    """``4 s``, ``12 min``, ``3.5 h``; ``?`` where unknown."""
    if seconds is None:
        return "?"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def facts(state: Mapping[str, Any]) -> str:
    """A progress report (``Progress.to_json``) in words: ``epoch 2/4, loss 0.51, accuracy 81.2 %, 1012 images/s``."""
    if state["phase"] in ("waiting", "test"):
        return {"waiting": "waiting", "test": "testing"}[state["phase"]]
    if state["phase"] == "all":
        return f"{state['step']} of {state['steps']} done"
    known = [f"epoch {state['epoch']}/{state['epochs']}"]
    if state.get("loss") is not None:
        known += [f"loss {state['loss']:.3f}"]
    if state.get("top1_acc") is not None:
        known += [f"accuracy {state['top1_acc']:.1f} %"]
    if state.get("images_per_s") is not None:
        known += [f"{state['images_per_s']:.0f} images/s"]
    return ", ".join(known)


@dataclass
class View:
    """One line or bar for each run. ``show`` may be called as often as one likes."""

    _bars: Any = None
    _tasks: dict[str, Any] = field(default_factory=dict)
    _said: dict[str, float] = field(default_factory=dict)

    def __enter__(self) -> "View":
        if sys.stdout.isatty():
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

            columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TaskProgressColumn(),
                       TextColumn("{task.fields[facts]}"), TextColumn("[dim]{task.fields[left]}"))  # fmt: skip
            self._bars = Progress(*columns)
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bars:
            self._bars.stop()

    def show(self, name: str, state: Mapping[str, Any]) -> None:
        left = f"{duration(state['seconds_left'])} left" if state.get("seconds_left") is not None else ""
        if self._bars:
            from rich.markup import escape

            if name not in self._tasks:
                self._tasks[name] = self._bars.add_task(escape(name), total=1, facts="", left="")
            done = state["step"] / state["steps"] if state.get("steps") else float(state["phase"] == "test")
            self._bars.update(self._tasks[name], completed=done, facts=facts(state), left=left)
        elif state["phase"] != "waiting" and time.monotonic() - self._said.get(name, -math.inf) >= LINE_EVERY_S:
            self._said[name] = time.monotonic()
            print_line(f"  {name}: {facts(state)}{', ' + left if left else ''}")

    def end(self, name: str, text: str) -> None:
        """Replaces the run's bar by a last word."""
        if self._bars:
            if name in self._tasks:
                self._bars.remove_task(self._tasks.pop(name))
            self._bars.console.print(f"  {text}", markup=False, highlight=False)
        else:
            print_line(f"  {text}")


class Reporter:
    """The view of a run that was started by hand: call it with each Progress."""

    def __init__(self, name: str):
        self.name = name
        self.view = View()

    def __enter__(self) -> "Reporter":
        self.view.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.view.__exit__(*error)

    def __call__(self, progress: Any) -> None:
        self.view.show(self.name, progress.to_json())


class WorkerReporter:
    """What a table's worker tells its table, by a file. Ends the worker when the table's process is gone."""

    def __init__(self, path: Path, table_process: int):
        self.path, self.table_process = path, table_process

    def __enter__(self) -> "WorkerReporter":
        return self

    def __exit__(self, *error: Any) -> None:
        self.path.unlink(missing_ok=True)

    def __call__(self, progress: Any) -> None:
        if os.getppid() != self.table_process:
            raise Interrupted(signal.SIGTERM)
        state = progress.to_json()
        numbers = {name: value for name, value in state.items() if isinstance(value, float)}
        unfit = {name: None for name, value in numbers.items() if not math.isfinite(value)}  # no number has no JSON
        write_json(self.path, state | unfit, indent=None, durable=False)


def read_progress(path: Path) -> dict[str, Any] | None:
    try:
        return read_json(path)
    except (OSError, CorruptFileError):
        return None
