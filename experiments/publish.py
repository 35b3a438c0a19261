"""Adds this machine's finished contract runs to what is published, and renders its table and the report again.

python -m experiments.publish table=table3 replace=false
python -m experiments.publish search=lr_wd     # the grid's runs, the study's trials, and the page that shows both

``replace=true`` puts runs of this code in the place of published runs of older code (`make verify` names those).
What a net costs is published where no run says it, and always by this code; so is what a file takes at the paper's
scale. Timings are published whole, and replaced with ``replace=true`` only.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from experiments.report import build
from experiments.suite import cli, coded_sizes, costs, search_page, study
from experiments.suite.coded_sizes import Coded
from experiments.suite.costs import Cost
from experiments.suite.files import write_json
from experiments.suite.paths import published, shown
from experiments.suite.plan import FINISHED, orphaned, staleness
from experiments.suite.progress import print_line
from experiments.suite.record import Record
from experiments.suite.regenerate import Request, published_request, write_published
from experiments.suite.store import Run
from experiments.suite.study import Search
from experiments.suite.verb import parse
from lightning_modules.errors import CorruptFileError, UserError

Exact = TypeVar("Exact", Cost, Coded)


def main(arguments: list[str]) -> int:
    own, _ = parse(arguments, {"table": None, "search": None, "replace": False})
    if own["search"]:
        return _publish_search(study.load(own["search"]), own["replace"])
    request = published_request(own["table"])
    mine = [(Run(row.contract_id, seed), row) for row in request.rows for seed in request.table.seeds]
    runs = [_publish(run, row.label, row.parents, own["replace"]) for run, row in mine]
    counted = [_publish_exact(cost, costs.read) for cost in _costs(request)]
    coded = [_publish_exact(coded, coded_sizes.read) for coded in request.here().coded.values()]
    timed = _publish_timing(request, own["replace"])
    weights = _publish_weights(request, own["replace"])
    write_published(request.table.name)
    added = f"{sum(runs)} runs added" + (f", {sum(counted)} costs" if any(counted) else "")
    added += (f", {sum(coded)} files at the paper's scale" if any(coded) else "") + ", the speed" * timed
    added += f", {weights} files of weights" if weights else ""
    print_line(f"{added}; {shown(published() / 'tables')}/{request.table.name}.{{md,csv,json}} written")
    build(public=True)
    return 0


def _publish_search(search: Search, replace: bool) -> int:
    runs = [_publish(run, run.run_id, (), replace) for run in search_page.grid_runs(search)]
    trials = search_page.publish_study(search)
    paths = search_page.publish(search)
    if not paths:
        raise UserError(
            f"search={search.name}: this machine has no run of its grid and no study; experiments.search makes them"
        )
    print_line(f"{sum(runs)} runs added, {trials} trials; {shown(paths[-1])} written")
    build(public=True)
    return 0


def _publish(run: Run, label: str, parents: Sequence[str], replace: bool) -> bool:
    """Whether the run was added. What is published stays, unless it is stale, this one is not, and one asked for it."""
    try:
        mine = run.record()
        if mine is None or mine.status not in FINISHED:
            return False
        there = run.published_record()
    except CorruptFileError as error:
        print_line(f"warning: {error}")
        return False
    if there is not None and not (replace and staleness(there) and not staleness(mine)):
        return False
    if said := orphaned(mine, [Run(parent, run.seed) for parent in parents], Run.published_record):
        print_line(f"warning: {label}, seed {run.seed} is not published: {said}")
        return False
    if staleness(mine):
        print_line(f"warning: {label}, seed {run.seed} is {staleness(mine)}")
    if mine.provenance.get("dirty"):
        print_line(f"warning: {label}, seed {run.seed} was made with changes that are not committed")
    write_json(run.published_path, _without_machine_paths(mine).to_json())
    return True


def _publish_weights(request: Request, replace: bool) -> int:
    """How many files of weights were written: where the table has some, and none are there or one asked for it."""
    row = next((row for row in request.rows if row.row == request.table.weights), None)
    if row is None:
        return 0
    from experiments import cascade_weights  # imports torch, which takes seconds

    if all(path.is_file() for path in cascade_weights.paths()) and not replace:
        if problem := cascade_weights.problem([*row.parents, row.contract_id], request.table.seeds):
            print_line(f"warning: {problem}; replace=true writes them anew")
        return 0
    return len(cascade_weights.publish(row.contract_id, request.table.seeds))


def _costs(request: Request) -> list[Cost]:
    """This machine's, of the rows that have no published run; an extra row is published by a run alone."""
    records = request.published().records
    by_run = [row.name for row in request.table.rows if records.get(row.name) or (row.extra and row.trained)]
    return [cost for row, cost in request.here().costs.items() if row not in by_run]


def _publish_exact(mine: Exact, read: Callable[[str, bool], Exact | None]) -> bool:
    """Whether a cost or a file's size was added: it is of this code, and what is there is not."""
    try:
        there = read(mine.name, True)
    except CorruptFileError as error:
        print_line(f"warning: {error}; it is written anew")
        there = None
    if mine.stale or (there is not None and not there.stale):
        return False
    mine.write(public=True)
    return True


def _publish_timing(request: Request, replace: bool) -> bool:
    """Whether this machine's timings were published: where none are, or in the place of those, where one asked for it.

    All rows of a session or none: those of two sessions cannot be compared.
    """
    mine, there = request.here().timing, request.published().timing
    path = request.timing_path(public=True)
    if path is None or mine is None or request.untimed() or (path.exists() and there is not None and not replace):
        return False
    if any(mine.stale(row) for row in mine.samples):
        print_line("warning: the speed was measured with older code")
    if mine.provenance.get("dirty"):
        print_line("warning: the speed was measured with changes that are not committed")
    mine.write(path)
    return True


def _without_machine_paths(record: Record) -> Record:
    """W&B files stay on the machine that made them."""
    return Record(record.result, record.cost, record.config, {**record.provenance, "wandb": None})


if __name__ == "__main__":
    cli.call(main)
