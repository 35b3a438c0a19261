"""Error against multiply-adds and against file size: the paper's points, ours, and the Pareto front of each."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from experiments.pages.charts import LABEL, Axis, Chart, Drawing, Panel, Point, Series, common_head
from experiments.pages.gather import View
from experiments.suite.columns import Column, column
from experiments.suite.figure import front
from experiments.suite.row_contract import Row

MOST_NAMED = 14  # of more points, only those of the front are named in the picture
OTHERS = "others"
# For each picture: name, what a run of ours says, what is computed of the paper's net, what the paper itself may print.
AXES = (
    ("macs", "Multiply-adds, M", "run_macs_m", "macs_m", {"macs_m": 1.0, "macs": 1e-6}),
    ("size", "File size, MB", "file/bytes", "coded_mb", {"coded_mb": 1.0, "model_mb": 1.0}),
)
MB = 2**20


def drawings(view: View) -> list[Drawing]:
    """None where the table trains nothing; a contract's own figure is drawn in the place of the second one."""
    measured = next((each for each in view.table.columns if each.kind == "trained"), None)
    if measured is None or measured.unit != "points":
        return []
    axes = AXES[:1] if "figure" in view.data else AXES
    charts = [_chart(view, measured, *axis) for axis in axes]
    return [chart for chart in charts if chart.panels]


def _chart(
    view: View, measured: Column, name: str, label: str, ours: str, exact: str, printed: Mapping[str, float]
) -> Chart:
    rows = [row for row in view.table.rows if row.paper.get(measured.name) is not None]
    sources = {row.source.pointer: row.source.printed_as or row.source.pointer for row in rows}
    panels = [
        _panel(
            view, measured, "paper", f"Paper, {place}" if len(sources) > 1 else LABEL["paper"], label,
            [row for row in rows if row.source.pointer == pointer], lambda row: _of_paper(view, row, exact, printed),
        )
        for pointer, place in sources.items()
    ]  # fmt: skip
    panels += [
        _panel(
            view, measured, side, LABEL[side], label, view.table.rows,
            lambda row, side=side: _of_runs(view, side, row, ours),
        )
        for side in view.sides
    ]  # fmt: skip
    said = (
        "The paper's errors at the paper's scale, each of its tables by itself, x as the paper prints it, else counted by us "
        "on the paper's net; ours at the scale of our runs, with 95 % intervals. The grey steps are the Pareto front: no "
        "other net is better in both."
    )
    title = f"{_error(measured).split(',')[0]} against {label.split(',')[0].lower()}"
    return Chart(f"{view.name}-{name}", title, said, tuple(panel for panel in panels if _tells(panel)))


def _tells(panel: Panel) -> bool:
    """Whether any two of its points differ in x."""
    return len({point.x for series in panel.series for point in series.points}) > 1


def _of_paper(view: View, row: Row, exact: str, printed: Mapping[str, float]) -> float | None:
    """As the paper prints it, else as it is computed of the paper's net, where the table says that its rows are these."""
    for name, scale in printed.items():
        if row.paper.get(name):
            return float(row.paper[name] or 0) * scale
    if not any(each.kind == "computed" and each.scale == "paper" for each in view.table.columns):
        return None
    found = view.here.exact(row.name, column(exact)) or view.published.exact(row.name, column(exact))
    return found[0] if found else None


def _of_runs(view: View, side: str, row: Row, name: str) -> float | None:
    values = [value for record in view.records(row.name, side) if (value := column(name).value(record)) is not None]
    return statistics.mean(values) / (MB if name == "file/bytes" else 1) if values else None


def _panel(
    view: View,
    measured: Column,
    source: str,
    title: str,
    label: str,
    rows: Sequence[Row],
    across: Callable[[Row], float | None],
) -> Panel:
    found: dict[str, Point] = {}
    for row in rows:
        x, y = across(row), _up(view, measured, row, source)
        if x and y:
            found[row.name] = Point(x, *y, text=row.label, name=row.label)
    head = common_head([point.text for point in found.values()])
    found = {row: replace(point, text=point.text[head:]) for row, point in found.items()}
    best = front({row: (point.x, point.y, None, None) for row, point in found.items()})
    if len(found) > MOST_NAMED:
        found = {row: point if row in best else replace(point, text="") for row, point in found.items()}
    by_net: dict[str, list[Point]] = {}
    for row, point in found.items():
        by_net.setdefault(next(iter(view.nets([row])), OTHERS), []).append(point)
    names = _nets(view)
    series = [
        Series(net, tuple(points), names.index(net) if net in names else len(names), line=False)
        for net, points in sorted(by_net.items(), key=lambda pair: pair[0] != OTHERS)  # those below ours
    ]
    if len(best) > 1:
        kept = tuple(Point(found[row].x, found[row].y, name=found[row].name) for row in best)
        series.insert(0, Series("Pareto front", kept, marks=False, role="front"))
    log = len(found) > 1 and max(p.x for p in found.values()) > 4 * min(p.x for p in found.values())
    return Panel(title, Axis(label, log), Axis(_error(measured)), tuple(series))


def _nets(view: View) -> list[str]:
    """In the order of the table, so that a net looks alike in all its pictures."""
    return list(dict.fromkeys(net for row in view.table.rows for net in view.nets([row.name])))


def _up(view: View, measured: Column, row: Row, source: str) -> tuple[float, float | None, float | None] | None:
    """The error, whichever way the table has it, and its interval."""
    if source == "paper":
        value = row.paper.get(measured.name)
        return None if value is None else (_turned(measured, float(value)), None, None)
    cells = next((each["cells"] for each in view.data["rows"] if each["row"] == row.name), {})
    cell = (cells.get(measured.name) or {}).get(source)
    if not cell:
        return None
    ends = [None if cell[end] is None else _turned(measured, cell[end]) for end in ("low", "high")]
    low, high = reversed(ends) if measured.name.endswith("_acc") else ends
    return _turned(measured, cell["mean"]), low, high


def _turned(measured: Column, value: float) -> float:
    return 100 - value if measured.name.endswith("_acc") else value


def _error(measured: Column) -> str:
    return measured.header.replace("accuracy", "error")
