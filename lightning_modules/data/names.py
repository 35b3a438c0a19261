"""A data set's name, where it becomes the name of a file."""

import re

from lightning_modules.errors import UserError


def file_name(name: str) -> str:
    """``name`` itself. Raises UserError unless it is a plain file name: no separators, no dot or dash in front."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
        raise UserError(f"data.name={name}: use letters, digits, _, - and . only, and none of - and . in front")
    return name
