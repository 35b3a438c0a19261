"""Cumulative error distributions: which share of the test faces has at most which error, a line for each row."""

from experiments.pages.charts import Axis, Chart, Drawing, Panel, Point, Series
from experiments.pages.gather import View
from experiments.suite.rendering import SIDES, SOURCES, has_curves


def drawings(view: View) -> list[Drawing]:
    """Of this machine's runs where any has told its errors face by face, else of what is published."""
    if not has_curves(view.data):
        return []
    found = view.data["ced"]
    side = next(side for side in reversed(SIDES) if any(row[side] for row in found["rows"]))
    series = tuple(
        Series(row["label"], tuple(map(Point, found["at"], row[side])), style, marks=False)
        for style, row in enumerate(found["rows"])
        if row[side]
    )
    column = next(each for each in view.data["columns"] if each["name"] == found["metric"])
    panel = Panel("All rows", Axis(column["header"]), Axis("Share of the faces, %"), series)
    caption = (
        f"The share of the test faces with at most that error, mean over seeds ({SOURCES[side]}). Higher up is better."
    )
    return [Chart(f"{view.name}-ced", "Cumulative error distribution", caption, (panel,))]
