"""Any set of records as means over seeds: chosen by their configuration, grouped by some of its fields, best first.

A line stands for one configuration, so that its mean is over seeds and nothing else: where the fields asked for leave
runs together that differ in others, those are added to the fields, which is said. Intervals are those of the tables
(statistics.py).
"""

import fnmatch
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.suite import record as records
from experiments.suite import yamls
from experiments.suite.columns import Column
from experiments.suite.identity import leaves
from experiments.suite.paths import local, published
from experiments.suite.record import Record
from experiments.suite.samples import by_seed, finished, lost
from experiments.suite.statistics import Estimate, row_mean
from lightning_modules.errors import CorruptFileError, UserError

GROUPS = ("arch", "data", "recipe", "compression", "budget")  # each is meant by its name where a field is asked for
OUTSIDE = ("seed", "label", "tags", "logger", "trainer")  # no part of what is compared, but for
PRECISION = "trainer.precision"
SOURCES: dict[str, Callable[[], Iterable[Path]]] = {
    "here": lambda: (local() / "runs").glob("*/*/record.json"),
    "published": lambda: (published() / "records").glob("*/*.json"),
}


@dataclass(frozen=True)
class Line:
    """One configuration: its values of the fields, the mean over its seeds (None: none has the metric), what was lost."""

    values: tuple[Any, ...]
    run_id: str
    estimate: Estimate | None
    seeds: tuple[int, ...]
    note: str


@dataclass(frozen=True)
class Aggregate:
    """``by``: the fields of the lines' values; ``added``: those of them that nobody asked for."""

    column: Column
    by: tuple[str, ...]
    added: tuple[str, ...]
    lines: list[Line]


def read_all(source: str) -> tuple[list[Record], list[str]]:
    """Every record of this machine (``here``), or every published one; and a line for each that cannot be read."""
    found, problems = [], []
    for path in sorted(SOURCES[source]()):
        try:
            found.append(records.read(path))
        except (CorruptFileError, OSError) as error:
            problems.append(str(error))
    return found, problems


def fields(record: Record) -> dict[str, Any]:
    """Every field of the run's configuration by its path; a group also by its own name, and the seed."""
    config = record.config
    groups = {group: config[group] for group in GROUPS if isinstance(config.get(group), dict)}
    named = {group: content["name"] for group, content in groups.items() if "name" in content}
    return {**dict(leaves(config)), **named, "seed": record.seed}


def chosen(found: Sequence[Record], wanted: Mapping[str, Any]) -> list[Record]:
    """Those whose fields have the values wanted: one, one of a list, or a text with ``*``.

    Raises:
        UserError: a field that no record has.
    """
    known = {name for record in found for name in fields(record)}
    for name in wanted:
        if found and name not in known:
            raise UserError(yamls.unknown("field", name, known))
    return [record for record in found if all(_fits(fields(record).get(name), value) for name, value in wanted.items())]


def _fits(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, list) and not isinstance(value, list):
        return any(_fits(value, each) for each in wanted)
    if isinstance(wanted, str) and isinstance(value, str):
        return fnmatch.fnmatchcase(value, wanted)
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)


def aggregate(found: Sequence[Record], by: Sequence[str], column: Column) -> Aggregate:
    """``by`` empty: every field in which the records differ.

    Raises:
        UserError: a field that no record has, or in which the seeds of one configuration differ.
    """
    groups: dict[str, list[Record]] = {}
    for record in found:
        groups.setdefault(record.run_id, []).append(record)
    of = {run_id: fields(group[0]) for run_id, group in groups.items()}
    known = {name for each in of.values() for name in each}
    for name in by:
        if name not in known:
            raise UserError(yamls.unknown("field", name, known))
        if name == "seed" or any(
            _distinct([fields(record) for record in group], [name]) > 1 for group in groups.values()
        ):
            raise UserError(f"by={name}: a line is a mean over seeds, which differ in that; leave it out")
    added = _needed(of, by)
    names = (*by, *added)
    lines = [_line(run_id, group, [of[run_id].get(name) for name in names], column) for run_id, group in groups.items()]
    return Aggregate(column, names, tuple(added), sorted(lines, key=lambda line: _rank(line, column)))


def _needed(of: Mapping[str, Mapping[str, Any]], by: Sequence[str]) -> list[str]:
    """The fields that ``by`` lacks to tell all runs apart; a group's name stands for the fields that it brings."""
    runs = list(of.values())
    names = sorted({name for each in runs for name in each if _is_compared(name)})
    added: list[str] = []
    told_apart = _distinct(runs, by)
    for name in sorted(names, key=lambda name: name not in GROUPS):
        if told_apart == len(runs):
            break
        if _distinct(runs, [name]) > 1 and _distinct(runs, [*by, *added, name]) > told_apart:
            added.append(name)
            told_apart = _distinct(runs, [*by, *added])
    return added


def _is_compared(name: str) -> bool:
    return name == PRECISION or (name.split(".")[0] not in OUTSIDE and not name.endswith(".name"))


def _distinct(runs: Sequence[Mapping[str, Any]], names: Sequence[str]) -> int:
    return len({json.dumps([each.get(name) for name in names], sort_keys=True, default=str) for each in runs})


def _line(run_id: str, group: Sequence[Record], values: Sequence[Any], column: Column) -> Line:
    with_value = finished(column, group)
    numbers = np.array([column.value(record) for record in with_value.values()], dtype=np.float64)
    images = [column.per_example(record) for record in with_value.values()]
    sizes = {array.size for array in images if array is not None}
    stacked = np.stack([array for array in images if array is not None]) if len(sizes) == 1 else None
    whole = stacked is not None and len(stacked) == len(numbers)
    estimate = (
        row_mean(numbers, stacked if whole else None, column.statistic if whole else None) if numbers.size else None
    )
    return Line(tuple(values), run_id, estimate, tuple(with_value), _note(group, column))


def _note(group: Sequence[Record], column: Column) -> str:
    without = [
        seed for seed, record in by_seed(group).items() if record.status == "done" and column.value(record) is None
    ]
    missing = [f"no {column.name} (seed{'s' * (len(without) > 1)} {', '.join(map(str, without))})"] if without else []
    return "; ".join([*lost(group), *missing])


def _rank(line: Line, column: Column) -> tuple[bool, float, str]:
    """Best first; what has no number last."""
    best = -column.sign * line.estimate.estimate if line.estimate else 0.0
    return line.estimate is None, best, line.run_id
