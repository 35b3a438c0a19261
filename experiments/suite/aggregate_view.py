"""Records summed up (aggregate.py): the command, and its lines for the terminal, as CSV and as a figure.

python -m experiments.table 'runs={arch:squeezenet,data:fashion_mnist}' 'by=[recipe.lr,recipe.weight_decay]'
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.suite.aggregate import SOURCES, Aggregate, Line, aggregate, chosen, read_all
from experiments.suite.aggregate_figure import draw
from experiments.suite.columns import column
from experiments.suite.files import write_text
from experiments.suite.paths import local, shown
from experiments.suite.plan import staleness
from experiments.suite.progress import print_line
from experiments.suite.rendering import clean
from experiments.suite.verb import parse
from lightning_modules.errors import UserError, check_choice

if TYPE_CHECKING:
    from rich.table import Table

    from experiments.suite.record import Record

OWN = {"runs": None, "by": None, "metric": "val/top1_err", "of": "here", "name": None}
START = ("runs=", "by=")  # a command of experiments.table that begins a line here, not a paper's table
SHOWN = 40  # lines in the terminal; all are in the CSV
EMPTY = "-"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.=-]{0,99}")


def is_meant(arguments: Sequence[str]) -> bool:
    return any(argument.startswith(START) for argument in arguments)


def main(arguments: Sequence[str]) -> int:
    """Prints the lines, best first, and writes results/local/sweeps/<name>.csv, .png and .svg.

    Raises:
        UserError: no record is meant, or no such field or metric.
    """
    own, _ = parse(arguments, OWN)
    check_choice("of", own["of"], tuple(SOURCES))
    if own["name"] and not NAME.fullmatch(own["name"]):
        raise UserError(
            f"name={own['name']}: up to 100 letters, digits, '_', '-', '=' and '.' only, for it names files"
        )
    wanted, by = _mapping("runs", own["runs"]), _list("by", own["by"])
    found, problems = read_all(own["of"])
    records = chosen(found, wanted)
    if not records:
        other = next(source for source in SOURCES if source != own["of"])
        where = "this machine has" if own["of"] == "here" else "is published"
        raise UserError(
            f"runs={own['runs'] or '{}'}: no record that {where} is of these; try of={other}, or other fields"
        )
    summed = aggregate(records, by, column(own["metric"]))
    if not any(line.estimate for line in summed.lines) and any(record.status == "done" for record in records):
        raise UserError(f"metric={own['metric']}: no record of these has it; {_has(records)}")
    show(summed, own["name"] or _name(own["metric"], by))
    _warn_of_stale(records)
    for line in problems:
        print_line(f"warning: {line}; left out")
    return 0


def _has(records: "Sequence[Record]") -> str:
    """What to ask for in place of a metric that no record has."""
    names = sorted({name for record in records for name in record.metrics})
    return f"they have {', '.join(names)}" if names else "they have none"


def of_runs(records: "Sequence[Record]", by: Sequence[str], metric: str, name: str) -> None:
    """The same of records at hand: a sweep's, a search's."""
    show(aggregate(records, by, column(metric)), name)
    _warn_of_stale(records)


def _warn_of_stale(records: "Sequence[Record]") -> None:
    """A line for each change of the code since some of them were made: a mean may mix what is not alike."""
    for said, count in Counter(filter(None, map(staleness, records))).items():
        print_line(f"warning: {count} of these {len(records)} runs: {said}")


def show(found: Aggregate, name: str) -> None:
    from rich.console import Console

    if found.added and len(found.added) < len(found.by):
        print_line(f"the runs differ in more than was asked for: also by {', '.join(found.added)}")
    Console().print(_table(found))
    if len(found.lines) > SHOWN:
        print_line(f"... and {len(found.lines) - SHOWN} more")
    folder = local() / "sweeps"
    paths = [write_csv(found, folder, name), *draw(found, folder, name)]
    print_line(f"written to {shown(folder)}/{name}.{{{','.join(path.suffix[1:] for path in paths)}}}")


def _table(found: Aggregate) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    view = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in found.by or ("run",):
        view.add_column(name, overflow="fold")
    for head in (found.column.header, "95 % interval", "n"):
        view.add_column(Text(head), justify="right")
    notes = any(line.note for line in found.lines)
    if notes:
        view.add_column("note", overflow="fold")
    for line in found.lines[:SHOWN]:
        cells = [*(map(said, line.values) if found.by else [line.run_id]), *numbers(found, line)]
        view.add_row(*(Text(clean(cell)) for cell in [*cells, *([line.note] if notes else [])]))
    return view


def numbers(found: Aggregate, line: Line) -> list[str]:
    estimate = line.estimate
    if estimate is None:
        return [EMPTY, "", "0"]
    low, high = estimate.low, estimate.high
    ends = "" if low is None or high is None else f"{found.column.text(low)} to {found.column.text(high)}"
    return [found.column.text(estimate.estimate), ends, str(estimate.n)]


def said(value: Any) -> str:
    """A field's value as it is typed."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def write_csv(found: Aggregate, folder: Path, name: str) -> Path:
    """<folder>/<name>.csv: a line a configuration, best first."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*found.by, "metric", "mean", "low", "high", "n", "seeds", "run_id", "note"])
    for line in found.lines:
        numbers = line.estimate
        kept = [numbers.estimate, numbers.low, numbers.high, numbers.n] if numbers else [None, None, None, 0]
        values = [clean(said(value)) for value in line.values]
        seeds = " ".join(map(str, line.seeds))
        writer.writerow([*values, found.column.name, *kept, seeds, line.run_id, clean(line.note)])
    path = folder / f"{name}.csv"
    write_text(path, out.getvalue())
    return path


def _mapping(key: str, typed: str | None) -> dict[str, Any]:
    value = _value(key, typed or "{}")
    if not isinstance(value, dict):
        raise UserError(f"{key}={typed}: must be fields and their values, such as {key}={{arch:squeezenet,seed:[0,1]}}")
    return {str(name): each for name, each in value.items()}


def _list(key: str, typed: str | None) -> list[str]:
    value = _value(key, typed or "[]")
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def _value(key: str, typed: str) -> Any:
    """In Hydra's grammar, like every override."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        override = OverridesParser.create().parse_override(f"{key}={typed}")
    except HydraException as error:
        raise UserError(f"{key}={typed}: not understood; write {key}={{field:value}} or {key}=[field,field]") from error
    if override.is_sweep_override():
        raise UserError(f"{key}={typed}: several values; write a list in brackets, [a,b]")
    return override.value()


def _name(metric: str, by: Sequence[str]) -> str:
    """Of the files, where the command gives none."""
    words = [metric.replace("/", "-"), *(["by", *by] if by else [])]
    return "-".join(words)[:100]
