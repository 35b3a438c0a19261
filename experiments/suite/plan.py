"""What a table needs and what is there: for each of its runs done, missing, stale, ... and how long it will take."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from experiments.suite import fingerprint
from experiments.suite.compose import compose
from experiments.suite.contract import DEFAULT_BUDGET, Table
from experiments.suite.identity import run_id
from experiments.suite.parents import parents
from experiments.suite.paths import published
from experiments.suite.record import Record
from experiments.suite.store import Run
from lightning_modules.errors import CorruptFileError, UserError

State = Literal["done", "missing", "interrupted", "running", "failed", "damaged"]
FINISHED = ("done", "diverged")
START_MIN = 10 / 60  # what a run takes before its first training step


@dataclass(frozen=True)
class PlannedRun:
    """One run of a table. ``minutes`` is None where no record tells; ``note`` says why it is stale or not to be used.

    ``parents``: the runs whose weights it needs, which it does itself where nobody has.
    """

    row: str
    label: str
    overrides: tuple[str, ...]
    run: Run
    state: State
    note: str
    minutes: float | None
    parents: tuple[Run, ...] = ()

    @property
    def to_do(self) -> bool:
        return self.state != "done"


@dataclass(frozen=True)
class RowPlan:
    """A trained row of a table at a budget: its run id, that of its contract, and that of its contract at budget proxy.

    ``share``: the training images it sees, as a share of what it sees at budget proxy; None on other data. ``parents``:
    the ids of the runs that a compressed one begins with. ``seeds``: the only ones that it is run with; None: any.
    """

    row: str
    label: str
    overrides: tuple[str, ...]
    run_id: str
    contract_id: str
    proxy_id: str
    share: float | None
    parents: tuple[str, ...] = ()
    seeds: tuple[int, ...] | None = None

    @property
    def differs(self) -> bool:
        """Whether extra overrides made it another run than the contract's."""
        return self.run_id != self.contract_id


def rows_of(table: Table, budget: str, extra: Sequence[str] = ()) -> list[RowPlan]:
    """The rows that are trained, composed. Raises UserError where a configuration is wrong."""
    plans = []
    for row in table.rows:
        if not row.trained:
            continue
        contract = table.overrides(row, budget)
        try:
            proxy = compose(table.overrides(row))
        except UserError as error:
            raise UserError(f"conf/experiment/{table.name}/{row.name}.yaml: {error}") from error
        own = compose((*contract, *extra))
        own_id = run_id(own)
        seen = [config["budget"]["images_seen"] for config in (own, proxy)]
        comparable = own["data"]["name"] == proxy["data"]["name"] and None not in seen
        plans.append(
            RowPlan(
                row=row.name,
                label=row.label,
                overrides=(*contract, *extra),
                run_id=own_id,
                contract_id=run_id(compose(contract)) if extra else own_id,
                proxy_id=run_id(proxy) if extra or budget != DEFAULT_BUDGET else own_id,
                share=seen[0] / seen[1] if comparable else None,
                parents=tuple(run_id(ancestor) for ancestor in parents(own).values()),
                seeds=row.seeds,
            )
        )
    return plans


def plan(rows: Sequence[RowPlan], seeds: Sequence[int]) -> list[PlannedRun]:
    """Every run, seed by seed, so that a stopped table has whole seeds rather than whole rows."""
    minutes = {row.row: expected_minutes(row) for row in rows}
    return [
        _planned(row, Run(row.run_id, seed), minutes[row.row])
        for seed in seeds
        for row in rows
        if row.seeds is None or seed in row.seeds
    ]


def _planned(row: RowPlan, run: Run, minutes: float | None) -> PlannedRun:
    state, note = _state(run)
    needed = tuple(Run(parent, run.seed) for parent in row.parents)
    if state == "done" and not note and needed:
        note = orphaned(run.record(), needed, Run.record)
    return PlannedRun(row.row, row.label, row.overrides, run, state, note, minutes, needed)


def _state(run: Run) -> tuple[State, str]:
    try:
        record = run.record()
    except CorruptFileError as error:
        return "damaged", str(error)
    if record is not None and record.status in FINISHED:
        return "done", staleness(record)
    if run.is_busy():
        return "running", "by another process"
    if record is not None:
        return "failed", record.result.get("reason", "see its log")
    return ("interrupted", "goes on from its last epoch") if run.started() else ("missing", "")


def staleness(record: Record) -> str:
    """Why a record may no longer be what the code would find; empty where it is."""
    return fingerprint.staleness(record.provenance.get("code", {}))


def orphaned(child: Record | None, parents: Sequence[Run], read: Callable[[Run], Record | None]) -> str:
    """Why a compressed run is no longer its parents', as ``read`` finds them; empty where it is, or nobody knows."""
    begun = [each for role in ("parent", "teacher") if (each := child and child.provenance.get(role))]
    for run in parents:
        try:
            parent = read(run)
        except CorruptFileError:
            continue
        for each in begun:
            if parent and (each["run_id"], each["weights_sha256"]) == (run.run_id, parent.result.get("weights_sha256")):
                continue
            if parent and each["run_id"] == run.run_id:
                return f"stale: {run.run_id} has been trained again, to other weights"
    return ""


def expected_minutes(row: RowPlan) -> float | None:
    """Of the same run, here or else published; else of its contract's.

    Where there is none, that of the row at budget proxy in proportion to the images seen, plus the start. None where
    that tells nothing either.
    """
    for name in (row.run_id, row.contract_id):
        if (minutes := _minutes_of(name)) is not None:
            return minutes
    minutes = _minutes_of(row.proxy_id)
    return None if minutes is None or row.share is None else minutes * row.share + START_MIN


def _minutes_of(name: str) -> float | None:
    """The shortest of this machine's runs, else of the published ones: a machine with other work to do only adds to it."""
    for read in (Run.record, Run.published_record):
        if minutes := [
            record.provenance["wall_s"] / 60 for record in _done(name, read) if "wall_s" in record.provenance
        ]:
            return min(minutes)
    return None


def _done(name: str, read: Callable[[Run], Record | None]) -> Iterator[Record]:
    for seed in _seeds_of(name):
        with suppress(CorruptFileError):
            record = read(Run(name, seed))
            if record is not None and record.status == "done":
                yield record


def _seeds_of(name: str) -> list[int]:
    local_seeds = {path.name for path in Run(name, 0).folder.parent.glob("*")}
    published_seeds = {path.stem for path in (published() / "records" / name).glob("*.json")}
    return sorted(int(seed) for seed in local_seeds | published_seeds if seed.isdecimal())


def longest_first(runs: Sequence[PlannedRun]) -> list[PlannedRun]:
    """Seed by seed, the long runs first, so that the cores finish together."""
    return sorted(runs, key=lambda planned: (planned.run.seed, -(planned.minutes or 0.0)))


def minutes_left(runs: Sequence[PlannedRun], jobs: int) -> float | None:
    """Until the last of ``runs`` is done on ``jobs`` workers that take them in order; None where one is unknown."""
    return makespan([run.minutes for run in runs], jobs)


def makespan(waiting: Sequence[float | None], jobs: int, busy: Sequence[float | None] = ()) -> float | None:
    """When the last job is done: ``busy`` is what the workers still have to do, ``waiting`` goes to who is free first."""
    if None in busy or None in waiting:
        return None
    workers = [*(left or 0.0 for left in busy), *[0.0] * (jobs - len(busy))]
    for duration in waiting:
        workers[workers.index(min(workers))] += duration or 0.0
    return max(workers)
