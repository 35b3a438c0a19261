"""What a search is: conf/search/<search>.yaml, checked. Its axes, and which runs its trials are.

A search reads validation and nothing else: its metric is one of validation, and of a record it is given only those
(``validation``).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import floor, isfinite, log10
from pathlib import Path
from typing import Any, Literal

from experiments.suite import yamls
from experiments.suite.columns import MEASURED, Column, column
from experiments.suite.compose import compose
from experiments.suite.fields import SEEDS
from experiments.suite.identity import run_id
from experiments.suite.paths import CONF, local, shown
from experiments.suite.record import Record
from lightning_modules.errors import UserError

FOLDER = CONF / "search"
FIELDS = ("title", "overrides", "metric", "seed", "trials", "axes")
OPTIONAL = ("cheaper", "pruning", "grid_seeds")
PRUNING = ("after_trials", "after_epochs")
AXIS = ("low", "high", "log", "choices", "grid")
DIGITS = 3  # of a trial's numbers, which people type again
VALIDATION = "val/"


@dataclass(frozen=True)
class Axis:
    """A field and what is tried of it: numbers from ``low`` to ``high``, whole ones where those are, or ``choices``."""

    name: str
    low: float | None
    high: float | None
    log: bool
    choices: tuple[Any, ...]
    grid: tuple[Any, ...]

    @property
    def is_whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    def override(self, value: Any) -> str:
        """As it is typed: a number with three digits, which still lies between the ends."""
        if isinstance(value, float) and self.low is not None and self.high is not None:
            value = min(max(rounded(value), self.low), self.high)
        return f"{self.name}={typed(value)}"


@dataclass(frozen=True)
class Search:
    """``overrides``: of all its runs; ``cheaper``: of its trials alone; ``after_trials``, ``after_epochs``: pruning."""

    name: str
    title: str
    overrides: tuple[str, ...]
    cheaper: tuple[str, ...]
    column: Column
    seed: int
    trials: int
    after_trials: int
    after_epochs: int
    axes: tuple[Axis, ...]
    grid_seeds: tuple[int, ...]

    @property
    def direction(self) -> Literal["minimize", "maximize"]:
        return "minimize" if self.column.better == "lower" else "maximize"

    @property
    def of_trials(self) -> tuple[str, ...]:
        return (*self.overrides, *self.cheaper)

    @property
    def folder(self) -> Path:
        """Of its study: another one where its runs, axes or metric are others."""
        asked = [run_id(compose(self.of_trials)), self.column.name, self.seed, [asdict(axis) for axis in self.axes]]
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:8]
        return local() / "searches" / f"{self.name}-{digest}"


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str | None, extra: Sequence[str] = (), trials: int = 0) -> Search:
    """The search of that name, with more overrides for all its runs.

    Raises:
        UserError: there is none, or a mistake in its file, which it names; or in the overrides.
    """
    if name is None or name not in names():
        raise UserError(
            yamls.unknown("search", name, names()) if name else f"search: say which, one of {', '.join(names())}"
        )
    path = FOLDER / f"{name}.yaml"
    place = yamls.Place(shown(path))
    content = place.mapping(yamls.read(path), FIELDS, OPTIONAL)
    at = place / "pruning"
    pruning = {"after_trials": 5, "after_epochs": 1} | at.mapping(content.get("pruning", {}), (), PRUNING)
    axes = (place / "axes").mapping(content["axes"], (), None)
    if not axes:
        raise (place / "axes").error("is empty, add one")
    own = [override for override in extra if override.lstrip("+").partition("=")[0] in axes]
    if own:
        raise UserError(f"{own[0]}: is searched for; its range is in {shown(path)}")
    seed = _whole(content["seed"], place / "seed")
    seeds = (place / "grid_seeds").sequence(content.get("grid_seeds", [seed]))
    found = Search(
        name=name,
        title=(place / "title").text(content["title"]),
        overrides=(*_overrides(content["overrides"], place / "overrides"), *extra),
        cheaper=_overrides(content.get("cheaper", []), place / "cheaper"),
        column=_metric(content["metric"], place / "metric"),
        seed=seed,
        trials=trials or _whole(content["trials"], place / "trials", 1),
        after_trials=_whole(pruning["after_trials"], at / "after_trials"),
        after_epochs=_whole(pruning["after_epochs"], at / "after_epochs"),
        axes=tuple(_axis(axis, value, place / "axes" / axis) for axis, value in axes.items()),
        grid_seeds=tuple(_whole(each, place / "grid_seeds") for each in seeds) or (seed,),
    )
    compose((*found.of_trials, *(axis.override(_first(axis)) for axis in found.axes)))
    for axis in found.axes:
        _check_axis(found, axis, place / "axes" / axis.name)
    return found


def _check_axis(search: Search, axis: Axis, place: yamls.Place) -> None:
    """Composes all that it names, rather than in the middle of a study."""
    ends = () if axis.choices else (axis.low, axis.high)
    others = [each.override(_first(each)) for each in search.axes if each is not axis]
    values = dict.fromkeys(f"{axis.name}={typed(value)}" for value in (*ends, *axis.choices, *axis.grid))
    try:
        names = {run_id(compose((*search.of_trials, *others, value))) for value in values}
    except UserError as error:
        raise place.error(error) from error
    if len(values) > 1 and len(names) == 1:
        raise place.error("changes nothing of a run's result, search for another field")


def _metric(value: Any, place: yamls.Place) -> Column:
    """One that is measured on the validation split."""
    name = place.text(value)
    if not name.startswith(VALIDATION):
        raise place.error(f"{name} is not of validation, which is all that a search may see; use val/...")
    known = [f"{VALIDATION}{metric}" for metric in MEASURED]
    if name not in known:
        raise place.error(yamls.unknown("metric", name, known))
    return column(name)


def _overrides(value: Any, place: yamls.Place) -> tuple[str, ...]:
    return tuple(map(place.text, place.sequence(value)))


def _whole(value: Any, place: yamls.Place, least: int = 0) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < SEEDS:
        raise place.error(f"is {value!r}, write a whole number from {least}")
    return value


def _scalars(value: Any, place: yamls.Place) -> tuple[Any, ...]:
    for each in place.sequence(value):
        if isinstance(each, list | dict):
            raise place.error(f"is {each!r} among others, write single values")
    return tuple(map(_plain, value))


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _axis(name: str, value: Any, place: yamls.Place) -> Axis:
    content = place.mapping(value, (), AXIS)
    low, high = content.get("low"), content.get("high")
    choices = _scalars(content.get("choices", []), place / "choices")
    log = content.get("log", False)
    if not isinstance(log, bool):
        raise (place / "log").error(f"is {log!r}, write true or false")
    if bool(choices) == (low is not None and high is not None):
        raise place.error("give low and high, or choices")
    if not choices:
        if low is None or high is None or not _number(low) or not _number(high) or low >= high:
            raise place.error("low must be a number below high")
        if log and low <= 0:
            raise place.error("with log: true, low must be above 0")
        low, high = _plain(low), _plain(high)
    return Axis(name, low, high, log, choices, _scalars(content.get("grid", list(choices)), place / "grid"))


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, float) else value


def _first(axis: Axis) -> Any:
    return axis.choices[0] if axis.choices else axis.low


def rounded(value: float) -> float:
    """To three significant digits."""
    return 0.0 if value == 0 else round(value, DIGITS - 1 - floor(log10(abs(value))))


def typed(value: Any) -> str:
    """A value as an override has it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:.12g}" if isinstance(value, float) else str(value).replace(" ", "")


def validation(record: Record) -> Mapping[str, float]:
    """All that a search is told of a record: what was measured on the validation split."""
    return {name: value for name, value in record.metrics.items() if name.startswith(VALIDATION)}


def validation_curve(record: Record, metric: str) -> list[float]:
    """The metric, one of validation, at the end of each epoch."""
    return [epoch[metric] for epoch in record.result["curves"] if metric.startswith(VALIDATION) and metric in epoch]


def ended(search: Search, record: Record) -> str:
    """How a trial ended, in a few words."""
    value = validation(record).get(search.column.name)
    return record.status if value is None else f"{search.column.name} {search.column.text(value)}"
