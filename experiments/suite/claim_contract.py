"""One claim as a contract declares it, checked against the table's rows, columns and the paper's numbers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from experiments.suite import yamls
from experiments.suite.columns import Column

Kind = Literal["exact", "absolute", "ordering", "delta", "ratio", "equivalent", "noninferior", "trend", "gap", "below"]
Direction = Literal["increasing", "decreasing"]
PaperValues = Mapping[str, float | int | None]

# The fields of each kind that name a row. `equals` may also be the word `paper`. A trend has `rows`, a list; a gap has
# two leads, `wider` and `than`, each with its `better` and its `worse` row.
ROLES: dict[str, tuple[str, ...]] = {
    "exact": ("row", "equals"),
    "absolute": ("row",),
    "ordering": ("better", "worse"),
    "delta": ("row", "minus"),
    "ratio": ("row", "over"),
    "equivalent": ("row", "to"),
    "noninferior": ("row", "than"),
    "trend": (),
    "gap": (),
    "below": ("row",),
}
LEADS, SIDES = ("wider", "than"), ("better", "worse")
ZERO_MARGIN = ("ordering", "delta", "trend", "gap")  # the others ask whether something lies within the margin


@dataclass(frozen=True)
class Claim:
    """``rows`` in the order of ROLES; an exact claim against the paper has one row.

    Those of a gap are better and worse of `wider`, then of `than`; one row may stand in both leads.

    ``margin`` is in the unit of the metric; of a ratio it is a share of the paper's ratio; of a trend it is the change
    from one row to the next, and of a claim below it is the bound. An exact claim has none: it is 0.
    """

    id: str
    kind: Kind
    metric: str
    rows: tuple[str, ...]
    margin: float = 0.0
    direction: Direction | None = None
    statement: str | None = None


def read_claims(
    value: Any, place: yamls.Place, columns: Sequence[Column], rows: Mapping[str, PaperValues], absent: Sequence[str]
) -> tuple[Claim, ...]:
    """``rows``: the paper's numbers of each implemented row; ``absent``: rows that are only printed."""
    claims: list[Claim] = []
    for index, item in enumerate(place.sequence(value)):
        claim = _read_claim(item, place / index, columns, rows, absent)
        if any(claim.id == other.id for other in claims):
            raise place.error(f"the id '{claim.id}' is used twice, give each claim its own")
        claims.append(claim)
    return tuple(claims)


def _read_claim(
    item: Any, place: yamls.Place, columns: Sequence[Column], rows: Mapping[str, PaperValues], absent: Sequence[str]
) -> Claim:
    place.mapping(item, ("id", "kind"), None)
    identifier = place.text(item["id"])
    place = yamls.Place(place.file, f"claims.{identifier}")
    kind = item["kind"]
    if kind not in get_args(Kind):
        raise place.error(yamls.unknown("kind", kind, get_args(Kind)))
    fields = {"trend": ("rows", "direction"), "gap": LEADS}.get(kind, ROLES[kind])
    margin = () if kind == "exact" else ("margin",)
    place.mapping(item, ("id", "kind", "metric", *fields, *margin), ("statement",))
    names = [column.name for column in columns]
    if item["metric"] not in names:
        raise place.error(yamls.unknown("column", item["metric"], names))
    claim = Claim(
        id=identifier,
        kind=kind,
        metric=item["metric"],
        rows=_rows(item, place, kind, rows, absent),
        margin=_margin(item, place, kind),
        direction=_direction(item, place),
        statement=(place / "statement").text(item["statement"]) if "statement" in item else None,
    )
    _check_paper(claim, place, rows)
    if kind == "exact" and next(column for column in columns if column.name == claim.metric).kind != "computed":
        raise place.error(f"{claim.metric} is measured, an exact claim needs a computed column")
    return claim


def _rows(
    item: Mapping[str, Any], place: yamls.Place, kind: str, rows: Mapping[str, PaperValues], absent: Sequence[str]
) -> tuple[str, ...]:
    if kind == "gap":
        return _gap_rows(item, place, rows, absent)
    if kind == "trend":
        named = [("rows", name) for name in (place / "rows").sequence(item["rows"])]
        if len(named) < 3:
            raise place.error("a trend needs at least 3 rows")
    else:
        named = [(role, item[role]) for role in ROLES[kind]]
    if kind == "exact" and item["equals"] == "paper":
        named.pop()
    return _distinct(named, place, rows, absent)


def _gap_rows(
    item: Mapping[str, Any], place: yamls.Place, rows: Mapping[str, PaperValues], absent: Sequence[str]
) -> tuple[str, ...]:
    leads: list[tuple[str, ...]] = []
    for lead in LEADS:
        named = (place / lead).mapping(item[lead], SIDES)
        leads.append(_distinct([(side, named[side]) for side in SIDES], place / lead, rows, absent))
    if set(leads[0]) == set(leads[1]):
        raise place.error("wider and than compare the same two rows, which is an ordering")
    return leads[0] + leads[1]


def _distinct(
    named: Sequence[tuple[str, Any]], place: yamls.Place, rows: Mapping[str, PaperValues], absent: Sequence[str]
) -> tuple[str, ...]:
    """The names of (role, name) pairs: known rows, each once."""
    for role, name in named:
        if name in absent:
            raise (place / role).error(f"row '{name}' is not implemented, so nothing can be claimed of it")
        if not isinstance(name, str) or name not in rows:
            known = [*rows, "paper"] if role == "equals" else rows
            raise (place / role).error(yamls.unknown("row", name, known))
    found = tuple(name for _, name in named)
    if len(set(found)) < len(found):
        raise place.error("names one row twice")
    return found


def _margin(item: Mapping[str, Any], place: yamls.Place, kind: str) -> float:
    if kind == "exact":
        return 0.0
    margin = item["margin"]
    number = isinstance(margin, (int, float)) and not isinstance(margin, bool) and math.isfinite(margin)
    if not number or margin < 0 or (margin == 0 and kind not in ZERO_MARGIN):
        least = "0 or more" if kind in ZERO_MARGIN else "more than 0"
        raise (place / "margin").error(f"is {margin!r}, write a number, {least}")
    if kind == "ratio" and margin >= 1:
        raise (place / "margin").error(f"is {margin!r}, write a share of the paper's ratio, less than 1")
    return float(margin)


def _direction(item: Mapping[str, Any], place: yamls.Place) -> Direction | None:
    if item["kind"] != "trend":
        return None
    if item["direction"] not in get_args(Direction):
        raise (place / "direction").error(yamls.unknown("direction", item["direction"], get_args(Direction)))
    return cast(Direction, item["direction"])


def _check_paper(claim: Claim, place: yamls.Place, rows: Mapping[str, PaperValues]) -> None:
    """A claim that compares with the paper needs the paper's numbers."""
    against_paper = claim.kind in ("absolute", "delta", "ratio") or (claim.kind == "exact" and len(claim.rows) == 1)
    if not against_paper:
        return
    printed = [rows[name][claim.metric] for name in claim.rows]
    for name, number in zip(claim.rows, printed, strict=True):
        if number is None:
            raise place.error(
                f"the paper prints no {claim.metric} for row '{name}', so there is nothing to compare with"
            )
    if claim.kind == "delta" and printed[0] == printed[1]:
        raise place.error("the paper prints the same number for both rows, so its difference has no sign")
    if claim.kind == "ratio" and any(not number or number < 0 for number in printed):
        raise place.error("the paper's numbers must be positive for a ratio")
