"""What a table would do: each run done, missing, stale and why, and how long it will take. Runs nothing.

python -m experiments.plan table=table3 budget=proxy seeds=0,1,2
"""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from experiments.suite import cli
from experiments.suite.compose import compose
from experiments.suite.contract import DEFAULT_BUDGET
from experiments.suite.hours import hours_of
from experiments.suite.plan import PlannedRun, longest_first, minutes_left
from experiments.suite.progress import duration, print_line
from experiments.suite.regenerate import Request
from experiments.suite.verb import parse

OWN = {"table": None, "budget": DEFAULT_BUDGET, "seeds": [], "jobs": 0}
ESTIMATED = "~"  # no record tells


def main(arguments: list[str]) -> int:
    own, extra = parse(arguments, OWN, passes_on=True)
    request = Request.of(own["table"], own["budget"], own["seeds"], extra)
    runs = request.planned()
    view = Table("row", "seed", "state", "time", box=None, pad_edge=False)
    view.add_column("run", overflow="fold")
    times = {run.row: _time(run) for run in runs if run.to_do}  # the seeds of a row take as long
    for run in runs:
        state = f"{run.state} ({run.note})" if run.note else run.state
        time = times[run.row] if run.to_do else ""
        view.add_row(escape(run.label), str(run.run.seed), escape(state), time, run.run.run_id)
    if runs:
        Console().print(view)
    missing = [run for run in runs if run.to_do]
    if any(time.startswith(ESTIMATED) for time in times.values()):
        devices = compose(runs[0].overrides)["trainer"]["devices"]
        print_line(f"{ESTIMATED}: on {devices} GPU{'s' * (devices > 1)}, from multiply-adds (docs/imagenet.md)")
    if request.differs:
        print_line(f"not the contract's runs ({' '.join(extra)}): marked in the table, never published")
    if uncounted := request.uncounted():
        print_line(f"{len(uncounted)} of {len(request.subjects)} nets to count, in seconds: {', '.join(uncounted)}")
    if uncoded := request.uncoded():
        print_line(f"{len(uncoded)} files at the paper's scale to make, in seconds: {', '.join(uncoded)}")
    if request.table.timed and (untimed := request.untimed()):
        print_line(f"the speed of {len(untimed)} of {len(request.subjects)} nets to measure, in minutes")
    print_line(_left(runs, missing, len(request.places(own["jobs"]))))
    return 0


def _left(runs: Sequence[PlannedRun], missing: Sequence[PlannedRun], jobs: int) -> str:
    if not runs:
        return "nothing to train"
    line = f"{len(missing)} of {len(runs)} runs to do"
    if not missing:
        return line
    minutes = minutes_left(longest_first(missing), jobs)
    left = "time unknown (no record to go by)" if minutes is None else f"about {duration(60 * minutes)}"
    return f"{line}, {jobs} at a time, {left}"


def _time(run: PlannedRun) -> str:
    """What the run will take: of records, else a marked estimate."""
    if run.minutes is not None:
        return duration(60 * run.minutes)
    hours = hours_of(compose(run.overrides))
    return "?" if hours is None else f"{ESTIMATED} {duration(3600 * hours)}"


if __name__ == "__main__":
    cli.call(main)
