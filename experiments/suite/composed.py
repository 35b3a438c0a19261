"""Configurations that have been composed, kept so that the next command neither imports Hydra nor composes them again.

Each is kept with the names of the files of conf/ that it was composed of and a digest of their content, and counts only
while that is what they say. This machine's are in .cache/composed; those of the tables' rows at budget proxy come with
what is published, so that a report of a fresh clone need not wait for them either.
"""

import hashlib
import json
import shlex
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from experiments.suite.files import read_json, write_json, write_text
from experiments.suite.fingerprint import of_file
from experiments.suite.paths import COMPOSED, ROOT, conf, published
from lightning_modules.errors import CorruptFileError

Config = dict[str, Any]

SHIPPED = ROOT / "results" / "published" / "composed.json"
CODE = (  # what makes a configuration of those files
    *(Path(__file__).with_name(name) for name in ("compose.py", "fields.py", "overrides.py", "values.py")),
    ROOT / "lightning_modules" / "recipe.py",
)


@dataclass(frozen=True)
class Composed:
    """``files``: of conf/, relative to it. ``digest``: of their content and of the code that composes."""

    config: Config
    files: tuple[str, ...]
    digest: str

    @classmethod
    def of(cls, value: Any) -> "Composed | None":
        """From what ``to_json`` made; None of anything else."""
        if not isinstance(value, dict) or not isinstance(value.get("config"), dict):
            return None
        files = value.get("files")
        if not isinstance(files, list) or not all(isinstance(name, str) for name in files):
            return None
        return cls(value["config"], tuple(files), str(value.get("digest")))

    def is_of(self, contents: Mapping[str, str]) -> bool:
        return self.digest == digest_of(self.files, contents)

    def to_json(self) -> Config:
        return {"files": list(self.files), "digest": self.digest, "config": self.config}


_new: dict[tuple[str, ...], Composed] = {}  # of this process


def known(overrides: Sequence[str]) -> Config | None:
    """What was composed of these overrides; None where nothing was, or conf/ has changed in what it was composed of."""
    found = _find(overrides)
    return found.config if found else None


def _find(overrides: Sequence[str]) -> Composed | None:
    places = (
        lambda: _new.get(tuple(overrides)),
        lambda: _kept(_path_of(overrides)),
        lambda: _shipped(SHIPPED).get(shlex.join(overrides)),
    )
    return next((found for place in places if (found := place()) and found.is_of(contents())), None)


def add(overrides: Sequence[str], config: Config, files: Iterable[str]) -> None:
    """``files``: those that were composed, relative to conf/; Hydra's own among them are left out."""
    inside = tuple(sorted({name for name in files if name in contents()}))
    _new[tuple(overrides)] = Composed(config, inside, digest_of(inside, contents()))


def remember() -> None:
    """Keeps what was composed for the next command, and forgets what was composed of another conf/.

    Where conf/ has been edited since this process first looked, nothing tells of which content a configuration was
    composed: it is not kept.
    """
    if _new:
        now = contents_of(conf())
        _forget(now)
        for overrides, found in _new.items():
            if found.is_of(now):
                with suppress(OSError):  # a read-only folder only costs time here
                    write_json(_path_of(overrides), found.to_json(), indent=None, durable=False)
    _new.clear()


def _forget(now: Mapping[str, str]) -> None:
    for path in COMPOSED.glob("*"):
        if path.is_dir():  # of an older layout
            shutil.rmtree(path, ignore_errors=True)
        elif (found := _kept(path)) is None or not found.is_of(now):
            with suppress(OSError):
                path.unlink()


def _path_of(overrides: Sequence[str]) -> Path:
    return COMPOSED / f"{hashlib.sha256(json.dumps(list(overrides)).encode()).hexdigest()[:32]}.json"


def _kept(path: Path) -> Composed | None:
    with suppress(OSError, CorruptFileError):
        return Composed.of(read_json(path))
    return None


@cache
def _shipped(path: Path) -> dict[str, Composed]:
    """By the overrides as a shell takes them. A damaged file only costs time here; `make verify` names it."""
    with suppress(OSError, CorruptFileError):
        if isinstance(value := read_json(path), dict):
            return {key: found for key, each in value.items() if (found := Composed.of(each))}
    return {}


def ship(rows: Iterable[Sequence[str]]) -> None:
    """Writes what comes with the published tables, a line each; ``rows``: overrides that have all been composed.

    Not where results are elsewhere: it is of this conf/, whatever has been run.
    """
    if published() != SHIPPED.parent:
        return
    found = {shlex.join(overrides): each for overrides in rows if (each := _find(overrides))}
    lines = [f"{json.dumps(key)}: {json.dumps(found[key].to_json(), allow_nan=False)}" for key in sorted(found)]
    write_text(SHIPPED, "{\n" + ",\n".join(lines) + "\n}\n")
    _shipped.cache_clear()


def outdated(rows: Iterable[Sequence[str]]) -> list[str]:
    """Those of another conf/ than what comes with what is published; all where that is absent or damaged.

    A row that was added since is not among them: it is composed, and comes with the rest when the report is made again.
    """
    there = _shipped(SHIPPED)
    asked = {shlex.join(overrides) for overrides in rows}
    return sorted(key for key in asked if not there or (key in there and not there[key].is_of(contents())))


@cache
def contents() -> Mapping[str, str]:
    """The digest of every file of conf/, relative to it, as it was when this process first asked."""
    return contents_of(conf())


def contents_of(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.yaml"))
    }


def digest_of(files: Iterable[str], contents: Mapping[str, str]) -> str:
    """Of the files' names and content and of the code that composes; another where one of them is gone."""
    digest = hashlib.sha256("".join(map(of_file, CODE)).encode())
    for name in files:
        digest.update(f"{name} {contents.get(name)}\n".encode())
    return digest.hexdigest()[:16]
