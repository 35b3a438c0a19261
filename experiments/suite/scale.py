"""Whether rows that were trained small compare as the paper's do: the ratio of their multiply-adds at both scales."""

from collections.abc import Iterable, Mapping

from experiments.suite.contract import Table
from experiments.suite.record import Record
from experiments.suite.samples import Records

TOLERANCE = 0.05


def notes(table: Table, sides: Iterable[Records]) -> dict[str, str]:
    """A note for each row whose multiply-adds, relative to the table's first row, differ between the scales.

    What compression leaves of them is known of the trained net alone.
    """
    costs = _costs(table, sides)
    if not costs:
        return {}
    first = next(iter(costs))
    found = {}
    for name, cost in costs.items():
        run, paper = (cost[scale] / costs[first][scale] for scale in ("run", "paper"))
        if abs(run / paper - 1) > TOLERANCE:
            found[name] = (
                f"as trained it costs {run:.2f} times the multiply-adds of {table.row(first).label}, "
                f"at the paper's scale {paper:.2f} times"
            )
    return found


def _costs(table: Table, sides: Iterable[Records]) -> dict[str, Mapping[str, float]]:
    """Multiply-adds of each row at both scales, of the first record that has them."""
    found: dict[str, Mapping[str, float]] = {}
    sides = list(sides)
    for row in table.rows:
        for record in (record for records in sides for record in records.get(row.name, ())):
            macs = _macs(record)
            if macs:
                found[row.name] = macs
                break
    return found


def _macs(record: Record) -> dict[str, float] | None:
    if (record.config.get("compression") or {}).get("steps"):
        return None
    macs = {scale: (record.cost.get(scale) or {}).get("macs") for scale in ("run", "paper")}
    return {scale: float(count) for scale, count in macs.items() if count} if all(macs.values()) else None
