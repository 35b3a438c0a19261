"""What the report is about: every table with what is known of it, and every run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from experiments.suite import contract
from experiments.suite.contract import Table
from experiments.suite.evidence import Evidence
from experiments.suite.paths import local, published
from experiments.suite.record import Record
from experiments.suite.regenerate import Request, published_request, render
from experiments.suite.store import Run
from lightning_modules.errors import CorruptFileError

Data = dict[str, Any]


@dataclass(frozen=True)
class View:
    """A table: its ``data`` as `assemble` makes it, and what this is made of."""

    request: Request
    data: Data
    published: Evidence
    here: Evidence

    @property
    def table(self) -> Table:
        return self.request.table

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def source(self) -> str:
        """Whose runs are counted: this machine's where there are any, else what is published."""
        return "here" if "here" in self.sides else "published"

    @property
    def evidence(self) -> Evidence:
        return self.here if self.source == "here" else self.published

    @property
    def sides(self) -> dict[str, Evidence]:
        """What has runs, in the order in which figures show it: what is published, this machine's. Speeds are no runs."""
        found = {"published": self.published, "here": self.here}
        return {side: evidence for side, evidence in found.items() if any(evidence.records.values())}

    def records(self, row: str, side: str) -> list[Record]:
        return list(self.sides[side].records.get(row, ())) if side in self.sides else []

    def side(self, claim: Data) -> str:
        """Whose verdict counts first."""
        return "here" if claim["here"]["verdict"] != "not run" else "published"

    def nets(self, rows: Sequence[str]) -> list[str]:
        """The nets of these rows, as their classes are called."""
        return sorted({self.request.subjects[row].arch["net"] for row in rows if row in self.request.subjects})

    @property
    def overrides(self) -> list[tuple[str, ...]]:
        """What its rows are composed of at budget proxy."""
        return [self.table.overrides(row) for row in self.table.rows if row.implemented]

    @cached_property
    def run_ids(self) -> dict[str, tuple[str, str]]:
        """By run id, the row that it is of and the budget it is at."""
        found = {row.proxy_id: (row.row, contract.DEFAULT_BUDGET) for row in self.request.rows}
        return found | {row.run_id: (row.row, self.request.budget) for row in self.request.rows}


@dataclass(frozen=True)
class Runs:
    """All seeds of a run id. ``records``: by seed, this machine's before what is published."""

    run_id: str
    records: Mapping[int, Record]
    published: frozenset[int] = frozenset()
    rows: tuple[tuple[str, str, str], ...] = ()  # table, row, budget

    @property
    def first(self) -> Record:
        return self.records[min(self.records)]

    @property
    def label(self) -> str:
        return next((str(label) for record in self.records.values() if (label := _label(record))), self.run_id)

    @property
    def done(self) -> dict[int, Record]:
        return {seed: record for seed, record in self.records.items() if record.status == "done"}

    @property
    def task(self) -> str:
        """Runs of one task can be compared."""
        data = group(self.first, "data").get("name", "unknown data")
        return f"{self.first.config.get('task', 'classification')} on {data}"


def group(record: Record, name: str) -> Mapping[str, Any]:
    """A group of the run's configuration; empty where the record has none."""
    found = record.config.get(name)
    return found if isinstance(found, Mapping) else {}


def _label(record: Record) -> Any:
    return record.provenance.get("label") or record.config.get("label")


@dataclass(frozen=True)
class Report:
    """``public``: of what is published alone. ``problems``: a line for each file that cannot be read."""

    views: Sequence[View]
    runs: Mapping[str, Runs]
    public: bool
    problems: Sequence[str] = field(default_factory=list)


def gather(public: bool, budget_of: Callable[[str], str]) -> Report:
    """``budget_of``: at which budget this machine's table is shown; what is published is at budget proxy."""
    views = [
        view_of(name, public, budget_of)
        for name in sorted(contract.names(), key=lambda name: not name.startswith("table"))
    ]
    problems = [line for view in views for line in (*view.published.problems, *view.here.problems)]
    runs, unreadable = _runs(public, views)
    return Report(views, runs, public, list(dict.fromkeys([*problems, *unreadable])))


def view_of(name: str, public: bool, budget_of: Callable[[str], str]) -> View:
    """One table, as ``gather`` has it."""
    request = published_request(name) if public else Request.of(name, budget_of(name), (), ())
    data, _ = render(request, here=not public)
    return View(request, data, request.published(), Evidence() if public else request.here())


def _runs(public: bool, views: Sequence[View]) -> tuple[dict[str, Runs], list[str]]:
    found: dict[str, dict[int, Record]] = {}
    theirs: dict[str, set[int]] = {}
    problems: list[str] = []
    for run in _named(published() / "records", "*/*.json"):
        if record := _read(run, Run.published_record, problems):
            found.setdefault(run.run_id, {})[run.seed] = record
            theirs.setdefault(run.run_id, set()).add(run.seed)
    for run in () if public else _named(local() / "runs", "*/*/record.json"):
        if record := _read(run, Run.record, problems):
            found.setdefault(run.run_id, {})[run.seed] = record
    rows: dict[str, list[tuple[str, str, str]]] = {}
    for view in views:
        for run_id, (row, budget) in view.run_ids.items():
            rows.setdefault(run_id, []).append((view.name, row, budget))
    return {
        name: Runs(
            name,
            dict(sorted(records.items())),
            frozenset(theirs.get(name, ())),
            tuple(rows.get(name, ())),
        )
        for name, records in sorted(found.items())
    }, problems


def _named(folder: Path, pattern: str) -> list[Run]:
    """The runs that have a file there."""
    places = [path.relative_to(folder).parts for path in sorted(folder.glob(pattern))]
    seeds = [(parts[0], parts[1].removesuffix(".json")) for parts in places]
    return [Run(run_id, int(seed)) for run_id, seed in seeds if seed.isdecimal()]


def _read(run: Run, read: Callable[[Run], Record | None], problems: list[str]) -> Record | None:
    try:
        return read(run)
    except CorruptFileError as error:
        problems.append(str(error))
        return None
