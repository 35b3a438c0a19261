"""A table from contract and records: planned, assembled, written."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.suite import ced_figure, coded_sizes, contract, figure, rendering, subjects, timings
from experiments.suite.assemble import assemble
from experiments.suite.compose import compose
from experiments.suite.contract import DEFAULT_BUDGET, Table
from experiments.suite.devices import Place, places
from experiments.suite.evidence import Evidence, Subjects, gather, uncoded, uncounted, untimed
from experiments.suite.files import read_json
from experiments.suite.launch import Starter
from experiments.suite.paths import local
from experiments.suite.paths import published as published_folder
from experiments.suite.plan import PlannedRun, RowPlan, orphaned, plan, rows_of, staleness
from experiments.suite.store import Run
from experiments.suite.sweep_launchers import Launcher
from lightning_modules.errors import CorruptFileError, UserError


@dataclass(frozen=True)
class Request:
    """A table at a budget, with the overrides that all its runs get on top of its contract.

    ``rows``: those that are trained. ``subjects``: what each row that is implemented is about.
    """

    table: Table
    budget: str
    extra: tuple[str, ...]
    rows: list[RowPlan]
    seeds: tuple[int, ...]
    subjects: Subjects

    @classmethod
    def of(cls, table: str | None, budget: str, seeds: Sequence[int], extra: Sequence[str]) -> "Request":
        """``seeds`` empty means the contract's first. Raises UserError: unknown table, or a wrong override."""
        if table is None:
            raise UserError(f"table: say which, one of {', '.join(f'table={name}' for name in contract.names())}")
        for override in extra:
            if override.lstrip("+").startswith(("seed=", "experiment=", "label=", "tags=")):
                raise UserError(f"{override}: a table chooses that itself; its seeds are seeds=0,1,2")
        loaded = contract.load(table)
        rows = rows_of(loaded, budget, extra)
        return cls(
            loaded,
            budget,
            tuple(extra),
            rows,
            tuple(seeds) or loaded.seeds[:1],
            subjects.of_table(loaded, extra, budget),
        )

    @property
    def differs(self) -> bool:
        return any(row.differs for row in self.rows)

    def places(self, jobs: int, launcher: Launcher | None = None, runs: int = 0) -> list[Place]:
        """Where its runs go, ``jobs`` at a time; 0: as many as this machine has cores or GPUs for, or ``launcher`` has."""
        if launcher is None or launcher.is_here:
            return places(self._trainer, jobs or (launcher.jobs if launcher else 0)) if self.rows else []
        return launcher.places(self._trainer, jobs or runs) if self.rows else []

    def starter(self, launcher: Launcher) -> Starter:
        return launcher.starter(self._trainer)

    @property
    def _trainer(self) -> dict[str, Any]:
        return compose(self.rows[0].overrides)["trainer"]

    def planned(self) -> list[PlannedRun]:
        return plan(self.rows, self.seeds)

    @property
    def shown_seeds(self) -> list[int]:
        """Those of the contract and those asked for: everything that is there is shown."""
        return sorted({*self.table.seeds, *self.seeds})

    @property
    def contract_subjects(self) -> Subjects:
        return subjects.of_table(self.table) if self.extra else self.subjects

    def here(self) -> Evidence:
        return gather(self.rows, self.shown_seeds, self.subjects, False, self.timing_path())

    def published(self) -> Evidence:
        """Of the contract at budget proxy, whatever the budget of this machine's runs."""
        rows = self.rows if self.budget == DEFAULT_BUDGET else rows_of(self.table, DEFAULT_BUDGET)
        return gather(rows, self.table.seeds, self.contract_subjects, True, self.timing_path(public=True))

    def timing_path(self, public: bool = False) -> Path | None:
        """None where the table has no timed column."""
        if not self.table.timed:
            return None
        return timings.path_of(self.table.name, self.budget, self.subjects, self.contract_subjects, public)

    def uncounted(self) -> list[str]:
        """The rows whose cost has yet to be counted here."""
        return uncounted(self.subjects, self.here())

    def uncoded(self) -> list[str]:
        """The rows whose file at the paper's scale has yet to be made here."""
        return uncoded(self.subjects, Evidence(coded=coded_sizes.known(self.subjects, public=False)[0]))

    def untimed(self) -> list[str]:
        """The rows whose speed has yet to be measured here."""
        mine = Evidence(timing=timings.known(self.subjects, self.timing_path())[0])
        return untimed({row: self.table.timed_of(row) for row in self.subjects}, mine)

    def is_contract(self, row: str) -> bool:
        """Whether the row is what the contract says, in spite of extra overrides."""
        planned = [each for each in self.rows if each.row == row]
        if planned or not self.extra:
            return not any(each.differs for each in planned)
        return self.subjects[row].net == self.contract_subjects[row].net


def render(request: Request, here: bool = True) -> tuple[dict[str, Any], list[str]]:
    """The table as data, and a line for each file that could not be read. Without ``here``, the published view."""
    published, mine = request.published(), request.here() if here else Evidence()
    notes = {row: _note(request, row, mine) for row in request.subjects} if here else {}
    data = assemble(request.table, request.budget, published, mine, notes, DEFAULT_BUDGET)
    return data, [*published.problems, *mine.problems]


def _note(request: Request, row: str, mine: Evidence) -> str:
    """What a reader must know of what this machine has of a row."""
    records = mine.records.get(row, ())
    differs = not request.is_contract(row)
    said = [f"this machine's runs differ from the contract: {' '.join(request.extra)}"] if differs else []
    said += sorted({stale for record in records if (stale := staleness(record))})
    parents = next((planned.parents for planned in request.rows if planned.row == row), ())
    said += sorted({orphaned(each, [Run(name, each.seed) for name in parents], Run.record) for each in records})
    said += [mine.costs[row].stale] if not records and row in mine.costs else []
    said += [mine.coded[row].stale] if row in mine.coded else []
    said += [mine.timing.stale(row)] if mine.timing else []
    outside = sorted({record.seed for record in records} - set(request.table.seeds))
    if outside:
        said.append(f"seeds {', '.join(map(str, outside))} are not the contract's: shown, not judged")
    return "; ".join(word for word in said if word)


def write(data: dict[str, Any], folder: Path) -> None:
    """The table as text and, where it has one, its figure."""
    rendering.write(data, folder)
    figure.draw(data, folder)
    ced_figure.draw(data, folder)


def write_local(data: dict[str, Any]) -> Path:
    write(data, local() / "tables")
    return local() / "tables"


def budget_of(name: str) -> str:
    """The budget of the table as it was rendered last."""
    try:
        data = read_json(local() / "tables" / f"{name}.json")
    except (OSError, CorruptFileError):
        return DEFAULT_BUDGET
    return data.get("budget", DEFAULT_BUDGET) if isinstance(data, dict) else DEFAULT_BUDGET


def published_request(table: str) -> Request:
    return Request.of(table, DEFAULT_BUDGET, (), ())


def write_published(table: str) -> list[str]:
    """Renders the published view of a table; returns the problems met."""
    data, problems = render(published_request(table), here=False)
    write(data, published_folder() / "tables")
    return problems
