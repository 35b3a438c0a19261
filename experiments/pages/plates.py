"""The report's charts as figures for a paper: a column wide, PNG and SVG, with the look of experiments/suite/figure.py.

matplotlib is imported on use: it takes half a second, and pages do without it.
"""

import io
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.pages.charts import Axis, Bars, Chart, Drawing, Panel, Picture, Series, tick_text, ticks
from experiments.pages.labels import is_nearest
from experiments.suite.figure import (
    DOTS_PER_INCH,
    FRONT,
    METADATA,
    POINT,
    SETTINGS,
    SIDES,
    STYLES,
    WIDTH,
    _ink,
    placed,
)
from experiments.suite.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL, SMALL = 2.1, 1.25  # inches high: a panel as wide as the column, one of several beside each other
ABREAST = 3  # panels in a row, where all have the same axes
BAR = 0.135  # inches a bar takes
TEXT, FINE = 7, 6  # points
MOST_TEXTS = 16  # points that are named
SUFFIXES = ("png", "svg", "csv")


def write(drawn: Drawing, folder: Path, suffixes: Sequence[str] = SUFFIXES) -> list[Path]:
    """<folder>/<name>.png, .svg and .csv. Equal data give equal files with one version of matplotlib."""
    content = _of_picture(drawn) if isinstance(drawn, Picture) else _of_figure(drawn, suffixes)
    paths = {suffix: folder / f"{drawn.name}.{suffix}" for suffix in suffixes}
    for suffix, path in paths.items():
        write_bytes(path, drawn.csv().encode() if suffix == "csv" else content[suffix])
    return list(paths.values())


def _of_figure(drawn: Chart | Bars, suffixes: Sequence[str]) -> dict[str, bytes]:
    from matplotlib import rc_context

    settings: dict[Any, Any] = {**SETTINGS, "font.size": TEXT}
    content = {}
    with rc_context(settings):
        made = _bars(drawn) if isinstance(drawn, Bars) else _chart(drawn)
        for suffix in (each for each in suffixes if each != "csv"):
            out = io.BytesIO()
            made.savefig(out, format=suffix, metadata=METADATA[suffix], dpi=DOTS_PER_INCH)
            content[suffix] = out.getvalue()
    return content


def _of_picture(drawn: Picture) -> dict[str, bytes]:
    """As it is, and inside an SVG file."""
    width, height = drawn.size
    size = f'width="{width}" height="{height}"'
    inside = f'<image {size} href="data:image/png;base64,{b64encode(drawn.png).decode("ascii")}"/>'
    framed = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {size}>{inside}</svg>\n'
    return {"png": drawn.png, "svg": framed.encode()}


def _figure(height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), layout="constrained")


def _chart(drawn: Chart) -> "Figure":
    few = not drawn.shared or len(drawn.panels) == 1
    across = 1 if few else min(ABREAST, len(drawn.panels))
    down = -(-len(drawn.panels) // across)
    made = _figure((PANEL if few else SMALL) * down + 0.3)
    grid = list(made.subplots(down, across, sharex=drawn.shared, sharey=drawn.shared, squeeze=False).flat)
    for axes, panel in zip(grid, drawn.panels, strict=False):
        _panel(axes, panel, titled=drawn.titled, fine=not few)
    for axes in grid[len(drawn.panels) :]:
        axes.set_visible(False)
    if few:
        for axes, panel in zip(grid, drawn.panels, strict=False):
            axes.set(xlabel=panel.x.label, ylabel=panel.y.label)
    else:
        made.supxlabel(drawn.panels[0].x.label, fontsize=TEXT)
        made.supylabel(drawn.panels[0].y.label, fontsize=TEXT)
    if drawn.legend and len(drawn.legend_entries) > 1:
        _legend(made, grid)
    made.draw_without_rendering()  # lays it out, which tells what is near to what
    for axes, panel in zip(grid, drawn.panels, strict=False):
        _texts(axes, panel, made.dpi * POINT)
    return made


def _legend(made: "Figure", grid: Sequence["Axes"]) -> None:
    """Above the panels, in as many columns as the width takes."""
    entries = {label: handle for axes in grid for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    for columns in (4, 3, 2, 1):
        legend = made.legend(
            entries.values(), entries.keys(), loc="outside upper left", frameon=False, ncols=columns, fontsize=FINE,
            handlelength=1.8, columnspacing=1,
        )  # fmt: skip
        if columns == 1 or legend.get_window_extent().width <= made.bbox.width:
            made.set_figheight(made.get_figheight() + 0.13 * -(-len(entries) // columns))
            return
        legend.remove()


def _panel(axes: "Axes", panel: Panel, titled: bool, fine: bool) -> None:
    for series in panel.series:
        _series(axes, series)
    if titled:
        axes.set_title(
            _cut(panel.title, 20 if fine else 60),
            loc="left",
            fontsize=FINE if fine else TEXT,
        )
    axes.grid(linewidth=0.3)
    axes.tick_params(labelsize=FINE)
    for which, axis in (("x", panel.x), ("y", panel.y)):
        _scale(axes, which, axis, few=fine)
    if sum(bool(point.text) for series in panel.series for point in series.points) <= MOST_TEXTS:
        axes.margins(x=0.18, y=0.1)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _series(axes: "Axes", series: Series) -> None:
    colour, marker, line = STYLES[series.style % len(STYLES)]
    across, up = [point.x for point in series.points], [point.y for point in series.points]
    if series.role == "front":
        axes.plot(across, up, drawstyle="steps-post", **FRONT)
        return
    axes.plot(
        across, up, color=colour, marker=marker if series.marks else None, markersize=3.5, linewidth=1,
        linestyle=line if series.line else "none", label=series.label,
    )  # fmt: skip
    ranges = [(p.x, p.low, p.high) for p in series.points if p.low is not None and p.high is not None]
    if series.band and ranges:
        ends = list(zip(*ranges, strict=True))
        axes.fill_between(ends[0], ends[1], ends[2], color=colour, alpha=0.18, linewidth=0)  # type: ignore[arg-type]
    for at, low, high in [] if series.band else ranges:
        axes.plot([at, at], [low, high], color=colour, linewidth=0.8, marker="_", markersize=3)


def _scale(axes: "Axes", which: str, axis: Axis, few: bool) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    of_axes = axes.xaxis if which == "x" else axes.yaxis
    if axis.log:
        axes.set(**{f"{which}scale": "log"})
        axes.autoscale_view()
        low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
        of_axes.set_major_locator(
            FixedLocator([at * axis.divide for at in ticks(low / axis.divide, high / axis.divide, True, 5)])
        )
        of_axes.set_minor_locator(NullLocator())
    else:
        of_axes.set_major_locator(MaxNLocator(3 if few else 6, steps=[1, 2, 5, 10], integer=axis.label == "Epoch"))
    of_axes.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value / axis.divide)))


def _texts(axes: "Axes", panel: Panel, scale: float) -> None:
    """Beside their points, where they hide little and none is taken for another's.

    The figure must have been laid out; ``scale``: pixels a point.
    """
    named = [(point, series) for series in panel.series for point in series.points if point.text]
    if not named or len(named) > MOST_TEXTS:
        return
    texts: list[Any] = [
        axes.annotate(point.text, (point.x, point.y), xytext=(0, 0), textcoords="offset points", fontsize=FINE,
                      color=STYLES[series.style % len(STYLES)][0])
        for point, series in named
    ]  # fmt: skip
    sizes = np.array([text.get_window_extent().size for text in texts])
    centres = axes.transData.transform([text.xy for text in texts])
    firsts = [SIDES[series.style % 2] for _, series in named]
    places = placed(centres, sizes, firsts, _ink(axes, scale), np.array(axes.bbox.extents), scale)
    marks = axes.transData.transform(
        [(p.x, p.y) for series in panel.series if series.role != "front" for p in series.points]
    )
    for text, centre, (side, distance) in zip(texts, centres, places, strict=True):
        text.xyann = (side[0] * distance, side[1] * distance)
        text.set(ha=("center", "left", "right")[side[0]], va=("center", "bottom", "top")[side[1]])
        text.set_visible(is_nearest(centre, np.array(text.get_window_extent().extents), marks))


def _bars(drawn: Bars) -> "Figure":
    lines = [(name, bar) for name, bars in drawn.groups for bar in bars]
    made = _figure(BAR * (len(lines) + 1.4 * len(drawn.groups)) + 0.7)
    axes: Any = made.subplots()
    at, places, names = 0.0, [], []
    for group, bars in drawn.groups:
        at += 1.4
        axes.text(
            0, at - 0.75, group, fontsize=FINE, fontweight="bold", transform=axes.get_yaxis_transform(), va="center"
        )
        for bar in bars:
            places.append(at)
            names.append(_cut(bar.label, 33))
            at += 1
    values = [bar.value or 0 for _, bar in lines]
    axes.barh(places, values, height=0.62, color=STYLES[0][0], alpha=0.85, label=drawn.source)
    for place, (_, bar) in zip(places, lines, strict=True):
        if bar.low is not None and bar.high is not None:
            axes.plot([bar.low, bar.high], [place, place], color="0.15", linewidth=0.8, marker="|", markersize=3)
    printed = [(bar.paper, place) for place, (_, bar) in zip(places, lines, strict=True) if bar.paper is not None]
    if printed:
        across, up = zip(*printed, strict=True)
        style = {"marker": "D", "markersize": 3.5, "markerfacecolor": "white", "markeredgecolor": STYLES[1][0]}
        axes.plot(across, up, linestyle="none", label="paper", **style)
    axes.set_yticks(places, names, fontsize=FINE)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(at, -0.2)
    axes.set_xlim(left=0)
    axes.set_xlabel(drawn.axis)
    axes.grid(axis="x", linewidth=0.3)
    axes.set_axisbelow(True)
    made.legend(loc="outside upper left", frameon=False, ncols=2, fontsize=FINE)
    return made
