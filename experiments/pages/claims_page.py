"""Every claim of every paper: its verdict, and its estimate beside the paper's value."""

from typing import Any

from experiments.pages import interval, templating, words
from experiments.pages.gather import Data, Report, View
from experiments.suite.rendering import SIDES, SOURCES, margin, of_paper, outcome


def files(report: Report) -> dict[str, str]:
    entries = [entry(view, claim) for view in report.views for claim in view.data["claims"]]
    choices = {
        "paper": list(dict.fromkeys(each["paper"] for each in entries)),
        "net": sorted({net for each in entries for net in each["nets"]}),
        "verdict": [verdict for verdict in words.VERDICTS if any(each["verdict"] == verdict for each in entries)],
    }
    counts = words.counted(each["verdict"] for each in entries)
    page = templating.page(
        "claims.html", "", title="Claims", report=report, entries=entries, choices=choices, counts=counts
    )
    return {"claims.html": page}


def entry(view: View, claim: Data) -> dict[str, Any]:
    """One claim as the pages show it. Of two sides that say nothing, one is enough."""
    said = [side for side in SIDES if claim[side]["verdict"] != "not run"] or ["published"]
    return {
        "id": claim["id"],
        "table": view.name,
        "statement": claim["statement"],
        "margin": margin(view.data, claim),
        "paper": words.paper_name(view.table.row(claim["rows"][0]).source.paper),
        "paper_value": of_paper(view.data, claim),
        "nets": view.nets(claim["rows"]),
        "verdict": claim[view.side(claim)]["verdict"],
        "sides": _joined([_side(view, claim, side) for side in said]),
    }


def _side(view: View, claim: Data, side: str) -> dict[str, Any]:
    return {
        "source": SOURCES[side],
        "verdict": claim[side]["verdict"],
        "outcome": outcome(view.data, claim, side),
        "picture": interval.picture(view, claim, side),
    }


def _joined(sides: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What both sides say alike is said once."""
    first, *others = sides
    same = others and all(each[key] == first[key] for each in others for key in ("verdict", "outcome", "picture"))
    return [{**first, "source": " and ".join(each["source"] for each in sides)}] if same else sides
