"""The figure that a contract declares: its columns, its series of rows, the paper's panel beside ours."""

from experiments.pages.charts import LABEL, Axis, Chart, Drawing, Panel, Point, Series
from experiments.pages.gather import Data, View
from experiments.suite import figure
from experiments.suite.rendering import SIDES


def drawings(view: View) -> list[Drawing]:
    if "figure" not in view.data:
        return []
    panels = [panel for source in ("paper", *SIDES) if (panel := _panel(view.data, source)).series]
    if not panels:
        return []
    x, y = (_column(view.data, view.data["figure"][axis])["label"] for axis in ("x", "y"))
    caption = "Bars: 95 % intervals over seeds and test images."
    if view.data["figure"].get("front"):
        caption += " The grey steps are the Pareto front."
    if panels[-1].title == LABEL["paper"]:  # which may print something else than what we measure
        y, caption = panels[-1].y.label.partition(",")[0], "The paper's own points: nothing has been run yet."
    return [Chart(f"{view.name}-figure", f"{y} against {x.lower()}", caption, tuple(panels))]


def _panel(data: Data, source: str) -> Panel:
    declared = data["figure"]
    labels = {row["row"]: row["label"] for row in data["rows"]}
    series = [
        Series(
            each["label"],
            tuple(
                Point(*point, text=each["points"][row], name=labels[row])
                for row, point in figure.points(data, each, source).items()
            ),
            index,
            line=each.get("line", True),
        )
        for index, each in enumerate(declared["series"])
    ]
    found = figure.all_points(data, source)
    if declared.get("front") and source != "paper" and found:
        better = tuple(_column(data, declared[axis])["better"] for axis in ("x", "y"))
        kept = [Point(*found[row][:2], name=labels[row]) for row in figure.front(found, (better[0], better[1]))]
        series.insert(0, Series("Pareto front", tuple(kept), marks=False, role="front"))
    header = _column(data, declared["paper_y" if source == "paper" else "y"])["header"]
    turned = source == "paper" and declared["paper_y"].endswith("_acc") and declared["y"].endswith("_err")
    x = _column(data, declared["x"])
    divide = figure.KB if x["unit"] == "bytes" else 1
    return Panel(
        LABEL[source],
        Axis(x["header"].replace("bytes", "kB"), declared.get("x_scale") == "log", divide),
        Axis(header.replace("accuracy", "error") if turned else header, declared.get("y_scale") == "log"),
        tuple(each for each in series if each.points),
    )


def _column(data: Data, name: str) -> Data:
    return next(column for column in data["columns"] if column["name"] == name)
