"""How well a computed column foretells a timed one: Spearman's rank correlation within each group of rows."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments.suite.contract import Table
from experiments.suite.evidence import Evidence
from experiments.suite.rounds import median

LEAST = 3  # rows of a group: two are always in order, or in reverse


def of_table(table: Table, sides: Mapping[str, Evidence]) -> dict[str, Any]:
    """{"x", "y": columns, side: {group: correlation}}; positive where the row with the better x has the better y.

    Empty on a side where no group has numbers.
    """
    assert table.correlate is not None  # the contract has it
    return {
        **dict(zip(("x", "y"), table.correlate, strict=True)),
        **{side: _by_group(table, found) for side, found in sides.items()},
    }


def _by_group(table: Table, found: Evidence) -> dict[str, float]:
    assert table.correlate is not None
    x, y = map(table.column, table.correlate)
    pairs: dict[str, list[tuple[float, float]]] = {}
    for row in table.rows:
        cost = found.exact(row.name, x)
        speeds = found.timing.values(row.name, y.name) if found.timing else []
        if cost and speeds:
            pairs.setdefault(row.group, []).append((x.sign * cost[0], y.sign * median(speeds).estimate))
    return {group: spearman(np.array(both)) for group, both in pairs.items() if len(both) >= LEAST}


def spearman(pairs: np.ndarray) -> float:
    """Of (N, 2) numbers: the correlation of their ranks, equal ones sharing theirs.

    scipy.stats has it, too, and takes half a second to load, of the two that all tables together may take.
    """
    return float(np.corrcoef(_ranks(pairs[:, 0]), _ranks(pairs[:, 1]))[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    below, equal = values[:, None] > values, values[:, None] == values
    return below.sum(axis=1) + (equal.sum(axis=1) + 1) / 2
