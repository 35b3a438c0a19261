"""What a table would do: each run done, missing, stale and why, and how long it will take. Runs nothing.

python -m experiments.plan table=table3 budget=proxy seeds=0,1,2
"""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from experiments.suite import cli
from experiments.suite.contract import DEFAULT_BUDGET
from experiments.suite.plan import longest_first, minutes_left
from experiments.suite.progress import duration, print_line
from experiments.suite.regenerate import Request
from experiments.suite.verb import parse

OWN = {"table": None, "budget": DEFAULT_BUDGET, "seeds": [], "jobs": 0}


def main(arguments: list[str]) -> int:
    own, extra = parse(arguments, OWN, passes_on=True)
    request = Request.of(own["table"], own["budget"], own["seeds"], extra)
    runs = request.planned()
    view = Table("row", "seed", "state", "time", box=None, pad_edge=False)
    view.add_column("run", overflow="fold")
    for run in runs:
        state = f"{run.state} ({run.note})" if run.note else run.state
        time = duration(60 * run.minutes) if run.to_do and run.minutes is not None else "?" if run.to_do else ""
        view.add_row(escape(run.label), str(run.run.seed), escape(state), time, run.run.run_id)
    Console().print(view)
    missing = [run for run in runs if run.to_do]
    jobs = len(request.places(own["jobs"]))
    minutes = minutes_left(longest_first(missing), jobs)
    if request.differs:
        print_line(f"not the contract's runs ({' '.join(extra)}): marked in the table, never published")
    left = "time unknown (no record to go by)" if minutes is None else f"about {duration(60 * minutes)}"
    print_line(f"{len(missing)} of {len(runs)} runs to do" + (f", {jobs} at a time, {left}" if missing else ""))
    return 0


if __name__ == "__main__":
    cli.call(main)
