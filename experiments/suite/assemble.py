"""A table as data: every cell with the paper's, the published and this machine's number, every claim with its verdicts.

The result is plain JSON, and all that rendering needs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from experiments.suite import (
    ced,
    claim_estimate,
    claims,
    correlation,
    face_groups,
    file_parts,
    rounds,
    scale,
    statistics,
    timed_claims,
)
from experiments.suite.columns import Column, printed_text
from experiments.suite.contract import Table
from experiments.suite.evidence import Evidence, with_derived
from experiments.suite.load import BUSY
from experiments.suite.paper import PaperTable, agrees
from experiments.suite.record import Record
from experiments.suite.row_contract import Row
from experiments.suite.samples import aligned, finished, lost
from experiments.suite.statements import statement

DIGITS = 10  # significant ones kept: below them, sums differ between processors and a table would not print twice alike


def assemble(
    table: Table,
    budget: str,
    published: Evidence,
    here: Evidence,
    row_notes: Mapping[str, str],
    published_budget: str | None = None,
) -> dict[str, Any]:
    """``published`` and ``here``: what is known of the rows; ``row_notes``: what the planner has to say about a row.

    ``budget`` is that of ``here``, and of ``published`` unless it has its own. Claims are judged by the contract's seeds.
    An extra row is shown where this machine was asked for it or somebody has published it.
    """
    sides = {side: with_derived(found, table.columns) for side, found in (("published", published), ("here", here))}
    budgets = {"published": published_budget or budget, "here": budget}
    table = replace(
        table, columns=tuple(each for each in table.columns if not each.needs_gpu or _is_known(each, sides))
    )
    verdicts = {side: _judged(table, budgets[side], found) for side, found in sides.items()}
    scaled = scale.notes(table, [found.records for found in sides.values()])
    said = {row.name: [scaled.get(row.name), row_notes.get(row.name)] for row in table.rows}
    rows = [row for row in table.rows if not row.extra or row.name in here.records or _known(row, sides)]
    files = file_parts.of_rows(rows, sides)
    return _tidy(
        {
            "table": table.name,
            "title": table.title,
            "paper": dict(table.source.paper),
            "paper_source": _source(table.source),
            "budget": budget,
            "data": _data(sides),
            **(
                {"speed": _by_side({side: _circumstances(table, found) for side, found in sides.items()})}
                if table.timed
                else {}
            ),
            "columns": [_column(column) for column in table.columns],
            "rows": [_row(table, row, sides, said[row.name]) for row in rows],
            **({"files": files} if files else {}),
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
            **({"figure": table.figure.to_json()} if table.figure else {}),
            **({"correlation": correlation.of_table(table, sides)} if table.correlate else {}),
            **({"ced": ced.of_table(*table.ced, rows, sides)} if table.ced else {}),
            **(
                {"groups": face_groups.of_table(table.groups, table.column(table.groups.metric), rows, sides)}
                if table.groups
                else {}
            ),
        }
    )


def _known(row: Row, sides: Mapping[str, Evidence]) -> bool:
    return any(found.knows(row.name) for found in sides.values())


def _is_known(column: Column, sides: Mapping[str, Evidence]) -> bool:
    timings = [found.timing for found in sides.values() if found.timing]
    return any(timing.values(row, column.name) for timing in timings for row in timing.samples)


def _judged(table: Table, budget: str, found: Evidence) -> dict[str, dict[str, Any]]:
    """By claim id. What is computed or timed of a row is known without a run; what is trained is not."""
    runs = {name: [record for record in row if record.seed in table.seeds] for name, row in found.records.items()}
    verdicts = claims.judge(table, budget, runs)
    known = replace(found, records=runs)
    for claim in table.claims:
        column = table.column(claim.metric)
        if column.kind == "computed":
            records = {row: known.of(row, column) for row in claim.rows}
            verdicts[claim.id] = claims.examine(table, claim, budget, records).to_json()
        elif column.in_rounds:
            verdicts[claim.id] = timed_claims.judge(table, claim, budget, found.timing)
    return verdicts


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


def _data(sides: Mapping[str, Evidence]) -> str | None:
    """On what the trained columns were obtained, None before the first run."""
    return _by_side(
        {
            side: " and ".join(sorted({obtained(record) for row in found.records.values() for record in row}))
            for side, found in sides.items()
        }
    )


def _by_side(words: Mapping[str, str]) -> str | None:
    """What is said of both sides, once where it is the same; None where there is nothing to say."""
    said = {side: text for side, text in words.items() if text}
    if len(set(said.values())) < 2:
        return next(iter(said.values()), None)
    names = {"published": "published", "here": "this machine"}
    return "; ".join(f"{names[side]}: {text}" for side, text in said.items())


def _circumstances(table: Table, found: Evidence) -> str:
    """Of what timed: ``AMD EPYC, 1 thread, median of 24 rounds in 2 repeats, whose ...``."""
    timing = found.timing
    if not timing or not timing.rounds:
        return ""
    made = timing.provenance
    threads, cpu = made.get("threads"), (made.get("machine") or {}).get("cpu", "unknown processor")
    pinned = ", pinned to a core" if made.get("pinned") else ""
    said = f"{cpu}, {threads} thread{'s' * (threads != 1)}{pinned}, median of {timing.rounds} rounds"
    bases = {row.name: table.base(row.name) for row in table.rows}
    apart = [timing.disagreement(bases, column.name) for column in table.timed]
    if agree := [share for share in apart if share is not None]:
        said += f" in {timing.repeats} repeats, between which no row's ratio to its first row differs by more than {100 * max(agree):.1f} %"
    if made.get("drifted"):
        said += f", in {made['drifted']} of which the machine's own speed moved by more than 5 %"
    others = made.get("others")
    disturbed = isinstance(others, (int, float)) and others > BUSY
    return f"{said}, while other processes kept {others:.1f} cores busy" if disturbed else said


def obtained(record: Record) -> str:
    """On what data, and of how many training images."""
    data, budget = record.config.get("data") or {}, record.config.get("budget") or {}
    seen = budget.get("images_seen")
    amount = f"{seen:,} training images seen" if isinstance(seen, int) else "the recipe's own training length"
    return f"{data.get('name', 'unknown data')}, {amount}"


def _row(table: Table, row: Row, sides: Mapping[str, Evidence], said: Sequence[str | None]) -> dict[str, Any]:
    records = {side: list(found.records.get(row.name, ())) for side, found in sides.items()}
    found: dict[str, Any] = {
        "row": row.name,
        "label": row.label,
        **({"extra": True} if row.extra else {}),
        **({"also": list(row.also)} if row.also else {}),
        "cells": {column.name: _cell(column, row, sides) for column in table.columns},
    }
    if row.source != table.source:
        found["paper_source"] = _source(row.source)
    notes = [row.note, *_state(table, row, records), *_contradictions(table, records), *said]
    kept = _joined(notes)
    return {**found, "note": kept} if kept else found


def _state(table: Table, row: Row, records: Mapping[str, Sequence[Record]]) -> list[str]:
    if not row.implemented:
        return ["not implemented"]
    if not any(records.values()):
        return ["not run"] if table.is_trained else []
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


def _cell(column: Column, row: Row, sides: Mapping[str, Evidence]) -> dict[str, Any]:
    printed = row.paper[column.name]
    cell: dict[str, Any] = {"paper": printed}
    if printed is not None:
        cell["printed"] = printed_text(printed)
    if also := {who: values[column.name] for who, values in row.also.items() if values[column.name] is not None}:
        cell["also"] = {who: {"value": value, "printed": printed_text(value)} for who, value in also.items() if value}
    if column.name in row.simulated:
        cell["simulated"] = True
    notes = [row.cell_notes.get(column.name)]
    for side, found in sides.items():
        cell[side], problem = _number(column, row, found)
        notes.append(problem)
    if cell["published"] and cell["here"]:
        cell["difference"] = cell["here"]["mean"] - cell["published"]["mean"]
    known = cell["here"] or cell["published"]
    exact = column.kind == "computed" and column.scale != "coded"  # of drawn weights, which are not the paper's
    if exact and printed is not None and known and not agrees(known["mean"], printed):
        notes.append(None if notes[0] else f"{column.text(known['mean'])} is not what the paper prints")
    kept = _joined(notes)
    return {**cell, "note": kept} if kept else cell


def _joined(notes: Sequence[str | None]) -> str:
    """Those that there are, once each; a sentence that another note follows loses its full stop."""
    *first, last = list(dict.fromkeys(note for note in notes if note)) or [""]
    return "; ".join([*(note.removesuffix(".") for note in first), last])


def _number(column: Column, row: Row, found: Evidence) -> tuple[dict[str, Any] | None, str | None]:
    """The cell of one side, and what is wrong with it."""
    if column.in_rounds:
        return _speed(column, row, found), None
    records = found.of(row.name, column)
    usable = finished(column, records)
    if not usable:
        return None, None
    if column.kind == "computed":
        first = next(iter(usable.values()))
        of_runs = column.scale != "coded" and found.records.get(row.name)
        source = {"runs": _runs(usable)} if of_runs else {"cost": first.run_id}
        return {"mean": column.value(first), "low": None, "high": None, "n": None, "runs": [], **source}, None
    try:
        samples = aligned(column, ["row"], {"row": records})
    except ValueError as error:
        return None, str(error)
    mean = statistics.row_mean(samples.values[0], samples.images[0] if samples.images else None, column.statistic)
    return {"mean": mean.estimate, "low": mean.low, "high": mean.high, "n": mean.n, "runs": _runs(usable)}, None


def _speed(column: Column, row: Row, found: Evidence) -> dict[str, Any] | None:
    values = found.timing.values(row.name, column.name) if found.timing else []
    if not values:
        return None
    speed = rounds.median(values)
    return {"mean": speed.estimate, "low": speed.low, "high": speed.high, "n": None, "runs": [], "rounds": speed.rounds}


def _runs(records: Mapping[int, Record]) -> list[str]:
    return [f"{record.run_id}/{seed}" for seed, record in records.items()]
