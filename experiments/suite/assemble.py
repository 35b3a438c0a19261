"""A table as data: every cell with the paper's, the published and this machine's number, every claim with its verdicts.

The result is plain JSON, and all that rendering needs.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.suite import claim_estimate, claims, scale, statistics
from experiments.suite.columns import Column, printed_text
from experiments.suite.contract import Row, Table
from experiments.suite.paper import PaperTable, agrees
from experiments.suite.record import Record
from experiments.suite.samples import Records, aligned, finished, lost
from experiments.suite.statements import statement

DIGITS = 10  # significant ones kept: below them, sums differ between processors and a table would not print twice alike


def assemble(
    table: Table,
    budget: str,
    published: Records,
    here: Records,
    row_notes: Mapping[str, str],
    published_budget: str | None = None,
) -> dict[str, Any]:
    """``published`` and ``here``: the records of each row; ``row_notes``: what the planner has to say about a row.

    ``budget`` is that of ``here``, and of ``published`` unless it has its own. Claims are judged by the contract's seeds.
    An extra row is shown where this machine was asked for it or somebody has published it.
    """
    sides = {"published": published, "here": here}
    budgets = {"published": published_budget or budget, "here": budget}
    verdicts = {side: claims.judge(table, budgets[side], _of_contract(table, sides[side])) for side in sides}
    scaled = scale.notes(table, sides.values())
    said = {row.name: [scaled.get(row.name), row_notes.get(row.name)] for row in table.rows}
    rows = [row for row in table.rows if not row.extra or row.name in here or published.get(row.name)]
    return _tidy(
        {
            "table": table.name,
            "title": table.title,
            "paper": dict(table.source.paper),
            "paper_source": _source(table.source),
            "budget": budget,
            "data": _data(sides),
            "columns": [_column(column) for column in table.columns],
            "rows": [_row(table, row, sides, said[row.name]) for row in rows],
            "claims": [
                {
                    "id": claim.id,
                    "kind": claim.kind,
                    "statement": statement(table, claim),
                    "metric": claim.metric,
                    "rows": list(claim.rows),
                    "margin": None if claim.kind == "exact" else claim.margin,
                    "paper": claim_estimate.printed(table, claim),
                    **{side: verdicts[side][claim.id] for side in sides},
                }
                for claim in table.claims
            ],
            "notes": list(table.notes),
        }
    )


def _of_contract(table: Table, records: Records) -> Records:
    return {name: [record for record in row if record.seed in table.seeds] for name, row in records.items()}


def _tidy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tidy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def _source(source: PaperTable) -> dict[str, Any]:
    return {"pointer": source.pointer, "printed_as": source.printed_as, "verified": source.verified}


def _column(column: Column) -> dict[str, Any]:
    keys = ("name", "label", "header", "kind", "better", "unit", "decimals")
    return {key: getattr(column, key) for key in keys}


def _data(sides: Mapping[str, Records]) -> str | None:
    """On what the measured columns were obtained, None before the first run."""
    by_side = {side: sorted({_obtained(r) for row in records.values() for r in row}) for side, records in sides.items()}
    found = list(dict.fromkeys(words for side in by_side.values() for words in side))
    if len(found) > 1:
        names = {"published": "published", "here": "this machine"}
        return "; ".join(f"{names[side]}: {' and '.join(words)}" for side, words in by_side.items() if words)
    return found[0] if found else None


def _obtained(record: Record) -> str:
    data, budget = record.config.get("data") or {}, record.config.get("budget") or {}
    seen = budget.get("images_seen")
    amount = f"{seen:,} training images seen" if isinstance(seen, int) else "the recipe's own training length"
    return f"{data.get('name', 'unknown data')}, {amount}"


def _row(table: Table, row: Row, sides: Mapping[str, Records], said: Sequence[str | None]) -> dict[str, Any]:
    records = {side: list(found.get(row.name, ())) for side, found in sides.items()}
    found: dict[str, Any] = {
        "row": row.name,
        "label": row.label,
        **({"extra": True} if row.extra else {}),
        "cells": {column.name: _cell(column, row, records) for column in table.columns},
    }
    if row.source != table.source:
        found["paper_source"] = _source(row.source)
    notes = [row.note, *_state(row, records), *_contradictions(table, records), *said]
    kept = "; ".join(dict.fromkeys(note for note in notes if note))
    return {**found, "note": kept} if kept else found


def _state(row: Row, records: Mapping[str, Sequence[Record]]) -> list[str]:
    if not row.implemented:
        return ["not implemented"]
    if not any(records.values()):
        return ["not run"]
    words: list[str] = []
    for side, name in (("published", "published"), ("here", "this machine")):
        words += [f"{name}: {word}" for word in lost(records[side])]
        configurations = sorted({record.run_id for record in records[side]})
        if len(configurations) > 1:
            words.append(f"{name}: runs of {len(configurations)} configurations, {', '.join(configurations)}")
    return words


def _contradictions(table: Table, records: Mapping[str, Sequence[Record]]) -> list[str]:
    words: list[str] = []
    for column in table.columns:
        values = claims.computed(column, [record for side in records.values() for record in side])
        if column.kind == "computed" and len(values) > 1:
            words.append(f"the runs disagree on {column.name}: {' and '.join(map(column.text, values))}")
    return words


def _cell(column: Column, row: Row, records: Mapping[str, Sequence[Record]]) -> dict[str, Any]:
    printed = row.paper[column.name]
    cell: dict[str, Any] = {"paper": printed}
    if printed is not None:
        cell["printed"] = printed_text(printed)
    notes = [row.cell_notes.get(column.name)]
    for side, found in records.items():
        cell[side], problem = _number(column, found)
        notes.append(problem)
    if cell["published"] and cell["here"]:
        cell["difference"] = cell["here"]["mean"] - cell["published"]["mean"]
    known = cell["here"] or cell["published"]
    if column.kind == "computed" and printed is not None and known and not agrees(known["mean"], printed):
        notes.append(None if notes[0] else f"{column.text(known['mean'])} is not what the paper prints")
    kept = "; ".join(dict.fromkeys(note for note in notes if note))
    return {**cell, "note": kept} if kept else cell


def _number(column: Column, records: Sequence[Record]) -> tuple[dict[str, Any] | None, str | None]:
    """The cell of one side, and what is wrong with it."""
    usable = finished(column, records)
    if not usable:
        return None, None
    runs = [f"{record.run_id}/{seed}" for seed, record in usable.items()]
    if column.kind == "computed":
        first = next(iter(usable.values()))
        return {"mean": column.value(first), "low": None, "high": None, "n": None, "runs": runs}, None
    try:
        samples = aligned(column, ["row"], {"row": records})
    except ValueError as error:
        return None, str(error)
    mean = statistics.row_mean(samples.values[0], samples.images[0] if samples.images else None, column.statistic)
    return {"mean": mean.estimate, "low": mean.low, "high": mean.high, "n": mean.n, "runs": runs}, None
