"""How many times better than the first row of its group: ours as bars, what the paper finds as a mark on each."""

from dataclasses import replace

from experiments.pages.charts import Bar, Bars, Drawing
from experiments.pages.gather import View
from experiments.suite.columns import REL
from experiments.suite.rendering import SOURCES


def drawings(view: View) -> list[Drawing]:
    """One for each such timed column."""
    columns = [each for each in view.data["columns"] if each["kind"] == "timed" and each["name"].endswith(REL)]
    return [_bars(view, column["name"], column["label"]) for column in columns]


def _bars(view: View, name: str, label: str) -> Bars:
    groups: dict[str, list[Bar]] = {}
    cells = {row["row"]: row["cells"][name] for row in view.data["rows"]}
    side = "here" if any(cell["here"] for cell in cells.values()) else "published"
    for row in view.table.rows:
        if cell := cells.get(row.name):
            ours = cell[side]
            value, low, high = (ours[end] for end in ("mean", "low", "high")) if ours else (None, None, None)
            groups.setdefault(row.group, []).append(Bar(row.label, value, low, high, cell["paper"]))
    kept = {group: bars for group, bars in groups.items() if any(bar.value or bar.paper for bar in bars)}
    measured = label.split(", times")[0]
    return Bars(
        f"{view.name}-{name.replace('/', '-')}",
        f"{measured}, times better than the first row of each group",
        "Bars: the median over rounds, taken within each round, with its 95 % interval. Diamonds: the paper's ratio, on its own "
        "machines. Longer is better.",
        "times better than the first row",
        SOURCES[side],
        tuple(_named(group.replace("_", " ") or view.name, bars) for group, bars in kept.items()),
    )


def _named(group: str, bars: list[Bar]) -> tuple[str, tuple[Bar, ...]]:
    """``GPU x1, c1:c2 = 1:1`` and its like under the head ``GPU x1``, where all of a group begin alike."""
    heads = {bar.label.partition(", ")[0] for bar in bars}
    if len(heads) > 1 or not all(bar.label.partition(", ")[2] for bar in bars):
        return group, tuple(bars)
    return heads.pop(), tuple(replace(bar, label=bar.label.partition(", ")[2]) for bar in bars)
