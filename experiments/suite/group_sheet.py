"""The second table of `face_groups` as text: a column for each group of test faces."""

from typing import Any

from experiments.suite.rendering import NOTHING, SIDES, Data, Line, Sheet, number, side_name


def group_sheet(data: Data, sides: Any = SIDES) -> Sheet | None:
    """None where the table has no groups, or no run knows its faces."""
    found = data.get("groups")
    if not found:
        return None
    column = next(each for each in data["columns"] if each["name"] == found["metric"])
    heads = [f"{head} ({faces})" for head, faces in zip(found["heads"], found["faces"], strict=True)]
    blocks = []
    for row in found["rows"]:
        lines = [
            Line(side_name(side, row[side]["n"]), [_text(column, cell) for cell in row[side]["cells"]])
            for side in sides
            if row[side]
        ]
        blocks += [(row["label"], lines)] if lines else []
    return Sheet(heads, blocks) if blocks else None


def _text(column: Data, cell: Data | None) -> str:
    return NOTHING if cell is None else number(column, {"here": cell}, "here")


def group_text(data: Data) -> str:
    """What the numbers of `group_sheet` are."""
    column = next(each for each in data["columns"] if each["name"] == data["groups"]["metric"])
    return f"{column['header']}: mean ± half of the 95 % interval over seeds and the group's faces, whose number stands in brackets in the head."
