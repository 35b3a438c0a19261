"""The cumulative error distribution of a table's rows: which share of the test faces has at most which error.

The numbers are in the table's data, so that the figure is drawn from these alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.suite.evidence import Evidence
from experiments.suite.row_contract import Row
from experiments.suite.samples import by_seed

STEP, LAST = 0.5, 30.0  # percent: where the curve is known
AT = np.arange(0, LAST + STEP / 2, STEP)


def of_table(metric: str, names: Sequence[str], rows: Sequence[Row], sides: Mapping[str, Evidence]) -> dict[str, Any]:
    """{"metric", "at": errors, "rows": [{"row", "label", side: percent of the faces at each, mean over seeds, or None}]}."""
    labels = {row.name: row.label for row in rows}
    curves = [
        {
            "row": name,
            "label": labels[name],
            **{side: _curve(metric, found.records.get(name, ())) for side, found in sides.items()},
        }
        for name in names
        if name in labels
    ]
    return {"metric": metric, "at": AT.tolist(), "rows": curves}


def _curve(metric: str, records: Sequence[Any]) -> list[float] | None:
    kept = [record.per_example(metric) for record in by_seed(records).values() if record.status == "done"]
    found = [
        100 * np.searchsorted(np.sort(values), AT, side="right") / values.size for values in kept if values is not None
    ]
    return np.mean(found, axis=0).tolist() if found else None
