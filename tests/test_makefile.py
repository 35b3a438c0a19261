"""The Makefile: every target explained, every table and alias there, set-up that says what is missing."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from experiments.suite import contract

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "Makefile").read_text(encoding="utf-8")


def make(*arguments: str, cwd: Path = ROOT, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(["make", *arguments], cwd=cwd, capture_output=True, text=True, env={**environment, **more})


def targets() -> set[str]:
    rules = re.findall(r"^([a-z][a-z0-9 -]*):(?!=)", TEXT, re.MULTILINE)
    return {name for rule in rules for name in rule.split()}


def test_help_is_the_default_and_names_every_target() -> None:
    answer = make()
    assert answer.returncode == 0
    assert answer.stdout == make("help").stdout
    named = {name for line in answer.stdout.splitlines() for name in line[2:41].split()}
    assert targets() <= named
    for line in answer.stdout.splitlines()[:-1]:
        assert len(line[41:].strip()) > 10, line


def test_every_table_and_alias_is_a_target() -> None:
    names = {*contract.names(), *contract.aliases()}
    assert names <= targets()


def test_phony_targets_exist() -> None:
    phony = {name for line in re.findall(r"^\.PHONY: (.*)$", TEXT, re.MULTILINE) for name in line.split()}
    assert phony | {*contract.names(), *contract.aliases()} == targets()


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """The Makefile on its own, as on a machine where nothing is installed."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def fake_python(folder: Path, body: str) -> str:
    path = folder / "fake-python"
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_an_old_python_is_refused_in_one_line(bare: Path) -> None:
    answer = make("setup", f"PYTHON={fake_python(bare, 'exit 1')}", cwd=bare)
    assert answer.returncode == 2
    assert "is not Python 3.11 or newer" in answer.stderr and not (bare / ".venv").exists()


def test_without_venv_and_uv_it_says_what_to_install(bare: Path) -> None:
    python = fake_python(bare, 'case "$*" in *venv*) exit 1;; esac')
    answer = make("setup", f"PYTHON={python}", cwd=bare, PATH="/usr/bin:/bin")
    assert answer.returncode == 2
    assert "python3-venv" in answer.stderr and "uv" in answer.stderr


def test_without_venv_uv_makes_the_environment(bare: Path) -> None:
    python = fake_python(bare, 'case "$*" in *venv*) exit 1;; esac')
    tools = bare / "tools"
    tools.mkdir()
    for name, body in (("python", 'echo "$@" >> pip-calls'), ("uv", "mkdir -p .venv/bin && cp tools/python .venv/bin")):
        (tools / name).write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        (tools / name).chmod(0o755)
    answer = make("setup", f"PYTHON={python}", "PIP_ARGS=--extra-thing", cwd=bare, PATH=f"{tools}:/usr/bin:/bin")
    assert answer.returncode == 0, answer.stderr
    calls = (bare / "pip-calls").read_text(encoding="utf-8").splitlines()
    assert "--extra-thing -c requirements.lock -e ." in calls[0]
    assert calls[1] == "-m experiments.fetch"


def test_the_lock_names_no_host_and_no_path_and_pins_everything() -> None:
    lines = [
        line for line in (ROOT / "requirements.lock").read_text().splitlines() if line and not line.startswith(" ")
    ]
    assert len(lines) > 50
    assert all(re.fullmatch(r"[\w.-]+==[\w.+!-]+( ; .*)?", line) for line in lines)
