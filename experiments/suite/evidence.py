"""What is known of a table's rows, of this machine or published: their runs, what their nets and files cost, their speed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from experiments.suite import coded_sizes, costs, timings
from experiments.suite.coded_sizes import Coded
from experiments.suite.columns import Column, column
from experiments.suite.costs import Cost
from experiments.suite.plan import FINISHED, RowPlan
from experiments.suite.record import Record
from experiments.suite.store import Run
from experiments.suite.subjects import Subject
from experiments.suite.timings import Timing
from lightning_modules.errors import CorruptFileError

Subjects = Mapping[str, Subject]  # by row
BYTES = 4  # of a parameter that nothing compresses


@dataclass(frozen=True)
class Evidence:
    """By row, its readable records, its exact cost, its file at the paper's scale, and its speed.

    ``problems``: a line for each file that could not be read. ``subjects``: what the rows are about, in their order.
    """

    records: Mapping[str, Sequence[Record]] = field(default_factory=dict)
    costs: Mapping[str, Cost] = field(default_factory=dict)
    coded: Mapping[str, Coded] = field(default_factory=dict)
    timing: Timing | None = None
    problems: Sequence[str] = ()
    subjects: Subjects = field(default_factory=dict)

    def knows(self, row: str) -> bool:
        return bool(self.records.get(row) or row in self.costs)

    def of(self, row: str, column: Column) -> list[Record]:
        """What there is to read the column from: the row's runs; where there is none, its cost as one."""
        if column.scale == "coded":
            return self._coded(row)
        if column.factors:
            return self._relative(row, column)
        runs = list(self.records.get(row, ()))
        if column.kind == "computed" and not runs and row in self.costs:
            return [self.costs[row].as_record()]
        return runs

    def _coded(self, row: str) -> list[Record]:
        """The file of the paper's own net as a run that came to nothing else."""
        size = self._bytes(row)
        if size is None:
            return []
        name = self.coded[row].name if row in self.coded else self.subjects[row].net
        return [_as_record("coded", {"bytes": size}, name)]

    def _relative(self, row: str, derived: Column) -> list[Record]:
        """A derived column that is computed, as a run that came to nothing else."""
        value = self.relative(row, derived, self.exact)
        return [] if value is None else [_as_record("relative", {"value": float(value[0])}, row)]

    def exact(self, row: str, computed: Column) -> list[float]:
        """The one number of a computed column, if there is one."""
        return [value for record in self.of(row, computed)[:1] if (value := computed.value(record))]

    def relative(
        self, row: str, derived: Column, numbers: Callable[[str, Column], Sequence[float]]
    ) -> np.ndarray | None:
        """The row's ``numbers`` over those of the first of its group, for each factor; None where one is missing."""
        base = self.subjects[row].base if row in self.subjects else ""
        value = np.ones(1)
        for factor, power in derived.factors:
            own, first = numbers(row, column(factor)), numbers(base, column(factor))
            if not own or not first:
                return None
            value = value * (np.array(own) / np.array(first)) ** power
        return value

    def _bytes(self, row: str) -> int | None:
        """At the paper's scale: of the compressed file, or of the parameters where nothing compresses them."""
        if row in self.coded:
            return self.coded[row].coded["bytes"]
        if row not in self.subjects or self.subjects[row].compression["steps"]:
            return None
        counted = [record.cost["paper"] for record in self.records.get(row, ()) if "paper" in record.cost]
        counted += [self.costs[row].cost] if row in self.costs else []
        return BYTES * counted[0]["params"] if counted else None


def _as_record(scale: str, cost: Mapping[str, Any], name: str) -> Record:
    result = {"status": "done", "metrics": {}, "curves": [], "per_example": {}}
    return Record(result, {scale: dict(cost)}, {}, {"run_id": name, "seed": 0})


def with_derived(found: Evidence, columns: Sequence[Column]) -> Evidence:
    """With the derived columns among the timings, round by round."""
    derived = [each for each in columns if each.factors and each.kind == "timed"]
    timing = found.timing
    if timing is None or not derived:
        return found

    def numbers(row: str, each: Column) -> Sequence[float]:
        return timing.values(row, each.name) if each.kind == "timed" else found.exact(row, each)

    samples = {
        row: {
            **own,
            **{
                each.name: value.tolist()
                for each in derived
                if (value := found.relative(row, each, numbers)) is not None
            },
        }
        for row, own in timing.samples.items()
    }
    return replace(found, timing=replace(timing, samples=samples))


def gather(
    rows: Sequence[RowPlan], seeds: Sequence[int], subjects: Subjects, public: bool, timed: Path | None = None
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
    counted, unreadable = costs.known(subjects, public)
    problems += unreadable
    coded, unreadable = coded_sizes.known(subjects, public)
    problems += unreadable
    timing, unreadable = timings.known(subjects, timed)
    return Evidence(records, counted, coded, timing, [*problems, *unreadable], subjects)


def unreadable(subjects: Subjects, timed: Path | None) -> list[str]:
    """What is wrong with this machine's files of costs, sizes and timings, a line each. They are made again."""
    return [
        *costs.known(subjects, public=False)[1],
        *coded_sizes.known(subjects, public=False)[1],
        *timings.known(subjects, timed)[1],
    ]


def untimed(columns: Mapping[str, Sequence[Column]], mine: Evidence) -> list[str]:
    """The rows whose speed this machine has yet to measure, on a GPU or not; ``columns``: those of each row."""
    found = mine.timing
    return [
        row
        for row, own in columns.items()
        if not all(found and found.values(row, each.name) for each in own if not each.needs_gpu)
    ]


def uncounted(subjects: Subjects, mine: Evidence) -> list[str]:
    """The rows whose cost this machine has yet to count: there is no run that says it, and no count of this code."""
    asked = [
        row for row, subject in subjects.items() if subject.landmarks is None
    ]  # a cascade's is counted by its runs
    return [row for row in asked if not mine.records.get(row) and (row not in mine.costs or mine.costs[row].stale)]


def uncoded(subjects: Subjects, mine: Evidence) -> list[str]:
    """The rows whose file at the paper's scale is yet to be made here."""
    asked = [row for row, subject in subjects.items() if subject.densities is not None]
    return [row for row in asked if row not in mine.coded or mine.coded[row].stale]
