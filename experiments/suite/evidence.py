"""What is known of a table's rows: their runs, what their nets cost, how fast they are. Of this machine, or published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.suite import costs, timings
from experiments.suite.columns import Column
from experiments.suite.costs import Cost
from experiments.suite.plan import FINISHED, RowPlan
from experiments.suite.record import Record
from experiments.suite.store import Run
from experiments.suite.timings import Timing
from lightning_modules.errors import CorruptFileError

Archs = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Evidence:
    """By row, its readable records, its exact cost and its speed; and a line for each file that could not be read."""

    records: Mapping[str, Sequence[Record]] = field(default_factory=dict)
    costs: Mapping[str, Cost] = field(default_factory=dict)
    timing: Timing | None = None
    problems: Sequence[str] = ()

    def knows(self, row: str) -> bool:
        return bool(self.records.get(row) or row in self.costs)

    def of(self, row: str, column: Column) -> list[Record]:
        """What there is to read the column from: the row's runs; where there is none, its cost as one."""
        runs = list(self.records.get(row, ()))
        if column.kind == "computed" and not runs and row in self.costs:
            return [self.costs[row].as_record()]
        return runs


def gather(
    rows: Sequence[RowPlan], seeds: Sequence[int], archs: Archs, public: bool, timed: Path | None = None
) -> Evidence:
    """Of these seeds and nets: this machine's, or what is published of the rows' contracts; ``timed``: their speed."""
    records: dict[str, list[Record]] = {}
    problems = []
    for row in rows:
        records[row.row] = []
        for seed in seeds:
            run = Run(row.contract_id if public else row.run_id, seed)
            try:
                found = run.published_record() if public else run.record()
            except CorruptFileError as error:
                problems.append(str(error))
                continue
            if found is not None and found.status in FINISHED:
                records[row.row].append(found)
    counted, unreadable = costs.known(archs, public)
    problems += unreadable
    timing, unreadable = timings.known(archs, timed)
    return Evidence(records, counted, timing, [*problems, *unreadable])


def unreadable(archs: Archs, timed: Path | None) -> list[str]:
    """What is wrong with this machine's files of costs and timings, a line each. They are made again."""
    return [*costs.known(archs, public=False)[1], *timings.known(archs, timed)[1]]


def untimed(archs: Archs, columns: Sequence[str], mine: Evidence) -> list[str]:
    """The rows whose speed this machine has yet to measure."""
    found = mine.timing
    return [row for row in archs if not all(found and found.values(row, column) for column in columns)]


def uncounted(archs: Archs, mine: Evidence) -> list[str]:
    """The rows whose cost this machine has yet to count: there is no run that says it, and no count of this code."""
    return [row for row in archs if not mine.records.get(row) and (row not in mine.costs or mine.costs[row].stale)]
