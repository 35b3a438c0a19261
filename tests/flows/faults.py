"""What the tests of faults share: a short run and a table in this process, and the faults that a system has."""

import ctypes
import os
import resource
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.in_process import called, its_own_process

FEW = ("budget=smoke", "budget.train_images=256", "budget.val_images=64", "budget.test_images=64")
RUN = ("arch.bypass=simple", *FEW, "budget.images_seen=768", "trainer.threads=1", "logger=none")  # 3 epochs

YEARS_10 = 10 * 365 * 86_400  # in seconds


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str


class Here:
    """Commands as a user types them, but in this process, which has imported torch already."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, results: Path, verb: ModuleType, *arguments: str) -> Answer:
        self._capsys.readouterr()
        with self._monkeypatch.context() as patch, its_own_process(patch):
            patch.setenv("COMPACT_NETS_RESULTS", str(results))
            patch.setenv("COLUMNS", "200")
            command = shlex.join([verb.__name__.removeprefix("experiments."), *arguments])
            code, out, err = called(command, patch, self._capsys)
        assert "Traceback" not in out + err
        assert isinstance(code, int)
        return Answer(code, out, err)


def in_a_line(answer: Any) -> str:
    """The error of a command that came to nothing: one line."""
    error = answer.err if isinstance(answer, Answer) else answer.stderr
    lines = [line for line in error.splitlines() if line]
    assert len(lines) == 1 and lines[0].startswith("error: "), error
    return lines[0]


def flip(path: Path, place: float = 0.5) -> None:
    """One bit of the file is another."""
    content = bytearray(path.read_bytes())
    content[int(len(content) * place)] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def holding(content: bytes) -> Callable[[Path], None]:
    """A damage: the file's content is another."""

    def damage(path: Path) -> None:
        path.write_bytes(content)

    return damage


@contextmanager
def file_size_limit(bytes: int) -> Iterator[None]:
    """No file of this process may be larger: what fails, and how, is as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def limit_file_size(bytes: int) -> Callable[[], None]:
    """The same for a process to come and all that it starts."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (bytes, bytes))


def obey_permissions() -> None:
    """For a process to come: root, too, is kept from what it may not write."""
    if os.geteuid() == 0 and sys.platform == "linux":
        drop, override, owner = 24, 1, 3  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_FOWNER
        for capability in (override, owner):
            ctypes.CDLL(None).prctl(drop, capability, 0, 0, 0)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    everything = [folder, *(path for path in folder.rglob("*"))]
    modes = {path: path.stat().st_mode for path in everything}
    for path in reversed(everything):
        path.chmod(modes[path] & ~0o222)
    try:
        yield
    finally:
        for path in everything:
            path.chmod(modes[path])


def copied(results: Path, to: Path) -> Path:
    shutil.copytree(results, to)
    return to


def run_folder(results: Path) -> Path:
    (folder,) = (results / "local" / "runs").glob("*/*")
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
