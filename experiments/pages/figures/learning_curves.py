"""Validation error after each epoch: a line is the mean over a row's seeds, its band runs from the lowest to the highest."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace

from experiments.pages.charts import LABEL, Axis, Chart, Drawing, Panel, Point, Series, common_head
from experiments.pages.gather import View
from experiments.suite.record import Record
from experiments.suite.rendering import SIDES, SOURCES

# What is drawn of a run, the first that it has.
METRICS = {
    "val/top1_err": "Validation top-1 error, %",
    "val/nme": "Validation NME, %",
    "val/loss": "Validation loss",
    "train/loss": "Training loss",
}
TOGETHER = 6  # rows in one panel; of more, each has its own

Lines = dict[str, dict[str, tuple[Point, ...]]]  # by row's label and side


def drawings(view: View) -> list[Drawing]:
    """Few rows share a panel of what is published and one of this machine's runs; of many, each panel has both sides."""
    records = [record for row in view.table.rows for side in view.sides for record in view.records(row.name, side)]
    metric = metric_of(records)
    lines = _lines(view, metric) if metric else {}
    if metric is None or not lines:
        return []
    axes = (Axis("Epoch"), Axis(METRICS[metric]))
    together = len(lines) <= TOGETHER
    head = common_head(list(lines))
    panels = _by_side(lines, axes) if together else [_of_row(*each, axes, head) for each in lines.items()]
    sides = {side for each in lines.values() for side in each}
    where = " and ".join(SOURCES[side] for side in SIDES if side in sides)
    caption = (
        f"Mean over seeds; the band runs from the lowest to the highest seed ({where}). {_stages(records)}".strip()
    )
    title = "Learning curves" if together or not head else f"Learning curves: {next(iter(lines))[:head].rstrip(', ')}"
    return [Chart(f"{view.name}-curves", title, caption, tuple(panels), shared=True)]


def _lines(view: View, metric: str) -> Lines:
    found = {
        row.label: {side: points for side in view.sides if (points := mean_curve(view.records(row.name, side), metric))}
        for row in view.table.rows
    }
    return {label: sides for label, sides in found.items() if sides}


def _by_side(lines: Lines, axes: tuple[Axis, Axis]) -> list[Panel]:
    """A row has the same style on both sides."""
    panels = [
        Panel(
            LABEL[side],
            *axes,
            tuple(
                _drawn(label, each[side], style) for style, (label, each) in enumerate(lines.items()) if side in each
            ),
        )
        for side in SIDES
    ]
    return [panel for panel in panels if panel.series]


def _of_row(label: str, sides: dict[str, tuple[Point, ...]], axes: tuple[Axis, Axis], head: int) -> Panel:
    series = [
        _drawn(LABEL[side], tuple(replace(point, name=label) for point in sides[side]), style)
        for style, side in enumerate(SIDES)
        if side in sides
    ]
    return Panel(label[head:], *axes, tuple(series))


def _drawn(label: str, points: tuple[Point, ...], style: int) -> Series:
    return Series(label, points, style, marks=False, band=True)


def _stages(records: Sequence[Record]) -> str:
    staged = any("stage" in epoch for record in records for epoch in record.result["curves"])
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
