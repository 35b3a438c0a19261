"""Whether the published tables are what the published records say: `make verify`. Exit 1 where they are not.

python -m experiments.verify
"""

import tempfile
from pathlib import Path

from experiments.suite import cli, contract, rendering
from experiments.suite.paths import published, shown
from experiments.suite.plan import evidence, staleness
from experiments.suite.progress import print_line
from experiments.suite.regenerate import published_request, render
from experiments.suite.verb import parse

SUFFIXES = ("md", "csv", "json")


def main(arguments: list[str]) -> int:
    parse(arguments, {})
    wrong = [line for name in contract.names() for line in _differences(name)]
    for line in wrong:
        print_line(f"wrong: {line}")
    for line in _stale():
        print_line(f"warning: {line}")
    if not wrong:
        print_line(f"{len(contract.names())} published tables are what their records say")
    return 1 if wrong else 0


def _differences(name: str) -> list[str]:
    data, problems = render(published_request(name), here=False)
    with tempfile.TemporaryDirectory() as fresh:
        rendering.write(data, Path(fresh))
        for suffix in SUFFIXES:
            committed = published() / "tables" / f"{name}.{suffix}"
            if not committed.is_file():
                problems.append(f"{shown(committed)} is missing; make publish TABLE={name} writes it")
            elif committed.read_bytes() != Path(fresh, committed.name).read_bytes():
                problems.append(
                    f"{shown(committed)} is not what its records say; make publish TABLE={name} writes it anew"
                )
    return problems


def _stale() -> list[str]:
    """Published runs of code that has changed since: they still count, until someone runs them again."""
    lines = []
    for name in contract.names():
        request = published_request(name)
        for records in evidence(request.rows, request.table.seeds, published=True).records.values():
            lines += [
                f"{record.run_id}, seed {record.seed} is {staleness(record)}" for record in records if staleness(record)
            ]
    return lines


if __name__ == "__main__":
    cli.call(main)
