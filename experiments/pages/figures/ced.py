"""Cumulative error distributions: which share of the test faces has at most which error, a line for each row."""

from experiments.pages.charts import LABEL, Axis, Chart, Drawing, Panel, Point, Series
from experiments.pages.gather import Data, View
from experiments.suite.rendering import SIDES, has_curves


def drawings(view: View) -> list[Drawing]:
    """A panel of what is published and one of this machine's runs, where any has told its errors face by face."""
    if not has_curves(view.data):
        return []
    found = view.data["ced"]
    column = next(each for each in view.data["columns"] if each["name"] == found["metric"])
    axes = (Axis(column["header"]), Axis("Share of the faces, %"))
    panels = [Panel(LABEL[side], *axes, series) for side in SIDES if (series := _series(found, side))]
    caption = "The share of the test faces with at most that error, mean over seeds. Higher up is better."
    return [Chart(f"{view.name}-ced", "Cumulative error distribution", caption, tuple(panels))]


def _series(found: Data, side: str) -> tuple[Series, ...]:
    return tuple(
        Series(row["label"], tuple(map(Point, found["at"], row[side])), style, marks=False)
        for style, row in enumerate(found["rows"])
        if row[side]
    )
