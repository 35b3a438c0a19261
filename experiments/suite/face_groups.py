"""A second table: a row's metric on groups of the test faces, by how they are turned, how large and how hidden they are.

What is known of each face is in the records (``face/yaw``, ...), so that the groups can be drawn anew without a run.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.suite import statistics
from experiments.suite.columns import Column
from experiments.suite.evidence import Evidence
from experiments.suite.group_contract import Groups
from experiments.suite.record import Record
from experiments.suite.row_contract import Row
from experiments.suite.samples import aligned, finished


def of_table(groups: Groups, column: Column, rows: Sequence[Row], sides: Mapping[str, Evidence]) -> dict[str, Any]:
    """{"metric", "heads", "faces": of each group, "rows": [{"row", "label", side: a cell a group, or None}]}.

    A cell has "mean", "low" and "high", or is None where no face is in the group. Empty where no run knows its faces.
    """
    masks, entries = None, []
    for row in rows:
        cells = {}
        for side, found in sides.items():
            known = finished(column, found.records.get(row.name, ()))
            first = next(iter(known.values()), None)
            own = _masks(groups, first) if first else None
            cells[side] = {"n": len(known), "cells": _cells(column, list(known.values()), own)} if own else None
            masks = masks or own
        if any(cells.values()):
            entries.append({"row": row.name, "label": row.label, **cells})
    if masks is None:
        return {}
    heads = [head for split in groups.by for head in split.heads()]
    return {"metric": column.name, "heads": heads, "faces": [int(mask.sum()) for mask in masks], "rows": entries}


def _masks(groups: Groups, record: Record) -> list[np.ndarray] | None:
    known = [record.per_example(f"face/{split.of}") for split in groups.by]
    if record.per_example(groups.metric) is None or any(values is None for values in known):
        return None
    pairs = zip(groups.by, known, strict=True)
    return [mask for split, values in pairs if values is not None for mask in split.masks(values)]


def _cells(column: Column, records: Sequence[Record], masks: Sequence[np.ndarray]) -> list[dict[str, Any] | None]:
    try:
        (images,) = aligned(column, ["row"], {"row": records}).images or [None]
    except ValueError:  # tested on different faces, which the row's own cell says
        images = None
    if images is None or images.shape[1] != masks[0].size:
        return [None] * len(masks)
    return [_cell(images[:, mask]) if mask.any() else None for mask in masks]


def _cell(images: np.ndarray) -> dict[str, Any]:
    mean = statistics.row_mean(images.mean(axis=1), images)
    return {"mean": mean.estimate, "low": mean.low, "high": mean.high}
