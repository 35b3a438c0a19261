"""What people see of a run, and what a table sees of its workers."""

import io
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.suite import progress
from experiments.suite.interrupts import Interrupted
from experiments.suite.progress import Reporter, View, WorkerReporter, duration, facts, read_progress

STATE = {"phase": "train", "epoch": 2, "epochs": 4, "step": 10, "steps": 40, "loss": 0.5128, "top1_acc": 81.24,
         "images_per_s": 1011.6, "seconds_left": 125.0}  # fmt: skip
TOLD: Any = SimpleNamespace(to_json=lambda: STATE)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, "?"), (0, "0 s"), (3.6, "4 s"), (89, "89 s"), (90, "2 min"), (720, "12 min"), (5399, "90 min"),
     (5400, "1.5 h"), (12600, "3.5 h")],
)  # fmt: skip
def test_durations(seconds: float | None, expected: str) -> None:
    assert duration(seconds) == expected


def test_facts_in_words() -> None:
    assert facts(STATE) == "epoch 2/4, loss 0.513, accuracy 81.2 %, 1012 images/s"
    assert facts({**STATE, "loss": None, "top1_acc": None, "images_per_s": None}) == "epoch 2/4"
    assert facts({**STATE, "loss": None}) == "epoch 2/4, accuracy 81.2 %, 1012 images/s"
    assert facts({**STATE, "phase": "test"}) == "testing"


def test_a_line_now_and_then_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [1000.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    with View() as view:
        for seconds in (0, 1, 29, 1, 29, 40):
            now[0] += seconds
            view.show("A", STATE)
        view.show("B", {**STATE, "seconds_left": None})
        view.end("A", "A: test error 9 %")
    line = "  A: epoch 2/4, loss 0.513, accuracy 81.2 %, 1012 images/s, 2 min left"
    assert capsys.readouterr().out.splitlines() == [
        line,  # at once
        line,  # 30 s later
        line,  # 60 s
        line,  # 100 s
        "  B: epoch 2/4, loss 0.513, accuracy 81.2 %, 1012 images/s",
        "  A: test error 9 %",
    ]


def test_the_first_line_comes_on_a_machine_that_was_just_started(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: 3.0))
    with View() as view:
        view.show("A", STATE)
    assert capsys.readouterr().out


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_for_each_run_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")
    with View() as view:
        view.show("[bold]A[/bold], seed 0", STATE)
        view.show("B", {**STATE, "phase": "test", "steps": 0, "step": 0})
        view.end("[bold]A[/bold], seed 0", "A [x]: test error 9 %")
        view.end("never shown", "C: failed: [red]")
    shown = terminal.getvalue()
    assert "[bold]A[/bold], seed 0" in shown
    assert "25%" in shown
    assert "testing" in shown
    assert "A [x]: test error 9 %" in shown
    assert "C: failed: [red]" in shown


def test_a_run_started_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    with Reporter("Vanilla, seed 0") as report:
        report(TOLD)
    assert "Vanilla, seed 0: epoch 2/4" in capsys.readouterr().out


# A table's worker


def test_a_worker_tells_its_table_by_a_file(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    with WorkerReporter(path, os.getppid()) as report:
        report(TOLD)
        assert read_progress(path) == STATE
        assert list(tmp_path.iterdir()) == [path]
    assert not path.exists()


def test_the_file_goes_when_the_worker_fails(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    with pytest.raises(KeyError), WorkerReporter(path, os.getppid()) as report:
        report(TOLD)
        raise KeyError("something")
    assert not path.exists()


def test_a_worker_ends_with_its_table(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    with pytest.raises(Interrupted) as raised, WorkerReporter(path, os.getppid() + 1) as report:
        report(TOLD)
    assert raised.value.signal == signal.SIGTERM
    assert not isinstance(raised.value, Exception)  # what catches errors lets it pass
    assert not path.exists()


@pytest.mark.parametrize("content", [None, b"", b'{"phase"', b"\xff"])
def test_progress_that_cannot_be_read_is_none(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "progress.json"
    if content is not None:
        path.write_bytes(content)
    assert read_progress(path) is None


def test_a_loss_that_is_no_number_reaches_the_table_as_none(tmp_path: Path) -> None:
    told: Any = SimpleNamespace(to_json=lambda: {**STATE, "loss": float("nan"), "seconds_left": float("inf")})
    path = tmp_path / "progress.json"
    with WorkerReporter(path, os.getppid()) as report:
        report(told)
        found = read_progress(path)
    assert found is not None
    assert (found["loss"], found["seconds_left"], found["top1_acc"]) == (None, None, 81.24)
    assert "loss" not in facts(found)
