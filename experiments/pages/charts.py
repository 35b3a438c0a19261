"""What a chart shows, whoever draws it: svg.py for the report, plates.py for a paper. A kind of figure makes these."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

HEAD = ("panel", "series", "label", "x", "y", "low", "high")
LABEL = {
    "here": "This machine",
    "published": "Published",
    "paper": "Paper",
}  # whose numbers a panel shows, as its title


@dataclass(frozen=True)
class Point:
    """``low`` and ``high``: the ends of y's interval or band. ``text``: what stands beside it; ``name``: all of it."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    text: str = ""
    name: str = ""


@dataclass(frozen=True)
class Series:
    """``style``: which of the colours, markers and lines. ``role``: a Pareto front and what is beside the point are grey."""

    label: str
    points: tuple[Point, ...]
    style: int = 0
    line: bool = True
    marks: bool = True
    band: bool = False
    role: Literal["main", "front"] = "main"


@dataclass(frozen=True)
class Axis:
    """``divide``: numbers are shown as that many times less (bytes as kB)."""

    label: str
    log: bool = False
    divide: float = 1.0


@dataclass(frozen=True)
class Panel:
    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]


@dataclass(frozen=True)
class Chart:
    """Panels side by side. ``name``: of its files; ``legend``: whether its series are named above the panels.

    ``shared``: all panels have the same ends of axes.
    """

    name: str
    title: str
    caption: str
    panels: tuple[Panel, ...]
    legend: bool = True
    shared: bool = False

    @property
    def titled(self) -> bool:
        """Whether panels show their titles: several do, and one alone if it says whose its numbers are."""
        return len(self.panels) > 1 or any(panel.title.partition(", ")[0] in LABEL.values() for panel in self.panels)

    @property
    def legend_entries(self) -> list[Series]:
        """Each label once, in the order of the panels."""
        found: dict[str, Series] = {}
        for series in (series for panel in self.panels for series in panel.series):
            found.setdefault(series.label, series)
        return list(found.values())

    def csv(self) -> str:
        lines = [
            (panel.title, series.label, point.name or point.text, point.x, point.y, point.low, point.high)
            for panel in self.panels
            for series in panel.series
            for point in series.points
        ]
        return as_csv(HEAD, lines)


@dataclass(frozen=True)
class Bar:
    """A row's own ``value`` with its interval, and what the paper prints, each None where there is none."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    paper: float | None = None


@dataclass(frozen=True)
class Bars:
    """Horizontal bars in groups, the paper's number as a mark on each. ``source``: whose the bars are."""

    name: str
    title: str
    caption: str
    axis: str
    source: str
    groups: tuple[tuple[str, tuple[Bar, ...]], ...]

    def csv(self) -> str:
        lines = [
            (group, bar.label, bar.value, bar.low, bar.high, bar.paper) for group, bars in self.groups for bar in bars
        ]
        return as_csv(("group", "row", self.source, "low", "high", "paper"), lines)


@dataclass(frozen=True)
class Picture:
    """What another command has drawn: the bytes of a ``png`` file, and the numbers that it shows."""

    name: str
    title: str
    caption: str
    png: bytes
    data: str

    @property
    def size(self) -> tuple[int, int]:
        """Its width and height in pixels, as the file's first chunk says (PNG, third edition, 11.2.1)."""
        return int.from_bytes(self.png[16:20]), int.from_bytes(self.png[20:24])

    def csv(self) -> str:
        return self.data


Drawing = Chart | Bars | Picture


def common_head(labels: Sequence[str]) -> int:
    """How many letters all labels begin with alike, as far as the last comma, else word: they tell nothing apart."""
    if len(labels) < 2:
        return 0
    least, most = min(labels), max(labels)  # all others begin with what these two begin with
    common = "".join(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(least, most, strict=False)))
    return common.rfind(", ") + 2 if ", " in common else common.rfind(" ") + 1


def as_csv(head: Iterable[object], lines: Iterable[Iterable[object]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(list(head))
    writer.writerows([["" if value is None else _plain(value) for value in line] for line in lines])
    return out.getvalue()


def _plain(value: object) -> object:
    """A spreadsheet takes a text that begins with one of these for a formula."""
    if isinstance(value, float):
        return float(f"{value:.10g}")
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value


def ends(values: Iterable[float], log: bool = False, margin: float = 0.06) -> tuple[float, float]:
    """Of an axis that has these values, with some room on either side; of a logarithmic one in its own measure.

    A logarithmic one leaves out zero and less; where nothing is left, it runs around 1.
    """
    numbers = [math.log10(value) if log else value for value in values if value > 0 or not log]
    low, high = (min(numbers), max(numbers)) if numbers else (0.0, 0.0)
    room = (high - low) * margin or abs(high) * 0.1 or 1.0
    return (10 ** (low - room), 10 ** (high + room)) if log else (low - room, high + room)


def ticks(low: float, high: float, log: bool = False, most: int = 6) -> list[float]:
    """Round numbers between ``low`` and ``high``, at most ``most`` of them."""
    if log:
        return _log_ticks(low, high, most)
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [round(index * step, 12) for index in range(first, math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    for factors in ((1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        found = [factor * 10.0**power for power in powers for factor in factors]
        found = [value for value in found if low <= value <= high]
        if len(found) <= most:
            break
    found = found[:: -(-len(found) // most)] if found else found
    return found if len(found) > 1 else ticks(low, high)


def tick_text(value: float) -> str:
    return f"{round(value, 10):,.10g}".replace("-", "\N{MINUS SIGN}")
