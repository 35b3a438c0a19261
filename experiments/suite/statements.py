"""A claim in words, for the reader of a table."""

from collections.abc import Mapping

from experiments.suite.claim_contract import Claim
from experiments.suite.columns import Column, printed_text
from experiments.suite.contract import Table


def statement(table: Table, claim: Claim) -> str:
    """``Top-1 accuracy: SqueezeNet + simple bypass above Vanilla SqueezeNet``, unless the contract words it itself."""
    if claim.statement:
        return claim.statement
    column = table.column(claim.metric)
    labels = [table.row(name).label for name in claim.rows]
    return f"{column.label}: {_sentence(table, claim, column, labels)}"


def _sentence(table: Table, claim: Claim, column: Column, labels: list[str]) -> str:
    first, last = labels[0], labels[-1]
    amount = with_unit(f"{claim.margin:g}", column)
    paper = {name: table.row(name).paper[claim.metric] for name in claim.rows}
    match claim.kind:
        case "exact" if len(labels) == 1:
            return f"{first} as printed, {_printed(paper, claim.rows[0], column)}"
        case "exact":
            return f"{first} equal to {last}"
        case "absolute":
            return f"{first} within {amount} of the paper's {_printed(paper, claim.rows[0], column)}"
        case "ordering" | "delta":
            above = column.better == "higher"
            if claim.kind == "delta":
                above = (paper[claim.rows[0]] or 0) > (paper[claim.rows[1]] or 0)
            more = f" by more than {amount}" if claim.margin else ""
            asked = ", as in the paper" if claim.kind == "delta" else ""
            return f"{first} {'above' if above else 'below'} {last}{more}{asked}"
        case "ratio":
            ratio = (paper[claim.rows[0]] or 0) / (paper[claim.rows[1]] or 1)
            return f"{first} over {last} is the paper's {ratio:.3g} within {claim.margin:.0%}"
        case "equivalent":
            return f"{first} within {amount} of {last}"
        case "below":
            return f"{first} below {amount}"
        case "noninferior":
            return f"{first} at most {amount} worse than {last}"
        case "trend":
            more = f" by more than {amount} a step" if claim.margin else ""
            return f"{claim.direction} over {', '.join(labels)}{more}"
        case "gap":
            more = f" by more than {amount}" if claim.margin else ""
            return f"the lead of {first} over {labels[1]} larger than that of {labels[2]} over {last}{more}"


def with_unit(number: str, column: Column) -> str:
    return f"{number} {column.unit}".rstrip()


def _printed(paper: Mapping[str, float | int | None], row: str, column: Column) -> str:
    value = paper[row]
    text = "" if value is None else printed_text(value)
    return f"{text} %" if column.unit == "points" else with_unit(text, column)
