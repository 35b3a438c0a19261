"""A table's figure, from the table's data (see assemble) alone: the paper's points above, ours with intervals below.

The paper has no panel where it prints no point. A figure is as wide as a column of a paper and can be read in grey and
by the colour-blind: series differ in marker and line, too. Equal data give equal bytes with one version of matplotlib.
"""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.suite import fingerprint
from experiments.suite.files import write_bytes
from experiments.suite.rendering import has_side

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Data = dict[str, Any]
Point = tuple[float, float, float | None, float | None]  # x, y and the ends of y's interval
Side = tuple[int, int]  # of a point: -1, 0 or 1, left or right of it; and below or above it


@dataclass(frozen=True)
class Look:
    """Sizes in points, but ``height``, a panel's, in inches. ``margin``: empty at either end, of the data's length.

    ``shade``: how much of its series' colour a text beside a point has; small ones are darker.
    """

    text: float  # beside a point
    legend: float
    marker: float
    cap: float
    line: float
    handle: float  # of the legend's lines, in heights of its text
    height: float
    margin: float
    shade: float
    gap: float  # between texts of one line


ROOMY = Look(text=8, legend=8, marker=4, cap=5, line=1, handle=2, height=1.9, margin=0.2, shade=1, gap=0)
DENSE = Look(text=6, legend=7, marker=3.5, cap=2.5, line=0.7, handle=1.6, height=3.4, margin=0.06, shade=0.7, gap=2)
ROOMY_SERIES = 4  # and more are dense
WIDTH, POINT = 3.3, 1 / 72  # inches
MOST_COLUMNS = 4  # of a legend
# Each series' colour, marker and line. The colours differ to the colour-blind: those of Okabe and Ito (2008) that stand
# out on white, and dark ones of Tol's technical note on colour schemes (SRON/EPS/TN/09-002).
STYLES: tuple[tuple[str, str, Any], ...] = (
    ("#0072B2", "o", "-"),
    ("#D55E00", "s", "--"),
    ("#009E73", "^", "-."),
    ("#CC79A7", "D", ":"),
    ("#000000", "v", (0, (5, 1))),
    ("#882255", "P", (0, (3, 1, 1, 1))),
    ("#E69F00", ">", (0, (1, 1))),
    ("#332288", "X", (0, (8, 2))),
    ("#661100", "<", (0, (3, 1, 1, 1, 1, 1))),
    ("#56B4E9", "p", (0, (5, 3))),
)
FRONT = {"label": "Pareto front", "color": "0.7", "linewidth": 1, "zorder": 1}  # grey, behind the series
# Where a text may stand, and how far from its point, in points.
SIDES: tuple[Side, ...] = ((-1, -1), (1, 1), (1, -1), (-1, 1), (1, 0), (-1, 0), (0, 1), (0, -1))
DISTANCES = (3, 8, 14)
ROUNDS = 3
TICKS = {"x": (1, 2, 5), "y": (1, 1.5, 2, 3, 5, 7)}  # of a logarithmic axis, in each power of ten
KB = 1000  # bytes
SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that it is the same everywhere
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "compact-nets",
    "svg.fonttype": "path",
}
# The time and the version of matplotlib would change the bytes.
METADATA: Data = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}
DOTS_PER_INCH = 300


def draw(data: Data, folder: Path) -> list[Path]:
    """<folder>/<table>.png and .svg, each whole or absent; none where the table has no figure.

    The SVG says of which data and code it is. What is there of the same is not drawn again: that takes a second.
    """
    if not data.get("figure"):
        return []
    paths = {suffix: folder / f"{data['table']}.{suffix}" for suffix in ("png", "svg")}
    origin = _origin(data)
    if paths["png"].is_file() and paths["svg"].is_file() and origin.encode() in paths["svg"].read_bytes():
        return list(paths.values())
    from matplotlib import rc_context  # takes half a second, and most commands draw nothing

    with rc_context(SETTINGS):
        drawn = _drawn(data)
        for suffix, path in paths.items():
            out = io.BytesIO()
            metadata = METADATA[suffix] | ({"Description": origin} if suffix == "svg" else {})
            drawn.savefig(out, format=suffix, metadata=metadata, dpi=DOTS_PER_INCH)
            write_bytes(path, out.getvalue())
    return list(paths.values())


def _origin(data: Data) -> str:
    content = json.dumps(data, sort_keys=True) + fingerprint.of_file(Path(__file__))
    return f"data and code {hashlib.sha256(content.encode()).hexdigest()[:32]}"


def sources(data: Data) -> list[str]:
    """What has a panel: the paper, and this machine's runs where there are any, else what is published."""
    side = next((side for side in ("here", "published") if has_side_points(data, side)), None)
    return [*(["paper"] if all_points(data, "paper") else []), *([side] if side else [])] or ["published"]


def has_side_points(data: Data, side: str) -> bool:
    return has_side(data, side) and bool(all_points(data, side))


def all_points(data: Data, source: str) -> dict[str, Point]:
    """Those of all series, by row."""
    return {row: point for series in data["figure"]["series"] for row, point in points(data, series, source).items()}


def points(data: Data, series: Data, source: str) -> dict[str, Point]:
    """By row, those that have both numbers. An accuracy on an axis of errors becomes one."""
    rows = {row["row"]: row["cells"] for row in data["rows"]}
    x, y = data["figure"]["x"], _y(data, source)
    found: dict[str, Point] = {}
    for name in series["points"]:
        across, up = _number(rows[name][x], source), _number(rows[name][y], source)
        if across and up:
            value, low, high = up
            if _turned(data, source):
                value, low, high = 100 - value, None, None  # only the paper's, which has no interval
            found[name] = (across[0], value, low, high)
    return found


def front(found: Mapping[str, Point], better: tuple[str, str] = ("lower", "lower")) -> list[str]:
    """The Pareto front, in the order of x: the rows of which no other is as good in x and y and better in one.

    ``better``: whether ``lower`` or ``higher`` is, of x and of y.
    """
    x_sign, y_sign = (1 if each == "lower" else -1 for each in better)
    costs = {row: (x_sign * x, y_sign * y) for row, (x, y, *_) in found.items()}
    kept = [
        row
        for row, own in costs.items()
        if not any(other != own and other[0] <= own[0] and other[1] <= own[1] for other in costs.values())
    ]
    return sorted(kept, key=lambda row: found[row][:2])


def _y(data: Data, source: str) -> str:
    return data["figure"]["paper_y" if source == "paper" else "y"]


def _turned(data: Data, source: str) -> bool:
    """Whether the source's accuracy is drawn as an error, so that down is better in both panels."""
    return _y(data, source).endswith("_acc") and data["figure"]["y"].endswith("_err")


def _number(cell: Data, source: str) -> tuple[float, float | None, float | None] | None:
    if source == "paper":
        return None if cell["paper"] is None else (cell["paper"], None, None)
    return (cell[source]["mean"], cell[source]["low"], cell[source]["high"]) if cell[source] else None


def placed(
    points: np.ndarray, sizes: np.ndarray, firsts: Sequence[Side], ink: np.ndarray, area: np.ndarray, scale: float = 1
) -> list[tuple[Side, int]]:
    """Where the text of each point stands, that it hides little: on which side of the point, and how many points away.

    Lengths are in pixels, ``scale`` of them a point of type. ``points`` (N, 2); the texts' ``sizes`` (N, 2); boxes of
    left, bottom, right, top: ``ink`` (M, 4) is drawn already, ``area`` (4,) is what no text should leave. In each of
    some rounds each text moves to the first of its places, ``firsts`` (N) and near ones first, that is best now.
    """
    found: list[tuple[Side, int]] = []
    texts = np.zeros((len(points), 4))  # the boxes of those that stand already
    for step in range(ROUNDS * len(points)):
        index = step % len(points)
        texts[index] = 0
        others = np.concatenate([ink, texts])
        sides = sorted(SIDES, key=lambda side: side != firsts[index])
        places = [(side, distance) for distance in DISTANCES for side in sides]
        boxes = [_box(points[index], sizes[index], side, distance * scale) for side, distance in places]
        costs = [
            _overlap(box, others) + 10 * (np.prod(sizes[index]) - _overlap(box, area[None])) + distance * scale
            for box, (_, distance) in zip(boxes, places, strict=True)
        ]
        best = int(np.argmin(np.round(costs, 3)))
        texts[index] = boxes[best]
        found[index : index + 1] = [places[best]]
    return found


def _box(point: np.ndarray, size: np.ndarray, side: Side, distance: float) -> np.ndarray:
    corner = point + np.array(side) * (distance + size / 2) - size / 2
    return np.concatenate([corner, corner + size])


def _overlap(box: np.ndarray, others: np.ndarray) -> float:
    """The area that it shares with the (M, 4) others, in all."""
    shared = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    return float(np.prod(np.clip(shared, 0, None), axis=1).sum())


def _drawn(data: Data) -> "Figure":
    from matplotlib.figure import Figure

    panels = sources(data)
    look = ROOMY if len(data["figure"]["series"]) <= ROOMY_SERIES else DENSE
    drawn = Figure(figsize=(WIDTH, look.height), layout="constrained")
    axes = list(drawn.subplots(len(panels), sharex=True, squeeze=False)[:, 0])
    for each, source in zip(axes, panels, strict=True):
        _panel(each, data, source, look)
    axes[-1].set_xlabel(_header(data, data["figure"]["x"]))
    drawn.align_ylabels()
    lines = _legend(drawn, axes, look)
    drawn.set_figheight(look.height * len(panels) + 1.5 * (lines + 1) * look.legend * POINT)
    drawn.draw_without_rendering()  # lays it out, which tells what is near to what
    for each, source in zip(axes, panels, strict=True):
        _write(each, data, source, look, drawn.dpi * POINT)
    return drawn


def _legend(drawn: "Figure", axes: Sequence["Axes"], look: Look) -> int:
    """Above the panels, in as many columns as there is room for. Returns the number of its lines."""
    entries = {label: handle for each in axes for handle, label in zip(*each.get_legend_handles_labels(), strict=True)}
    for columns in range(MOST_COLUMNS, 0, -1):
        legend = drawn.legend(
            entries.values(), entries.keys(), loc="outside upper left", frameon=False, ncols=columns,
            fontsize=look.legend, handlelength=look.handle, columnspacing=1,
        )  # fmt: skip
        if columns == 1 or legend.get_window_extent().width <= drawn.bbox.width:
            return -(-len(entries) // columns)
        legend.remove()
    raise AssertionError("one column is always taken")


def _panel(axes: "Axes", data: Data, source: str, look: Look) -> None:
    for series, (colour, marker, line) in zip(data["figure"]["series"], STYLES, strict=False):
        found = points(data, series, source)
        axes.plot(
            [point[0] for point in found.values()],
            [point[1] for point in found.values()],
            color=colour,
            marker=marker,
            linestyle=line if series.get("line", True) else "none",
            markersize=look.marker,
            linewidth=look.line,
            label=series["label"],
        )
        for across, _, low, high in found.values():
            if low is not None and high is not None:
                ends = {"color": colour, "marker": "_", "markersize": look.cap, "linewidth": look.line}
                axes.plot([across, across], [low, high], **ends)
    if data["figure"].get("front") and source != "paper":
        _draw_front(axes, data, all_points(data, source))
    header = _header(data, _y(data, source))
    axes.set_ylabel(header.replace("accuracy", "error") if _turned(data, source) else header)
    axes.set_title(_title(data, source), loc="left", fontsize=8)
    axes.margins(x=look.margin, y=look.margin)
    if not all_points(data, source):
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.5, "nothing has been run", transform=axes.transAxes, ha="center", va="center")
        return
    axes.grid(linewidth=0.3)
    for which in ("x", "y"):
        _scale(axes, data, which)


def _draw_front(axes: "Axes", data: Data, found: Mapping[str, Point]) -> None:
    """As steps: beyond a point, the worse way, holds what it reaches."""
    across, up = (_column(data, data["figure"][axis])["better"] for axis in ("x", "y"))
    kept = [found[row] for row in front(found, (across, up))]
    steps = "steps-post" if across == "lower" else "steps-pre"
    axes.plot([point[0] for point in kept], [point[1] for point in kept], drawstyle=steps, **FRONT)


def _scale(axes: "Axes", data: Data, which: str) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    bytes_ = _is_bytes(data, data["figure"][which])
    if log := data["figure"].get(f"{which}_scale") == "log":
        axes.set(**{f"{which}scale": "log"})
        axis.set_major_locator(LogLocator(subs=TICKS[which]))
        axis.set_minor_locator(NullLocator())
    if log or bytes_:
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / (KB if bytes_ else 1):,.10g}"))


def _write(axes: "Axes", data: Data, source: str, look: Look, scale: float) -> None:
    """The texts beside the points; the second series' are tried above, so that a point of two has one on either side."""
    from matplotlib.colors import to_rgb

    texts: list[Any] = []
    firsts: list[Side] = []
    for index, (series, style) in enumerate(zip(data["figure"]["series"], STYLES, strict=False)):
        colour = tuple(look.shade * part for part in to_rgb(style[0]))
        for row, (across, up, *_) in points(data, series, source).items():
            shown = {"textcoords": "offset points", "fontsize": look.text, "color": colour}
            texts.append(axes.annotate(series["points"][row], (across, up), xytext=(0, 0), **shown))
            firsts.append(SIDES[index % 2])
    if not texts:
        return
    sizes = np.add([text.get_window_extent().size for text in texts], (look.gap * scale, 0))
    centres = axes.transData.transform([text.xy for text in texts])
    places = placed(centres, sizes, firsts, _ink(axes, scale), np.array(axes.bbox.extents), scale)
    for text, (side, distance) in zip(texts, places, strict=True):
        text.xyann = (side[0] * distance, side[1] * distance)
        text.set(ha=("center", "left", "right")[side[0]], va=("center", "bottom", "top")[side[1]])
        if distance > DISTANCES[0]:
            thread = {"arrowstyle": "-", "color": text.get_color(), "linewidth": 0.4, "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", text.xy, xytext=text.xyann, textcoords="offset points", arrowprops=thread)


def _ink(axes: "Axes", scale: float) -> np.ndarray:
    """(M, 4) boxes of left, bottom, right and top in pixels, in which the panel's markers and lines lie."""
    centres, halves = [np.zeros((0, 2))], [np.zeros(0)]
    for line in axes.lines:
        corners = line.get_transform().transform(line.get_path().vertices)
        if line.get_marker() not in ("None", None):
            centres.append(corners)
            halves.append(np.full(len(corners), line.get_markersize() * scale / 2))
        if line.get_linestyle() != "None":
            for start, end in pairwise(corners):
                along = np.linspace(start, end, 2 + int(np.hypot(*(end - start)) / (2 * scale)))
                centres.append(along)
                halves.append(np.full(len(along), scale))
    middle, half = np.concatenate(centres), np.concatenate(halves)[:, None]
    return np.concatenate([middle - half, middle + half], axis=1)


def _column(data: Data, name: str) -> Data:
    return next(column for column in data["columns"] if column["name"] == name)


def _is_bytes(data: Data, name: str) -> bool:
    return _column(data, name).get("unit") == "bytes"


def _header(data: Data, name: str) -> str:
    header = _column(data, name)["header"]
    return header.replace("bytes", "kB") if _is_bytes(data, name) else header


def _title(data: Data, source: str) -> str:
    if source == "paper":
        paper = data["paper"]
        return f"Paper: {paper.get('first_author') or paper['title']}, {paper.get('year', '')}".rstrip(", ")
    return f"This machine, budget {data['budget']}" if source == "here" else "Published"
