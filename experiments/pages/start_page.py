"""The first page: a row for each table, what was found, and where to click."""

from typing import Any

from experiments.pages import templating, words
from experiments.pages.gather import Report, Runs, View
from experiments.suite.plan import FINISHED


def files(report: Report) -> dict[str, str]:
    entries = [_entry(report, view) for view in report.views]
    totals = words.counted(claim[view.side(claim)]["verdict"] for view in report.views for claim in view.data["claims"])
    runs = [record for each in report.runs.values() for record in each.records.values()]
    page = templating.page(
        "start.html",
        "",
        title="Tables",
        report=report,
        entries=entries,
        totals=totals,
        claims=sum(totals.values()),
        count=len(runs),
        trained=words.time_of(sum(record.provenance.get("wall_s", 0) for record in runs)),
    )
    return {"index.html": page}


def _entry(report: Report, view: View) -> dict[str, Any]:
    mine = [each for each in report.runs.values() if any(table == view.name for table, *_ in each.rows)]
    evidence = view.evidence
    promised = [row for row in view.request.rows if not view.table.row(row.row).extra]
    done = sum(record.status in FINISHED for row in promised for record in evidence.records.get(row.row, ()))
    source = view.table.source.paper
    return {
        "name": view.name,
        "title": view.data["title"],
        "paper": words.paper_name(source),
        "link": words.arxiv_link(source),
        "verdicts": words.counted(claim[view.side(claim)]["verdict"] for claim in view.data["claims"]),
        "claims": len(view.data["claims"]),
        "done": done,
        "total": sum(len(view.table.seeds_of(row.row)) for row in promised),
        "budget": view.data["budget"] if view.table.is_trained else "none",
        "last": _last(mine, view),
        "trained": sum(_seconds(each) for each in mine),
        "time": words.time_of(sum(_seconds(each) for each in mine)),
    }


def _seconds(runs: Runs) -> float:
    return sum(record.provenance.get("wall_s", 0) for record in runs.records.values())


def _last(runs: list[Runs], view: View) -> str:
    """The day of the last run, or of the measurement; empty where there is neither."""
    days = [record.provenance.get("started_at") for each in runs for record in each.records.values()]
    timing = view.here.timing or view.published.timing
    days += [timing.provenance.get("at")] if timing else []
    return max((str(day)[:10] for day in days if day), default="")
