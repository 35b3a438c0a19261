"""A table as the paper has it: each cell with a card of all that is known of it, its claims, its figures, its notes."""

from typing import Any

from markupsafe import Markup

from experiments.pages import claims_page, figures, svg, svg_bars, templating, words
from experiments.pages.charts import Bars, Chart, Drawing, Picture
from experiments.pages.gather import Data, Report, View
from experiments.suite import rendering
from experiments.suite.contract import DEFAULT_BUDGET
from experiments.suite.group_sheet import group_sheet, group_text
from experiments.suite.rendering import SIDES, SOURCES, Sheet


def files(report: Report) -> dict[str, str | bytes]:
    return {path: content for view in report.views for path, content in _files(report, view).items()}


def _files(report: Report, view: View) -> dict[str, str | bytes]:
    drawn = figures.drawings(view)
    shown = [side for side in SIDES if side != "here" or rendering.has_side(view.data, "here")]
    page = templating.page(
        "table.html",
        "../",
        title=f"{view.name}: {view.data['title']}",
        report=report,
        view=view,
        paper=words.edition(view.table.source),
        paper_title=view.data["paper"]["title"],
        link=words.arxiv_link(view.data["paper"]),
        circumstances=rendering.circumstances(view.data),
        correlation=rendering.correlation_text(view.data),
        rows=[_row(view, row, shown) for row in view.data["rows"]],
        claims=[claims_page.entry(view, claim) for claim in view.data["claims"]],
        verdicts=words.counted(claim[view.side(claim)]["verdict"] for claim in view.data["claims"]),
        sheets=_sheets(view.data, shown),
        figures=[shown_figure(each) for each in drawn],
        notes=_notes(view.data),
        simulated=rendering.simulated_text() if rendering.marked(view.data) else "",
        command=f"make {view.name}",
        neighbours=_neighbours(report, view),
    )
    found: dict[str, str | bytes] = {f"tables/{view.name}.html": page}
    found |= {f"tables/{each.name}.csv": each.csv() for each in drawn}
    return found | {f"tables/{each.name}.png": each.png for each in drawn if isinstance(each, Picture)}


def _sheets(data: Data, shown: list[str]) -> list[tuple[str, str, Sheet]]:
    """The tables below the table: a title, what the numbers are, and the numbers."""
    found: list[tuple[str, str, Sheet]] = []
    if groups := group_sheet(data, shown):
        found.append(("Groups of test faces", group_text(data), groups))
    if sheet := rendering.file_sheet(data, shown):
        found.append(("Files", rendering.file_text(data), sheet))
    return found


def _notes(data: Data) -> list[str]:
    """As under a printed table, but that the rows that were not run share a line."""
    absent = [row["label"] for row in data["rows"] if row.get("note") == "not run"]
    alone = {rendering.clean(f"{label}: not run") for label in absent}
    kept = [note for note in rendering.notes(data) if note not in alone]
    return [f"Not run: {'; '.join(absent)}", *kept] if absent else kept


def _neighbours(report: Report, view: View) -> dict[str, str | None]:
    names = [each.name for each in report.views]
    at = names.index(view.name)
    return {"before": names[at - 1] if at else None, "after": names[at + 1] if at + 1 < len(names) else None}


def shown_figure(drawn: Drawing) -> dict[str, Any]:
    """As templates show it: pictures, a legend and where its numbers are."""
    pictures = {
        Chart: lambda: svg.chart(drawn),  # type: ignore[arg-type]
        Bars: lambda: [svg_bars.bars(drawn)],  # type: ignore[arg-type]
        Picture: lambda: [_image(drawn)],  # type: ignore[arg-type]
    }[type(drawn)]()
    panels = drawn.panels if isinstance(drawn, Chart) else ()
    return {
        "name": drawn.name,
        "title": drawn.title,
        "caption": drawn.caption,
        "wide": not isinstance(drawn, Chart),
        "pictures": list(zip([panel.title for panel in panels] or [""] * len(pictures), pictures, strict=True)),
        "titled": isinstance(drawn, Chart) and drawn.titled,
        "legend": drawn.legend_entries if isinstance(drawn, Chart) and drawn.legend else [],
        "csv": f"{drawn.name}.csv",
    }


def _image(drawn: Picture) -> Markup:
    width, height = drawn.size
    found = '<img src="{}.png" width="{}" height="{}" alt="{}">'
    return Markup(found).format(drawn.name, width, height, drawn.caption)


def _row(view: View, row: Data, shown: list[str]) -> dict[str, Any]:
    source = view.table.row(row["row"]).source
    cells = [_cell(view, row, column, shown) for column in view.data["columns"]]
    return {
        "name": row["row"],
        "label": row["label"],
        "sources": ["paper", *row.get("also", ()), *(SOURCES[side] for side in shown)],
        "implemented": view.table.row(row["row"]).implemented,
        "extra": view.table.row(row["row"]).extra,
        "note": row.get("note"),
        "edition": words.edition(source),
        "cells": cells,
    }


def _cell(view: View, row: Data, column: Data, shown: list[str]) -> dict[str, Any]:
    cell = row["cells"][column["name"]]
    numbers = [cell[side]["mean"] for side in reversed(shown) if cell[side]] + [cell["paper"]]
    sides = [_side(view, row, column, side) for side in shown if cell[side]]
    return {
        "column": column["label"],
        "paper": rendering.number(column, cell, "paper"),
        "also": {who: rendering.number(column, cell, who) for who in row.get("also", ())},
        "sides": {side: rendering.number(column, cell, side) for side in shown},
        "details": sides,
        "difference": _difference(column, cell),
        "against": _against(column, cell, shown),
        "note": cell.get("note"),
        "sort": next((number for number in numbers if number is not None), None),
        "known": any(cell[side] for side in shown) or cell["paper"] is not None,
        "commands": _commands(view, row["row"], column),
    }


def _difference(column: Data, cell: Data) -> str | None:
    """This machine's number less the published one."""
    return f"{cell['difference']:+,.{column['decimals']}f} {column['unit']}".rstrip() if "difference" in cell else None


def _against(column: Data, cell: Data, shown: list[str]) -> str | None:
    """Ours less the paper's."""
    mine = next((cell[side]["mean"] for side in reversed(shown) if cell[side]), None)
    if mine is None or cell["paper"] is None:
        return None
    return f"{mine - float(cell['paper']):+,.{column['decimals']}f} {column['unit']}".rstrip()


def _side(view: View, row: Data, column: Data, side: str) -> dict[str, Any]:
    found = row["cells"][column["name"]][side]
    digits = column["decimals"]
    interval = None
    if found["low"] is not None:
        interval = f"{found['low']:,.{digits}f} to {found['high']:,.{digits}f}"
    counted = f"{found['rounds']} rounds" if found.get("rounds") else None
    if found["n"]:
        counted = f"{found['n']} seed{'s' * (found['n'] != 1)}"
    return {
        "source": SOURCES[side],
        "value": f"{found['mean']:,.{digits}f} {column['unit'] if column['unit'] != 'points' else ''}".rstrip(),
        "interval": interval,
        "n": counted,
        "runs": _by_run(found["runs"]),
        "cost": found.get("cost"),
        "budget": view.data["budget"] if side == "here" else DEFAULT_BUDGET,
    }


def _by_run(names: list[str]) -> dict[str, list[str]]:
    """``<run id>/<seed>``: the seeds of each run id."""
    found: dict[str, list[str]] = {}
    for name in names:
        run_id, _, seed = name.rpartition("/")
        found.setdefault(run_id, []).append(seed)
    return found


def _commands(view: View, row: str, column: Data) -> list[str]:
    """What makes the number again: the row alone, or all that it is measured with."""
    if not view.table.row(row).implemented:
        return []
    if column["kind"] == "timed":
        return [f".venv/bin/python -m experiments.measure table={view.name}"]
    planned = any(each.row == row for each in view.request.rows)
    if column["kind"] == "computed" or not planned:
        return [f"make {view.name}"]
    seeds = ",".join(map(str, view.table.seeds))
    budget = view.data["budget"]
    return [
        f".venv/bin/python -m experiments.run experiment={view.name}/{row} budget={budget} seed={view.table.seeds[0]}",
        f"make {view.name} BUDGET={budget} SEEDS={seeds}",
    ]
