"""A table's figure, from the table's data (see assemble) alone: the paper's points above, ours with intervals below.

It is as wide as a column of a paper and can be read in grey and by the colour-blind: series differ in marker and line,
too. Equal data give equal bytes with one version of matplotlib.
"""

import hashlib
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.suite import fingerprint
from experiments.suite.files import write_bytes
from experiments.suite.rendering import has_side

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Data = dict[str, Any]
Point = tuple[float, float, float | None, float | None]  # x, y and the ends of y's interval

WIDTH, PANEL_HEIGHT, HEAD_HEIGHT = 3.3, 1.9, 0.5  # inches
# Colours of Okabe and Ito (2008) that stand out on white, each with its marker and its line.
STYLES = (("#0072B2", "o", "-"), ("#D55E00", "s", "--"), ("#009E73", "^", "-."), ("#CC79A7", "D", ":"))
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
    return ["paper", *([side] if side else [])]


def has_side_points(data: Data, side: str) -> bool:
    return has_side(data, side) and any(points(data, series, side) for series in data["figure"]["series"])


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


def _y(data: Data, source: str) -> str:
    return data["figure"]["paper_y" if source == "paper" else "y"]


def _turned(data: Data, source: str) -> bool:
    """Whether the source's accuracy is drawn as an error, so that down is better in both panels."""
    return _y(data, source).endswith("_acc") and data["figure"]["y"].endswith("_err")


def _number(cell: Data, source: str) -> tuple[float, float | None, float | None] | None:
    if source == "paper":
        return None if cell["paper"] is None else (cell["paper"], None, None)
    return (cell[source]["mean"], cell[source]["low"], cell[source]["high"]) if cell[source] else None


def _drawn(data: Data) -> "Figure":
    from matplotlib.figure import Figure

    panels = sources(data)
    drawn = Figure(figsize=(WIDTH, HEAD_HEIGHT + PANEL_HEIGHT * len(panels)), layout="constrained")
    axes = drawn.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    for each, source in zip(axes, panels, strict=True):
        _panel(each, data, source)
    axes[-1].set_xlabel(_header(data, data["figure"]["x"]))
    drawn.align_ylabels()
    drawn.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", frameon=False)
    return drawn


def _panel(axes: "Axes", data: Data, source: str) -> None:
    for index, series in enumerate(data["figure"]["series"]):
        colour, marker, line = STYLES[index % len(STYLES)]
        found = points(data, series, source)
        x, y = [point[0] for point in found.values()], [point[1] for point in found.values()]
        axes.plot(x, y, color=colour, marker=marker, linestyle=line, markersize=4, linewidth=1, label=series["label"])
        for across, _, low, high in found.values():
            if low is not None and high is not None:
                axes.plot([across, across], [low, high], color=colour, marker="_", markersize=5, linewidth=1)
        above = index % 2 == 1  # a point of two series has a text on either side
        for name, (across, up, *_) in found.items():
            axes.annotate(
                series["points"][name],
                (across, up),
                xytext=(3, 3) if above else (-3, -3),
                textcoords="offset points",
                ha="left" if above else "right",
                va="bottom" if above else "top",
                color=colour,
            )
    header = _header(data, _y(data, source))
    axes.set_ylabel(header.replace("accuracy", "error") if _turned(data, source) else header)
    axes.set_title(_title(data, source), loc="left", fontsize=8)
    axes.margins(x=0.2, y=0.2)
    axes.grid(linewidth=0.3)


def _header(data: Data, name: str) -> str:
    return next(column["header"] for column in data["columns"] if column["name"] == name)


def _title(data: Data, source: str) -> str:
    if source == "paper":
        paper = data["paper"]
        return f"Paper: {paper.get('first_author') or paper['title']}, {paper.get('year', '')}".rstrip(", ")
    return f"This machine, budget {data['budget']}" if source == "here" else "Published"
