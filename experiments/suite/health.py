"""What a check of the doctor says. Imports nothing that has to be installed: a broken environment must still be told."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from experiments.suite.paths import shown
from lightning_modules.errors import UserError

Level = Literal["ok", "warn", "FAIL"]

GB = 10**9
LISTED = 8  # files named in one finding; the doctor names the others when it is asked again
REINSTALL = "rm -f .venv/.core-installed && make setup"


@dataclass(frozen=True)
class Finding:
    """``what`` was found, in one line. ``advice``: what to do, a line each, commands where one helps; none where ok."""

    level: Level
    what: str
    advice: tuple[str, ...] = ()


def examined(check: Callable[[], Finding]) -> Finding:
    """What the check finds. What it raises is a finding, too, so that no check keeps the others from being made."""
    try:
        return check()
    except UserError as error:
        return Finding("FAIL", one_line(error))
    except ImportError as error:
        return Finding("FAIL", f"not checked: {one_line(error)}", (REINSTALL,))
    except Exception as error:
        return Finding("FAIL", f"not checked: {type(error).__name__}: {one_line(error)}")


def one_line(what: object) -> str:
    return " ".join(str(what).split())


def some(items: Iterable[str], most: int = LISTED) -> str:
    """``a, b, c and 4 more``."""
    listed = list(items)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def commands(command: str, paths: Iterable[Path]) -> tuple[str, ...]:
    """The command for each of the paths, a line each, as it is typed in the project's folder."""
    listed = list(paths)
    lines = [f"{command} {quoted(path)}" for path in listed[:LISTED]]
    return (*lines, f"and {len(listed) - LISTED} more: make doctor again") if len(listed) > LISTED else tuple(lines)


def quoted(path: Path) -> str:
    """A path as the shell takes it, from the project's folder."""
    return shlex.quote(shown(path))


def count(number: int, singular: str, plural: str = "") -> str:
    """``1 run``, ``2 runs``."""
    return f"{number} {singular if number == 1 else plural or f'{singular}s'}"
