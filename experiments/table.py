"""One table: say what it takes, train what is missing, print it with this machine's numbers.

python -m experiments.table table=table3 budget=proxy seeds=0,1,2 fresh=false jobs=0 recipe.lr=0.02
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from experiments.suite import cli, rendering
from experiments.suite.compose import compose
from experiments.suite.launch import Pool
from experiments.suite.paths import shown
from experiments.suite.plan import PlannedRun, minutes_left
from experiments.suite.progress import duration, print_line
from experiments.suite.regenerate import DEFAULT_BUDGET, Request, render, write_local
from experiments.suite.store import Busy
from experiments.suite.verb import parse, worker_count

OWN = {"table": None, "budget": DEFAULT_BUDGET, "seeds": [], "fresh": False, "jobs": 0}


def main(arguments: list[str]) -> int:
    own, extra = parse(arguments, OWN, passes_on=True)
    request = Request.of(own["table"], own["budget"], own["seeds"], extra)
    jobs = worker_count(own["jobs"])
    if own["fresh"]:
        _forget(request.planned())
    missing = [run for run in request.planned() if run.to_do]
    print_line(outlook(request, missing, jobs))
    failures = {}
    if missing:
        _show_published(request)
        failures = Pool(_longest_first(missing), jobs, tags=[request.table.name]).run()
    data, problems = render(request)
    folder = write_local(data)
    rendering.terminal(data, Console())
    print_line(f"written to {shown(folder)}/{request.table.name}.{{md,csv,json}}")
    if missing:
        _log(data, compose(request.rows[0].overrides)["logger"])
    for line in problems:
        print_line(f"warning: {line}")
    for (reason, _), names in failures.items():
        print_line(f"failed: {', '.join(names)}: {reason}")
    if failures and all(code == cli.USER_ERROR for _, code in failures):
        return cli.USER_ERROR
    return 1 if failures else 0


def outlook(request: Request, missing: Sequence[PlannedRun], jobs: int) -> str:
    """What is about to happen, in one line."""
    total = len(request.planned())
    what = f"{request.table.name} at budget {request.budget}"
    if not missing:
        return f"{what}: all {total} runs are done"
    minutes = minutes_left(_longest_first(missing), jobs)
    time = "time unknown" if minutes is None else f"about {duration(60 * minutes)}"
    return f"{what}: {len(missing)} of {total} runs to do, {min(jobs, len(missing))} at a time, {time}"


def _longest_first(runs: Sequence[PlannedRun]) -> list[PlannedRun]:
    """Seed by seed, the long runs first, so that the cores finish together."""
    return sorted(runs, key=lambda run: (run.run.seed, -(run.minutes or 0.0)))


def _forget(runs: Sequence[PlannedRun]) -> None:
    """Lets every run start over, except one that another process is just doing."""
    for run in runs:
        try:
            with run.run.claimed():
                run.run.discard()
        except Busy:
            continue


def _show_published(request: Request) -> None:
    data, _ = render(request, here=False)
    if any(cell["published"] for row in data["rows"] for cell in row["cells"].values()):
        print_line("Published:")
        rendering.terminal(data, Console())


def _log(data: dict[str, Any], logger: Mapping[str, Any]) -> None:
    """One W&B run with the table. W&B is a mirror: when it fails, the table stands all the same."""
    if logger["name"] == "none":
        return
    from experiments.tracking import log_table

    try:
        log_table(data, logger)
    except Exception as error:
        print_line(f"warning: the table was not logged to W&B ({error})")


if __name__ == "__main__":
    cli.call(main)
