"""What a contract says of its test faces one by one: their groups, by what is known of each, and curves of their errors."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Any

import numpy as np

from experiments.suite import yamls
from experiments.suite.columns import Column


@dataclass(frozen=True)
class Split:
    """Groups by ``of``, cut at ``edges``; ``absolute``: whatever its sign. ``label`` and ``unit`` are for their heads."""

    of: str
    label: str
    unit: str
    edges: tuple[float, ...]
    absolute: bool

    def heads(self) -> list[str]:
        first, last = (f"{edge:g}{self.unit}" for edge in (self.edges[0], self.edges[-1]))
        between = [f"{self.label} {low:g} to {high:g}{self.unit}" for low, high in pairwise(self.edges)]
        return [f"{self.label} below {first}", *between, f"{self.label} from {last}"]

    def masks(self, values: np.ndarray) -> list[np.ndarray]:
        """(N,) bool for each group."""
        values = np.abs(values) if self.absolute else values
        return [(values >= low) & (values < high) for low, high in pairwise((-inf, *self.edges, inf))]


@dataclass(frozen=True)
class Groups:
    """``groups`` of a contract: a trained column with per-example values, and what its faces are grouped by."""

    metric: str
    by: tuple[Split, ...]


def read_groups(value: Any, place: yamls.Place, columns: Sequence[Column]) -> Groups:
    """UserError: a column that the table has not, or edges that do not rise."""
    place.mapping(value, ("metric", "by"))
    trained = [column.name for column in columns if column.kind == "trained"]
    if value["metric"] not in trained:
        raise (place / "metric").error(yamls.unknown("column", value["metric"], trained))
    by = (place / "by").sequence(value["by"])
    if not by:
        raise (place / "by").error("is empty, add what the faces are grouped by")
    return Groups(value["metric"], tuple(_split(item, place / "by" / index) for index, item in enumerate(by)))


def _split(item: Any, place: yamls.Place) -> Split:
    place.mapping(item, ("of", "label", "edges"), ("unit", "absolute"))
    edges = (place / "edges").sequence(item["edges"])
    numbers = all(isinstance(edge, (int, float)) and not isinstance(edge, bool) for edge in edges)
    if not edges or not numbers or list(edges) != sorted(set(edges)):
        raise (place / "edges").error(f"is {edges!r}, write rising numbers")
    unit, absolute = item.get("unit", ""), item.get("absolute", False)
    if not isinstance(unit, str) or not isinstance(absolute, bool):
        raise place.error("unit is a text, and absolute true or false")
    return Split((place / "of").text(item["of"]), (place / "label").text(item["label"]), unit, tuple(edges), absolute)


def read_ced(
    value: Any, place: yamls.Place, columns: Sequence[Column], rows: Sequence[str]
) -> tuple[str, tuple[str, ...]]:
    """``ced: {metric: test/nme, rows: [...]}``. UserError: a column or a row that the table has not."""
    place.mapping(value, ("metric", "rows"))
    trained = [column.name for column in columns if column.kind == "trained"]
    if value["metric"] not in trained:
        raise (place / "metric").error(yamls.unknown("column", value["metric"], trained))
    named = (place / "rows").sequence(value["rows"])
    for row in named:
        if row not in rows:
            raise (place / "rows").error(yamls.unknown("row", row, rows))
    if not 1 <= len(named) <= 10:
        raise (place / "rows").error(f"names {len(named)} rows, write 1 to 10")
    return value["metric"], tuple(named)
