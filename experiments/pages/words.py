"""Small texts that several pages share."""

from collections.abc import Iterable, Mapping
from typing import Any

from experiments.suite.paper import PaperTable
from experiments.suite.progress import duration
from experiments.suite.rendering import MARKS

VERDICTS = tuple(MARKS)  # in the order in which they are counted


def paper_name(paper: Mapping[str, Any]) -> str:
    """``Iandola et al., 2016``; the title where no author is known."""
    if not paper.get("first_author"):
        return str(paper["title"])
    return f"{paper['first_author']} et al." + (f", {paper['year']}" if paper.get("year") else "")


def edition(source: PaperTable) -> str:
    """Where a printed number stands, and whether somebody has looked it up there."""
    place = source.printed_as or source.pointer
    arxiv = (
        f", arXiv:{source.paper['arxiv']}" if source.paper.get("arxiv") and source.paper["arxiv"] not in place else ""
    )
    checked = {True: "checked", False: "not checked against the paper"}.get(source.verified is True, "")
    said = source.verified if isinstance(source.verified, str) else checked
    return f"{paper_name(source.paper)}{arxiv}, {place} ({said})"


def arxiv_link(paper: Mapping[str, Any]) -> str | None:
    return f"https://arxiv.org/abs/{paper['arxiv']}" if paper.get("arxiv") else None


def counted(verdicts: Iterable[str]) -> dict[str, int]:
    """How many of each verdict, without those that there are none of."""
    found = list(verdicts)
    return {verdict: count for verdict in VERDICTS if (count := found.count(verdict))}


def time_of(seconds: float) -> str:
    return duration(seconds) if seconds else ""
