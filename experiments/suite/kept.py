"""Files that keep what is known of a net without a run, each named after what it is of: read with care."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from experiments.suite.files import read_json
from experiments.suite.paths import shown
from lightning_modules.errors import CorruptFileError


class Named(Protocol):
    @property
    def name(self) -> str: ...


Kept = TypeVar("Kept", bound=Named)


def read(
    path: Path,
    kind: Callable[..., Kept],
    layout: Mapping[str, Any],
    problem: Callable[[Kept], str],
    what: str,
    other: str,
) -> Kept | None:
    """What a file keeps, made by ``kind`` of the fields of ``layout`` (their types by name); None where there is none.

    ``problem`` says what else is wrong with it, "" where nothing is; ``what`` and ``other`` are what it should be, and
    what it is where its name is another's.

    Raises:
        CorruptFileError: it is not that; names the file.
    """
    try:
        value = read_json(path)
    except FileNotFoundError:
        return None
    if not isinstance(value, dict) or not all(isinstance(value.get(key), type_) for key, type_ in layout.items()):
        raise CorruptFileError(f"{shown(path)} is not {what}")
    found = kind(**{key: value[key] for key in layout})
    if said := problem(found):
        raise CorruptFileError(f"{shown(path)} is not {what}: {said}")
    try:
        itself = found.name == path.stem
    except (KeyError, TypeError, ValueError, AttributeError):
        itself = False
    if not itself:
        raise CorruptFileError(f"{shown(path)} is {other}")
    return found


def known(names: Mapping[str, str], read: Callable[[str], Kept | None]) -> tuple[dict[str, Kept], list[str]]:
    """By row, what there is under its name; and a line for each file that cannot be read."""
    found: dict[str, Kept] = {}
    problems = []
    for row, name in names.items():
        try:
            kept = read(name)
        except CorruptFileError as error:
            problems.append(str(error))
            continue
        if kept is not None:
            found[row] = kept
    return found, problems
