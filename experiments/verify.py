"""Whether the published tables and the report are what the published records say: `make verify`. Exit 1 where they are not.

python -m experiments.verify
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from experiments.pages import readme, site
from experiments.pages.gather import gather
from experiments.suite import cli, composed, contract, search_page, study
from experiments.suite.paths import published, shown
from experiments.suite.plan import staleness
from experiments.suite.progress import print_line
from experiments.suite.regenerate import budget_of, published_request, render, write
from experiments.suite.verb import parse
from lightning_modules.errors import CorruptFileError, UserError

SUFFIXES = ("md", "csv", "json")


def main(arguments: list[str]) -> int:
    parse(arguments, {})
    names = [name for name in contract.names() if any((published() / "tables").glob(f"{name}.*"))]
    wrong = [line for name in names for line in _differences(name)] + (_of_report() if names else [])
    wrong += [line for path in sorted(search_page.folder().glob("*.md")) for line in _of_search(path.stem)]
    for line in wrong:
        print_line(f"wrong: {line}")
    for line in _stale(names):
        print_line(f"warning: {line}")
    if not wrong:
        print_line(f"{len(names)} published tables are what their records say, and so is the report")
    return 1 if wrong else 0


def _differences(name: str) -> list[str]:
    data, problems = render(published_request(name), here=False)
    with tempfile.TemporaryDirectory() as fresh:
        write(data, Path(fresh))
        for suffix in (*SUFFIXES, "svg") if "figure" in data else SUFFIXES:
            committed = published() / "tables" / f"{name}.{suffix}"
            if not committed.is_file():
                problems.append(f"{shown(committed)} is missing; make publish TABLE={name} writes it")
            elif committed.read_bytes() != Path(fresh, committed.name).read_bytes():
                problems.append(
                    f"{shown(committed)} is not what its records say; make publish TABLE={name} writes it anew"
                )
    return problems


def _of_report() -> list[str]:
    where = site.folder(public=True)
    if not where.is_dir():
        return [f"{shown(where)} is missing; make publish of any table writes it"]
    report = gather(True, budget_of)
    rows = composed.outdated(row for view in report.views for row in view.overrides)
    wrong = site.differences(site.files(report), where)
    again = "python -m experiments.report published=true writes it anew"
    found = [f"{shown(where)}: {_some(wrong)}: not what its records say; {again}"] if wrong else []
    if readme.differs(report):
        found.append(f"README.md: the state of the tables is not what their records say; {again}")
    if rows:
        found.append(f"{shown(composed.SHIPPED)}: {_some(rows)}: not what conf/ says; {again}")
    return found


def _of_search(name: str) -> list[str]:
    with tempfile.TemporaryDirectory() as fresh:
        try:
            paths = search_page.write(study.load(name), Path(fresh))
        except (CorruptFileError, UserError) as error:
            return [str(error)]
        there = search_page.folder()
        wrong = [
            path.name
            for path in paths
            if path.suffix != ".png"  # which is not published
            and not ((there / path.name).is_file() and (there / path.name).read_bytes() == path.read_bytes())
        ]
    again = f"python -m experiments.publish search={name} writes it anew"
    return [f"{shown(there)}: {_some(wrong)}: not what its records say; {again}"] if wrong else []


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _stale(names: Sequence[str]) -> list[str]:
    """What was published of code that has changed since: it still counts, until someone makes it anew."""
    lines = []
    for name in names:
        found = published_request(name).published()
        records = [record for row in found.records.values() for record in row]
        lines += [f"{record.run_id}, seed {record.seed} is {staleness(record)}" for record in records]
        costs = [cost for row, cost in found.costs.items() if not found.records.get(row)]
        lines += [f"the cost of {cost.name} is {cost.stale}" for cost in costs]
        lines += [f"the file of {coded.name} is {coded.stale}" for coded in found.coded.values()]
        if found.timing:
            lines += [f"{name}, {row}: {found.timing.stale(row)}" for row in found.timing.samples]
    return [line for line in dict.fromkeys(lines) if not line.endswith((" is ", ": "))]


if __name__ == "__main__":
    cli.call(main)
