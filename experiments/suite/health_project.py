"""Whether the project itself is in order: its commit, the tables' contracts, the data, W&B."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.suite.health import Finding, commands, count, some
from experiments.suite.paths import shown
from lightning_modules.errors import CorruptFileError, UserError


def check_commit(commit: str | None, dirty: bool | None) -> Finding:
    if commit is None:
        return Finding("ok", "no git checkout: records will name no commit")
    return Finding("ok", f"commit {commit[:7]}{', and changes that are not committed' if dirty else ''}")


def check_contracts(names: Sequence[str], load: Callable[[str], Any]) -> Finding:
    """``load`` raises UserError, in a line that says what to do, where a table's contract is wrong."""
    if not names:
        return Finding("FAIL", "conf/table has no table", ("git checkout -- conf",))
    wrong = []
    for name in names:
        try:
            load(name)
        except UserError as error:
            wrong.append(str(error))
    if wrong:
        return Finding("FAIL", f"{len(wrong)} of {count(len(names), 'table')} cannot be read", tuple(wrong))
    return Finding("ok", f"{count(len(names), 'table')}: {some(names, 20)}")


def check_data(name: str, folders: Iterable[Path], read: Callable[[Path], int]) -> Finding:
    """Whether one of the folders, in the order in which runs look there, has the data set, whole.

    ``read``: checks the checksums and says how many images there are. UserError when the folder has not got them.
    """
    looked = []
    for folder in folders:
        try:
            images = read(folder)
        except CorruptFileError as error:
            return Finding("FAIL", str(error), ("make setup, when the file is gone",))
        except UserError:
            looked.append(shown(folder))
            continue
        return Finding("ok", f"{name} in {shown(folder)}: {images:,} images, checksums right")
    return Finding("warn", f"{name} is not here yet, neither in {' nor in '.join(looked)}", ("make setup",))


def check_logging(mode: str, login: bool, environment: Mapping[str, str]) -> Finding:
    """``mode``: that of conf/logger/wandb.yaml, which decides whatever WANDB_MODE says."""
    what = f"{mode}, {'with' if login else 'without'} a login"
    if mode == "online" and not login:
        advice = (".venv/bin/wandb login", "or mode: offline in conf/logger/wandb.yaml")
        return Finding("FAIL", f"{what}: no run can start", advice)
    asked = environment.get("WANDB_MODE", mode)
    if asked != mode:
        advice = "what counts is logger.mode=online, logger.mode=offline or logger=none: unset WANDB_MODE"
        return Finding("warn", f"{what}; WANDB_MODE={asked} in the environment changes nothing", (advice,))
    hint = "" if login or mode == "online" else "; only make sync needs one"
    return Finding("ok", f"{what}{hint}")


def check_server(mode: str, login: bool, unreachable: Callable[[], str | None]) -> Finding:
    """Asked only where it matters: offline and without a login nobody ever speaks to the server."""
    if mode != "online" and not login:
        return Finding("ok", "not asked: runs are logged offline")
    reason = unreachable()
    if reason is None:
        return Finding("ok", "can be reached")
    advice = (
        "runs are logged offline meanwhile; make sync uploads them later",
        "if there is a way to it: export HTTPS_PROXY=http://HOST:PORT, or WANDB_BASE_URL=https://HOST",
    )
    return Finding("warn", f"cannot be reached ({reason})", advice)


def check_published(problems: Mapping[Path, str], readable: int) -> Finding:
    """``problems``: the published records that cannot be read, each with what is wrong."""
    if not problems:
        return Finding("ok", f"{count(readable, 'record')}, all readable")
    what = f"{count(len(problems), 'record')} cannot be read: {some(problems.values(), 2)}"
    return Finding("FAIL", what, commands("git checkout --", problems))
