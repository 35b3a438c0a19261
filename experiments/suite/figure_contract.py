"""The figure of a table as a contract declares it: which columns are its axes, which rows its points."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from experiments.suite import yamls
from experiments.suite.columns import Column


@dataclass(frozen=True)
class Series:
    """One line of a figure. ``points``: what is written beside each row's point, in the order of the line."""

    label: str
    points: Mapping[str, str]


@dataclass(frozen=True)
class Figure:
    """``x``, ``y``, ``paper_y``: columns of the table; ``paper_y`` is what the paper prints where that is not ``y``."""

    x: str
    y: str
    paper_y: str
    series: tuple[Series, ...]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "series": [asdict(each) for each in self.series]}


def read_figure(value: Any, place: yamls.Place, columns: Sequence[Column], rows: Sequence[str]) -> Figure:
    """``rows``: the names of the contract's rows. UserError: a column or a row that is not the table's."""
    place.mapping(value, ("x", "y", "series"), ("paper_y",))
    names = [column.name for column in columns]
    for axis in ("x", "y", "paper_y"):
        if axis in value and value[axis] not in names:
            raise (place / axis).error(yamls.unknown("column", value[axis], names))
    found = (place / "series").sequence(value["series"])
    if not found:
        raise (place / "series").error("is empty, add a series")
    series = tuple(_series(item, place / "series" / index, rows) for index, item in enumerate(found))
    return Figure(value["x"], value["y"], value.get("paper_y", value["y"]), series)


def _series(item: Any, place: yamls.Place, rows: Sequence[str]) -> Series:
    place.mapping(item, ("label", "points"))
    points = (place / "points").mapping(item["points"], (), None)
    if not points:
        raise (place / "points").error("is empty, add a row")
    for row in points:
        if row not in rows:
            raise (place / "points").error(yamls.unknown("row", row, rows))
    texts = {row: (place / "points" / row).text(text) for row, text in points.items()}
    return Series((place / "label").text(item["label"]), texts)
