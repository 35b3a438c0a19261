"""One table: say what it takes, train, count and time what is missing, print it with this machine's numbers.

python -m experiments.table table=table3 budget=proxy seeds=0,1,2 fresh=false jobs=0 launcher=local recipe.lr=0.02

With runs={field:value} or by=[field] in the place of table=: any records, as means over seeds (aggregate_view.py).
"""

import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from rich.console import Console

from experiments.counting import code_missing, count_missing
from experiments.suite import aggregate_view, cli, online, rendering
from experiments.suite.compose import compose, frozen
from experiments.suite.contract import DEFAULT_BUDGET
from experiments.suite.evidence import unreadable
from experiments.suite.launch import Failures, Pool, say_failures
from experiments.suite.paths import ROOT, shown
from experiments.suite.plan import PlannedRun, longest_first, minutes_left
from experiments.suite.progress import duration, print_line
from experiments.suite.regenerate import Request, published_request, render, write_local
from experiments.suite.store import Busy
from experiments.suite.sweep_launchers import Launcher, chosen, without
from experiments.suite.verb import parse
from lightning_modules.errors import UserError

OWN = {"table": None, "budget": DEFAULT_BUDGET, "seeds": [], "fresh": False, "jobs": 0, "launcher": None}


def main(arguments: list[str]) -> int:
    if aggregate_view.is_meant(arguments):
        return aggregate_view.main(arguments)
    own, extra = parse(arguments, OWN, passes_on=True)
    launcher, extra = chosen(extra, own["launcher"], own["jobs"])
    request = Request.of(own["table"], own["budget"], own["seeds"], extra)
    missing = [run for run in request.planned() if run.to_do or own["fresh"]]
    places = request.places(0, launcher, len(missing))
    to_measure = bool(request.table.timed) and (own["fresh"] or bool(request.untimed()))
    print_line(outlook(request, missing, launcher.at_a_time(places)))
    for line in unreadable(request.subjects, request.timing_path()):
        print_line(f"warning: {line}; it is made again")
    failures = {}
    logger = online.reachable(compose(request.rows[0].overrides)["logger"]) if missing else {}
    if missing:
        _show_published(request)
        _render_faces(request)
        _rehearse(without(arguments))
        frozen()
        pool = Pool(longest_first(_logged(missing, logger)), places, [request.table.name], request.starter(launcher))
        failures = _run(pool, missing if own["fresh"] else ())
    count_missing(request)
    code_missing(request)
    if to_measure:
        with suppress(OSError):  # results that cannot be written to: the speed will say so
            frozen()
        _measure(request, launcher)
    data, problems = render(request)
    rendering.terminal(data, Console())
    print_line(_written(data))
    if missing:
        _log(data, logger)
    for line in problems:
        print_line(f"warning: {line}")
    say_failures(failures)
    if failures and all(code == cli.USER_ERROR for _, code in failures):
        return cli.USER_ERROR
    return 1 if failures else 0


def _run(pool: Pool, fresh: Sequence[PlannedRun]) -> Failures:
    """Does the runs. Those of ``fresh`` start over, and get their old record back where they come to nothing."""
    try:
        _start_over(fresh)
        return pool.run()
    finally:
        for planned in fresh:
            planned.run.restore()


def _start_over(runs: Sequence[PlannedRun]) -> None:
    """All but those that another process is just doing."""
    for planned in runs:
        with suppress(Busy), planned.run.claimed():
            planned.run.start_over()


def _logged(missing: Sequence[PlannedRun], logger: Mapping[str, Any]) -> list[PlannedRun]:
    """The runs, told to log as this table can."""
    mode = (f"logger.mode={logger['mode']}",)
    return [replace(run, overrides=(*run.overrides, *mode)) for run in missing]


def _render_faces(request: Request) -> None:
    """Of a table of landmarks: with its progress to be seen, which a rehearsal would keep to itself."""
    row = next((row for row in request.rows if "points" in compose(row.overrides)["data"]), None)
    if (
        row is not None
        and subprocess.run([sys.executable, "-m", "experiments.fetch", *row.overrides], cwd=ROOT).returncode
    ):
        raise UserError("the faces could not be had")


def _rehearse(arguments: Sequence[str]) -> None:
    """Builds all the runs, before anything is written: this fetches the data and finds the user's mistakes."""
    command = [sys.executable, "-m", "experiments.rehearse", *arguments]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if answer.returncode:
        said = answer.stderr.strip().splitlines()
        raise UserError(said[-1].removeprefix("error: ") if said else "the runs could not be built")


def _measure(request: Request, launcher: Launcher) -> None:
    """In a process of its own, whose threads nobody else has set. What it has to say goes to the terminal.

    Not where the runs go elsewhere: this is a login node then, which others use as well.
    """
    words = ["-m", "experiments.measure", f"table={request.table.name}", f"budget={request.budget}", *request.extra]
    if not launcher.is_here:
        command = shlex.join([".venv/bin/python", *words])
        print_line(f"the speed was not measured on this node; on one that has nothing else to do: {command}")
    elif subprocess.run([sys.executable, *words], cwd=ROOT).returncode:
        print_line("warning: the speed was not measured")


def outlook(request: Request, missing: Sequence[PlannedRun], jobs: int) -> str:
    """What is about to happen, in one line."""
    total = len(request.planned())
    if not total:
        left = len(request.uncounted())
        return (
            f"{request.table.name}: nothing to train, {f'{left} of ' if left else 'all '}{len(request.subjects)} nets "
            + ("to count" if left else "are counted")
        )
    what = f"{request.table.name} at budget {request.budget}"
    if not missing:
        return f"{what}: all {total} runs are done"
    minutes = minutes_left(longest_first(missing), jobs)
    time = "time unknown" if minutes is None else f"about {duration(60 * minutes)}"
    return f"{what}: {len(missing)} of {total} runs to do, {min(jobs, len(missing))} at a time, {time}"


def _show_published(request: Request) -> None:
    data, _ = render(published_request(request.table.name), here=False)
    if any(cell["published"] for row in data["rows"] for cell in row["cells"].values()):
        print_line("Published:")
        rendering.terminal(data, Console())


def _written(data: dict[str, Any]) -> str:
    """Where the table is now, or why it is not: the numbers are in the terminal all the same."""
    try:
        return f"written to {shown(write_local(data))}/{data['table']}.{{md,csv,json}}"
    except OSError as error:
        return f"warning: the table was not written ({error.filename}: {error.strerror})"


def _log(data: dict[str, Any], logger: Mapping[str, Any]) -> None:
    if logger["name"] != "none":
        from experiments.tracking import log_table  # imports torch, which takes seconds

        log_table(data, logger)


if __name__ == "__main__":
    cli.call(main)
