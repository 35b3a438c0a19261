"""Validation error after each epoch: a line is the mean over a row's seeds, its band runs from the lowest to the highest."""

import math
import statistics
from collections.abc import Sequence

from experiments.pages.charts import Axis, Chart, Drawing, Panel, Point, Series, common_head
from experiments.pages.gather import View
from experiments.suite.record import Record

# What is drawn of a run, the first that it has.
METRICS = {
    "val/top1_err": "Validation top-1 error, %",
    "val/nme": "Validation NME, %",
    "val/loss": "Validation loss",
    "train/loss": "Training loss",
}
TOGETHER = 6  # rows in one panel; of more, each has its own


def drawings(view: View) -> list[Drawing]:
    records = {row.label: view.records(row.name) for row in view.table.rows}
    metric = metric_of([record for each in records.values() for record in each])
    if metric is None:
        return []
    lines = {label: points for label, each in records.items() if (points := mean_curve(each, metric))}
    if not lines:
        return []
    series = [
        Series(label, points, index, marks=False, band=True) for index, (label, points) in enumerate(lines.items())
    ]
    axes = (Axis("Epoch"), Axis(METRICS[metric]))
    together = len(series) <= TOGETHER
    head = common_head(list(lines))
    panels = [Panel("All rows", *axes, tuple(series))] if together else [_alone(each, axes, head) for each in series]
    where = "this machine" if view.source == "here" else "published"
    caption = (
        f"Mean over seeds; the band runs from the lowest to the highest seed ({where}). {_stages(records)}".strip()
    )
    title = "Learning curves" if together or not head else f"Learning curves: {series[0].label[:head].rstrip(', ')}"
    return [Chart(f"{view.name}-curves", title, caption, tuple(panels), legend=together, shared=True)]


def _alone(series: Series, axes: tuple[Axis, Axis], head: int) -> Panel:
    return Panel(series.label[head:], *axes, (Series(series.label, series.points, 0, marks=False, band=True),))


def _stages(records: dict[str, list[Record]]) -> str:
    staged = any("stage" in epoch for each in records.values() for record in each for epoch in record.result["curves"])
    return "A compressed row's epochs are those of all its steps, one after another." if staged else ""


def metric_of(records: Sequence[Record]) -> str | None:
    """What can be drawn of these runs."""
    logged = {
        name for record in records for epoch in record.result["curves"] if isinstance(epoch, dict) for name in epoch
    }
    return next((metric for metric in METRICS if metric in logged), None)


def curve(record: Record, metric: str) -> list[float]:
    """One number an epoch, up to the first that is none."""
    found: list[float] = []
    for epoch in record.result["curves"]:
        value = epoch.get(metric) if isinstance(epoch, dict) else None
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            break
        found.append(float(value))
    return found


def mean_curve(records: Sequence[Record], metric: str) -> tuple[Point, ...]:
    """Over the seeds that have come as far as each epoch."""
    curves = [found for record in records if (found := curve(record, metric))]
    points = []
    for epoch in range(max(map(len, curves), default=0)):
        values = [each[epoch] for each in curves if len(each) > epoch]
        low, high = (min(values), max(values)) if len(values) > 1 else (None, None)
        points.append(Point(epoch + 1, statistics.mean(values), low, high))
    return tuple(points)
