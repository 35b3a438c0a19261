"""The state of all tables as README.md shows it, between two marks. `make publish` writes it, `make verify` checks it."""

import re

from experiments.pages import words
from experiments.pages.gather import Report, View
from experiments.suite.files import write_text
from experiments.suite.paths import ROOT, published
from experiments.suite.plan import FINISHED
from experiments.suite.rendering import MARKS, escaped

PATH = ROOT / "README.md"
BLOCK = re.compile(
    r"(<!-- state: python -m experiments\.report published=true -->\n).*?(\n<!-- end of state -->)", re.DOTALL
)
HEAD = "| target | what | runs | claims |\n| --- | --- | ---: | --- |"


def markdown(report: Report) -> str:
    """A line a table: its target, what it asks, how many of its runs are published, and what was found."""
    return "\n".join([HEAD, *map(_line, report.views)])


def _line(view: View) -> str:
    promised = [row for row in view.request.rows if not view.table.row(row.row).extra]
    records = [record for row in promised for record in view.published.records.get(row.row, ())]
    done, total = (
        sum(record.status in FINISHED for record in records),
        sum(len(view.table.seeds_of(row.row)) for row in promised),
    )
    verdicts = words.counted(claim["published"]["verdict"] for claim in view.data["claims"])
    said = ", ".join(f"{count} {MARKS[verdict]}&nbsp;{verdict}" for verdict, count in verdicts.items())
    runs = f"{done} of {total}" if total else "none needed"
    page = f"results/published/tables/{view.name}.md"
    return f"| [`{view.name}`]({page}) | {escaped(view.data['title'])} | {runs} | {said or '–'} |"


def update(report: Report) -> bool:
    """Writes the block anew. Whether it was another: not where results are elsewhere, or README.md has no such marks."""
    if not _is_of_this_project() or not differs(report):
        return False
    write_text(PATH, BLOCK.sub(lambda found: found[1] + markdown(report) + found[2], PATH.read_text(encoding="utf-8")))
    return True


def differs(report: Report) -> bool:
    """Whether the block is there and says something else."""
    found = BLOCK.search(PATH.read_text(encoding="utf-8")) if _is_of_this_project() and PATH.is_file() else None
    return found is not None and found[0] != found[1] + markdown(report) + found[2]


def _is_of_this_project() -> bool:
    return published() == ROOT / "results" / "published"
