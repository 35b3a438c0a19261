"""YAML files read with care: every mistake is one line that names the file, the place and the nearest right word."""

import difflib
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from experiments.suite.paths import shown
from lightning_modules.errors import CorruptFileError, UserError

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser is ten times faster, but not always built


class Printed(float):
    """A number that remembers how it was written: 31.50 is not 31.5 to who compares with the printed precision."""

    text: str


class _Loader(_Base):
    """Keeps numbers as printed, and refuses a key written twice, of which YAML would silently keep the last."""

    def construct_printed(self, node: Any) -> float:
        number = Printed(self.construct_yaml_float(node))
        number.text = node.value
        return number

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in getattr(node, "value", []):
            if key_node.value in seen:
                raise yaml.YAMLError(f"'{key_node.value}' is written twice, line {key_node.start_mark.line + 1}")
            if isinstance(key_node.value, str):
                seen.add(key_node.value)
        return super().construct_mapping(node, deep)


_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_printed)


def read(path: Path) -> dict[str, Any]:
    """The mapping that a file holds, cached: do not change it. UserError: absent; CorruptFileError: no mapping."""
    try:
        return _parse(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise UserError(f"{shown(path)} cannot be read ({error.strerror})") from error


@cache
def _parse(path: Path, _stamp: int) -> dict[str, Any]:
    try:
        value = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (yaml.YAMLError, ValueError) as error:
        raise CorruptFileError(f"{shown(path)} is not valid YAML ({' '.join(str(error).split())})") from error
    if not isinstance(value, dict):
        raise CorruptFileError(f"{shown(path)} is not a mapping of keys to values")
    return value


def unknown(what: str, word: object, choices: Iterable[object]) -> str:
    """``unknown column 'parms', did you mean params?``, or the choices where none is near."""
    known = [str(choice) for choice in choices]
    word = " ".join(str(word).split())  # one line, whatever was typed
    near = difflib.get_close_matches(word, known, n=1)
    listed = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
    return f"unknown {what} '{word}', " + (
        f"did you mean {near[0]}?" if near else f"choose one of {listed or '(none)'}"
    )


def close(word: str, choices: Iterable[str]) -> bool:
    """Whether ``word`` differs from one of ``choices`` by a slip of the fingers, no more."""
    return bool(difflib.get_close_matches(word, list(choices), n=1, cutoff=0.85))


@dataclass(frozen=True)
class Place:
    """A spot in a file, for messages: ``conf/table/table3.yaml: rows.vanilla: no label``."""

    file: str
    at: str = ""

    def __truediv__(self, key: object) -> "Place":
        return Place(self.file, f"{self.at}.{key}" if self.at else str(key))

    def error(self, problem: object) -> UserError:
        return UserError(f"{self.file}: {self.at}: {problem}" if self.at else f"{self.file}: {problem}")

    def mapping(self, value: Any, required: Iterable[str] = (), optional: Iterable[str] | None = ()) -> dict[str, Any]:
        """``value`` as a mapping with all the required keys, and no others than these; optional None: any others."""
        if not isinstance(value, dict):
            raise self.error(f"is {value!r}, write a mapping of keys to values")
        for key in value:
            if not isinstance(key, str):
                raise self.error(f"the key {key!r} is no text, put it in quotes")
            if optional is not None and key not in (known := [*required, *optional]):
                raise self.error(unknown("key", key, known))
        for key in required:
            if key not in value:
                raise self.error(f"no {key}, add one")
        return value

    def sequence(self, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise self.error(f"is {value!r}, write a list")
        return value

    def text(self, value: Any) -> str:
        if not isinstance(value, str) or not value.strip():
            raise self.error(f"is {value!r}, write a text")
        return value.strip()
