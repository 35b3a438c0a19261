"""A verb called in this process, where torch is imported once, as if it had a process to itself."""

import importlib
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from experiments.suite import cli


@contextmanager
def its_own_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Afterwards the handlers of signals and the environment are as before."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for name in ("HYDRA_FULL_ERROR", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def called(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[object, str, str]:
    """(Exit status, stdout, stderr) of ``python -m experiments.<command>``."""
    name, *arguments = shlex.split(command)
    monkeypatch.setattr(sys, "argv", [f"experiments/{name}.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.call(importlib.import_module(f"experiments.{name}").main)
    said = capsys.readouterr()
    return ended.value.code, said.out, said.err
