"""What the doctor's checks look at here: this Python, this machine, this project, its results.

Every check imports what it needs by itself, since a package may be missing, and the doctor is who tells.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import cache as once
from pathlib import Path
from typing import Any

from experiments.suite import health_machine, health_python, paths
from experiments.suite.health import Finding
from experiments.suite.paths import CONF, DATA_CACHE, ROOT

PATIENCE_S = 300.0  # for the import of torch from a slow disk


def python() -> Finding:
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return health_python.check_python(sys.version_info[:3], pyproject, Path(sys.prefix), ROOT / ".venv")


def packages() -> Finding:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    locked = health_python.pins((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    names = health_python.needed(project["dependencies"], health_python.requires_of)
    return health_python.check_packages(locked, names, health_python.version_of)


def imports() -> Finding:
    return health_python.check_imports(*_probe())


@once
def _probe() -> tuple[int, str, str, float]:
    """Exit code, output, errors and seconds of a process of its own: a broken pair of packages may end it at once."""
    began = time.monotonic()
    command = [sys.executable, "-c", health_python.PROBE]
    try:
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        return 1, "", f"no answer in {PATIENCE_S:.0f} s", PATIENCE_S
    return answer.returncode, answer.stdout, answer.stderr, time.monotonic() - began


def accelerator() -> Finding:
    try:
        command = ["nvidia-smi", "-L"]
        listed = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        listed = None
    return health_machine.check_accelerator(listed, health_python.probed(_probe()[1]), os.environ)


def cores() -> Finding:
    from experiments.suite import provenance

    facts = health_python.probed(_probe()[1])
    threads = facts["threads"] if facts else None
    return health_machine.check_threads(provenance.cores(), threads, health_machine.processor_quota(), os.environ)


def memory() -> Finding:
    from experiments.suite import provenance

    return health_machine.check_memory(health_machine.available_memory(), provenance.cores())


def results() -> Finding:
    return health_machine.check_folder(paths.results(), "export COMPACT_NETS_RESULTS=FOLDER")


def cache() -> Finding:
    return health_machine.check_folder(DATA_CACHE, "keep the data elsewhere: data.root=FOLDER")


def tables() -> Finding:
    from experiments.suite import contract
    from experiments.suite.health_project import check_contracts

    return check_contracts(contract.names(), contract.load)


def commit() -> Finding:
    from experiments.suite import provenance
    from experiments.suite.health_project import check_commit

    return check_commit(**provenance.commit())


def clock() -> Finding:
    left_out = (".git", ".venv", "__pycache__", "wandb")
    return health_machine.check_clock(health_machine.newest_file(ROOT, left_out), time.time())


def logging() -> Finding:
    from experiments.suite import wandb_server
    from experiments.suite.health_project import check_logging

    return check_logging(_logging_mode(), wandb_server.has_login(), os.environ)


def server() -> Finding:
    from experiments.suite import wandb_server
    from experiments.suite.health_project import check_server

    return check_server(_logging_mode(), wandb_server.has_login(), wandb_server.unreachable)


def _logging_mode() -> str:
    from experiments.suite.yamls import read

    return read(CONF / "logger" / "wandb.yaml")["mode"]


@once
def _survey() -> Any:
    from experiments.suite.health_leftovers import survey

    return survey(paths.local() / "runs", time.time())


def runs() -> Finding:
    from experiments.suite.health_leftovers import check_runs

    return check_runs(_survey())


def records() -> Finding:
    from experiments.suite.health_leftovers import check_records

    return check_records(_survey())


def rests() -> Finding:
    from experiments.suite.health_leftovers import check_rests, rests_in

    found = _survey()
    folders = (*(paths.local() / name for name in ("tables", "cache", "report")), paths.published(), DATA_CACHE)
    return check_rests([*found.temporary, *rests_in(folders, time.time())], found.empty)


def published() -> Finding:
    from experiments.suite.health_leftovers import unreadable_published
    from experiments.suite.health_project import check_published

    return check_published(*unreadable_published(paths.published() / "records"))
