"""The figure of a table as a contract declares it: which columns are its axes, which rows its points."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from experiments.suite import yamls
from experiments.suite.columns import Column

Scale = Literal["linear", "log"]
MOST_SERIES = 10  # as many can be told apart (experiments/suite/figure.py)


@dataclass(frozen=True)
class Series:
    """One line of a figure. ``points``: what is written beside each row's point, in the order of the line.

    ``line``: whether there is one, else the points stand alone.
    """

    label: str
    points: Mapping[str, str]
    line: bool = True


@dataclass(frozen=True)
class Figure:
    """``x``, ``y``, ``paper_y``: columns of the table; ``paper_y`` is what the paper prints where that is not ``y``.

    ``front``: whether our points' Pareto front is drawn.
    """

    x: str
    y: str
    paper_y: str
    series: tuple[Series, ...]
    x_scale: Scale = "linear"
    y_scale: Scale = "linear"
    front: bool = False

    def to_json(self) -> dict[str, Any]:
        """Without what is as it is where a contract says nothing."""
        return {**_said(self), "series": [_said(each) for each in self.series]}


def _said(value: Figure | Series) -> dict[str, Any]:
    usual = {field.name: field.default for field in fields(value)}
    return {name: given for name, given in asdict(value).items() if given != usual[name]}


def read_figure(value: Any, place: yamls.Place, columns: Sequence[Column], rows: Sequence[str]) -> Figure:
    """``rows``: the names of the contract's rows. UserError: a column or a row that is not the table's."""
    place.mapping(value, ("x", "y", "series"), ("paper_y", "x_scale", "y_scale", "front"))
    names = [column.name for column in columns]
    for axis in ("x", "y", "paper_y"):
        if axis in value and value[axis] not in names:
            raise (place / axis).error(yamls.unknown("column", value[axis], names))
    found = (place / "series").sequence(value["series"])
    if not found:
        raise (place / "series").error("is empty, add a series")
    if len(found) > MOST_SERIES:
        raise (place / "series").error(f"has {len(found)} series, write at most {MOST_SERIES}")
    return Figure(
        x=value["x"],
        y=value["y"],
        paper_y=value.get("paper_y", value["y"]),
        series=tuple(_series(item, place / "series" / index, rows) for index, item in enumerate(found)),
        x_scale=_scale(value.get("x_scale", "linear"), place / "x_scale"),
        y_scale=_scale(value.get("y_scale", "linear"), place / "y_scale"),
        front=_flag(value.get("front", False), place / "front"),
    )


def _scale(value: Any, place: yamls.Place) -> Scale:
    if value not in get_args(Scale):
        raise place.error(yamls.unknown("scale", value, get_args(Scale)))
    return value


def _flag(value: Any, place: yamls.Place) -> bool:
    if not isinstance(value, bool):
        raise place.error(f"is {value!r}, write true or false")
    return value


def _series(item: Any, place: yamls.Place, rows: Sequence[str]) -> Series:
    place.mapping(item, ("label", "points"), ("line",))
    points = (place / "points").mapping(item["points"], (), None)
    if not points:
        raise (place / "points").error("is empty, add a row")
    for row in points:
        if row not in rows:
            raise (place / "points").error(yamls.unknown("row", row, rows))
    texts = {row: (place / "points" / row).text(text) for row, text in points.items()}
    return Series((place / "label").text(item["label"]), texts, _flag(item.get("line", True), place / "line"))
