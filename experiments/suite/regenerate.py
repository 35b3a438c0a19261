"""A table from contract and records: planned, assembled, written."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.suite import contract, rendering
from experiments.suite.assemble import assemble
from experiments.suite.compose import compose
from experiments.suite.contract import DEFAULT_BUDGET, Table
from experiments.suite.devices import Place, places
from experiments.suite.paths import local
from experiments.suite.paths import published as published_folder
from experiments.suite.plan import Evidence, PlannedRun, RowPlan, evidence, plan, rows_of, staleness
from experiments.suite.record import Record
from lightning_modules.errors import UserError


@dataclass(frozen=True)
class Request:
    """A table at a budget, with the overrides that all its runs get on top of its contract."""

    table: Table
    budget: str
    extra: tuple[str, ...]
    rows: list[RowPlan]
    seeds: tuple[int, ...]

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
        return cls(loaded, budget, tuple(extra), rows, tuple(seeds) or loaded.seeds[:1])

    @property
    def differs(self) -> bool:
        return any(row.differs for row in self.rows)

    def places(self, jobs: int) -> list[Place]:
        """Where its runs go, ``jobs`` at a time; 0: as many as this machine has cores or GPUs for."""
        return places(compose(self.rows[0].overrides)["trainer"], jobs) if self.rows else []

    def planned(self) -> list[PlannedRun]:
        return plan(self.rows, self.seeds)

    @property
    def shown_seeds(self) -> list[int]:
        """Those of the contract and those asked for: everything that is there is shown."""
        return sorted({*self.table.seeds, *self.seeds})


def render(request: Request, here: bool = True) -> tuple[dict[str, Any], list[str]]:
    """The table as data, and a line for each record that could not be read. Without ``here``, the published view.

    What is published is the contract at budget proxy, whatever the budget of this machine's runs.
    """
    contract_rows = request.rows if request.budget == DEFAULT_BUDGET else rows_of(request.table, DEFAULT_BUDGET)
    published = evidence(contract_rows, request.table.seeds, published=True)
    mine = evidence(request.rows, request.shown_seeds, published=False) if here else Evidence({})
    notes = {row.row: _note(request, row, mine.records.get(row.row, [])) for row in request.rows} if here else {}
    data = assemble(request.table, request.budget, published.records, mine.records, notes, DEFAULT_BUDGET)
    return data, published.problems + mine.problems


def _note(request: Request, row: RowPlan, mine: Sequence[Record]) -> str:
    """What a reader must know of this machine's runs of a row."""
    said = [f"this machine's runs differ from the contract: {' '.join(request.extra)}"] if row.differs else []
    said += sorted({stale for record in mine if (stale := staleness(record))})
    outside = sorted({record.seed for record in mine} - set(request.table.seeds))
    if outside:
        said.append(f"seeds {', '.join(map(str, outside))} are not the contract's: shown, not judged")
    return "; ".join(said)


def write_local(data: dict[str, Any]) -> Path:
    rendering.write(data, local() / "tables")
    return local() / "tables"


def published_request(table: str) -> Request:
    return Request.of(table, DEFAULT_BUDGET, (), ())


def write_published(table: str) -> list[str]:
    """Renders the published view of a table; returns the problems met."""
    data, problems = render(published_request(table), here=False)
    rendering.write(data, published_folder() / "tables")
    return problems
