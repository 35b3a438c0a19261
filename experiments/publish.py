"""Adds this machine's finished contract runs to what is published, and renders the published tables again.

python -m experiments.publish table=table3 replace=false

``replace=true`` puts runs of this code in the place of published runs of older code (`make verify` names those).
"""

from experiments.suite import cli
from experiments.suite.files import write_json
from experiments.suite.paths import published, shown
from experiments.suite.plan import FINISHED, RowPlan, staleness
from experiments.suite.progress import print_line
from experiments.suite.record import Record
from experiments.suite.regenerate import published_request, write_published
from experiments.suite.store import Run
from experiments.suite.verb import parse
from lightning_modules.errors import CorruptFileError


def main(arguments: list[str]) -> int:
    own, _ = parse(arguments, {"table": None, "replace": False})
    request = published_request(own["table"])
    runs = [(Run(row.contract_id, seed), row) for row in request.rows for seed in request.table.seeds]
    added = [_publish(run, row, own["replace"]) for run, row in runs]
    problems = write_published(request.table.name)
    for line in problems:
        print_line(f"warning: {line}")
    print_line(f"{sum(added)} runs added; {shown(published() / 'tables')}/{request.table.name}.{{md,csv,json}} written")
    return 0


def _publish(run: Run, row: RowPlan, replace: bool) -> bool:
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
    if staleness(mine):
        print_line(f"warning: {row.label}, seed {run.seed} is {staleness(mine)}")
    if mine.provenance.get("dirty"):
        print_line(f"warning: {row.label}, seed {run.seed} was made with changes that are not committed")
    write_json(run.published_path, _without_machine_paths(mine).to_json())
    return True


def _without_machine_paths(record: Record) -> Record:
    """W&B files stay on the machine that made them."""
    return Record(record.result, record.cost, record.config, {**record.provenance, "wandb": None})


if __name__ == "__main__":
    cli.call(main)
