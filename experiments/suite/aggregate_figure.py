"""The figure of records summed up (aggregate.py): means with intervals over the first field of numbers, else as a list."""

import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.suite import fingerprint
from experiments.suite.aggregate import Aggregate, Line
from experiments.suite.figure import DOTS_PER_INCH, METADATA, POINT, ROOMY, SETTINGS, STYLES, WIDTH
from experiments.suite.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE = 4  # from so many times the smallest on, numbers above 0 stand on a logarithmic axis
MANY_TICKS = 100  # from so many times the smallest on, a number for each power of ten will do
FEW_TICKS = 4  # steps between the numbers of another axis
APART = 3  # points between two series' values at one place, or their intervals would hide each other
LISTED = 30  # lines of a list, the best


def draw(found: Aggregate, folder: Path, name: str) -> list[Path]:
    """<folder>/<name>.png and .svg, none where no line has a number. Equal data give equal bytes."""
    lines = [line for line in found.lines if line.estimate]
    if not lines:
        return []
    of = [found.column.name, found.by, *([line.values, line.run_id, vars(line.estimate)] for line in lines)]
    return save(lambda: _drawn(found, lines), folder, name, of)


def save(drawn: Callable[[], "Figure"], folder: Path, name: str, of: Any) -> list[Path]:
    """Draws a figure and writes it as PNG and SVG, unless they are there of the same data and code, as the SVG says."""
    content = json.dumps(of, default=str) + fingerprint.of_file(Path(__file__))
    origin = f"data and code {hashlib.sha256(content.encode()).hexdigest()[:32]}"
    paths = {suffix: folder / f"{name}.{suffix}" for suffix in ("png", "svg")}
    if all(path.is_file() for path in paths.values()) and origin.encode() in paths["svg"].read_bytes():
        return list(paths.values())
    from matplotlib import rc_context  # takes seconds

    with rc_context({**SETTINGS, "text.parse_math": False}):  # a field's value may have $ in it
        figure = drawn()
        for suffix, path in paths.items():
            out = io.BytesIO()
            metadata = METADATA[suffix] | ({"Description": origin} if suffix == "svg" else {})
            figure.savefig(out, format=suffix, metadata=metadata, dpi=DOTS_PER_INCH)
            write_bytes(path, out.getvalue())
    return list(paths.values())


def _drawn(found: Aggregate, lines: Sequence[Line]) -> "Figure":
    axis = across(found, lines)
    series = {} if axis is None else _series(found, lines, axis)
    return _list(found, lines) if axis is None or len(series) > len(STYLES) else _curves(found, series, axis)


def across(found: Aggregate, lines: Sequence[Line]) -> int | None:
    """The first field whose values are different numbers, which becomes the horizontal axis."""
    for index, _ in enumerate(found.by):
        values = [line.values[index] for line in lines]
        if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            if len(set(values)) > 1:
                return index
    return None


def _series(found: Aggregate, lines: Sequence[Line], axis: int) -> dict[str, list[Line]]:
    """The lines that differ in the axis alone, in its order, under the values of their other fields."""
    series: dict[str, list[Line]] = {}
    for line in sorted(lines, key=lambda line: line.values[axis]):
        others = [f"{_short(name)} {_text(line.values[index])}" for index, name in enumerate(found.by) if index != axis]
        series.setdefault(", ".join(others), []).append(line)
    return dict(sorted(series.items()))


def _curves(found: Aggregate, series: dict[str, list[Line]], axis: int) -> "Figure":
    from matplotlib.figure import Figure
    from matplotlib.transforms import offset_copy

    rows = len(series) if len(series) > 1 else 0
    drawn = Figure(figsize=(WIDTH, ROOMY.height + 1.7 * rows * ROOMY.legend * POINT), layout="constrained")
    axes = drawn.subplots()
    for place, ((label, lines), (colour, marker, line)) in enumerate(zip(series.items(), STYLES, strict=False)):
        x, y = [each.values[axis] for each in lines], [_mean(each) for each in lines]
        beside = offset_copy(axes.transData, drawn, x=APART * (place - (len(series) - 1) / 2), units="points")
        look = {"color": colour, "linewidth": 1, "transform": beside}
        axes.plot(x, y, marker=marker, linestyle=line, markersize=4, label=label, **look)
        for each in lines:
            _interval(axes, each, (each.values[axis], each.values[axis]), look, upright=True)
    shown = [line for lines in series.values() for line in lines]
    scale(axes, [line.values[axis] for line in shown])
    axes.update_datalim(
        [(line.values[axis], value) for line in shown for value in _ends(line)]
    )  # no shifted ones count
    axes.autoscale_view()
    axes.set(xlabel=found.by[axis], ylabel=found.column.header)
    axes.grid(linewidth=0.3)
    if rows:
        drawn.legend(loc="outside upper left", frameon=False, fontsize=ROOMY.legend)
    return drawn


def scale(axes: "Axes", values: Sequence[float]) -> None:
    """A logarithmic horizontal axis where the numbers ask for one; numbers as they are typed, with room between them."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    if min(values) > 0 and max(values) >= WIDE * min(values):
        logarithmic(axes, max(values) / min(values))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(FEW_TICKS))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def logarithmic(axes: "Axes", span: float) -> None:
    """The horizontal axis, with numbers as they are typed, as many as there is room for."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1,) if span > MANY_TICKS else (1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _list(found: Aggregate, lines: Sequence[Line]) -> "Figure":
    """The best on top, a line of text and a point each."""
    from matplotlib.figure import Figure

    best = list(lines)[:LISTED]
    drawn = Figure(figsize=(WIDTH, 0.6 + 0.16 * len(best)), layout="constrained")
    axes = drawn.subplots()
    colour, marker, _ = STYLES[0]
    for place, line in enumerate(best):
        axes.plot([_mean(line)], [place], color=colour, marker=marker, markersize=4)
        _interval(axes, line, (place, place), {"color": colour, "linewidth": 1}, upright=False)
    axes.set_yticks(range(len(best)), [", ".join(map(_text, line.values)) or line.run_id for line in best], fontsize=6)
    axes.invert_yaxis()
    axes.set_xlabel(found.column.header)
    axes.grid(axis="x", linewidth=0.3)
    return drawn


def _interval(axes: "Axes", line: Line, at: tuple[float, float], look: Mapping[str, Any], upright: bool) -> None:
    if line.estimate and line.estimate.low is not None and line.estimate.high is not None:
        ends = (line.estimate.low, line.estimate.high)
        across, up = (at, ends) if upright else (ends, at)
        axes.plot(across, up, marker="_" if upright else "|", markersize=5, **look)


def _ends(line: Line) -> list[float]:
    """The mean and, where it has one, its interval's ends."""
    found = line.estimate
    return [value for value in (found.low, found.high, found.estimate) if value is not None] if found else []


def _mean(line: Line) -> float:
    return line.estimate.estimate if line.estimate else float("nan")


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
