"""The splits of an image folder, by rules that need no stored list. Imports no torch.

A file's place is drawn by the SHA-256 of a seed and its relative path: the same on every machine, and a file that is
added or taken away moves few others.
"""

import hashlib
import os
from collections.abc import Sequence
from itertools import groupby

from lightning_modules.data.listing import Files
from lightning_modules.errors import UserError


def hold_out(files: Files, share: float, seed: int) -> tuple[Files, Files]:
    """(What is left, what is held out): of each class's n files the ``round(share * n)`` that draw the lowest digest;
    at least one, at most n - 1.

    Raises:
        UserError: the share is none, or a class has a single file.
    """
    if not 0 < share < 1:
        raise UserError(f"data.validation.share={share}: must be above 0 and below 1")
    held: set[int] = set()
    for positions in _by_class(files):
        if len(positions) < 2:
            raise UserError(
                f"data.root: {files.paths[positions[0]]} is the only image of its class; a class needs two, one to "
                "train on and one for the validation"
            )
        count = min(max(round(share * len(positions)), 1), len(positions) - 1)
        held.update(_drawn(files, positions, "validation", seed)[:count])
    return _chosen(files, set(range(len(files))) - held), _chosen(files, held)


def limited(files: Files, limit: int | None, seed: int) -> Files:
    """At most ``limit`` files, spread evenly over the classes.

    Drawn with another digest than ``hold_out``: what that leaves has high ones, in some classes higher than in others.
    """
    if limit is None or limit >= len(files):
        return files
    turns = [
        (turn, _digest(files.paths[position], "limit", seed), position)
        for positions in _by_class(files)
        for turn, position in enumerate(_drawn(files, positions, "limit", seed))
    ]
    return _chosen(files, {position for _, _, position in sorted(turns)[:limit]})


def _by_class(files: Files) -> list[list[int]]:
    """The positions of each class's files, which lie side by side."""
    return [list(group) for _, group in groupby(range(len(files)), key=files.labels.__getitem__)]


def _drawn(files: Files, positions: Sequence[int], purpose: str, seed: int) -> list[int]:
    return sorted(positions, key=lambda position: _digest(files.paths[position], purpose, seed))


def _digest(path: str, purpose: str, seed: int) -> bytes:
    return hashlib.sha256(os.fsencode(f"{purpose}/{seed}/{path}")).digest()


def _chosen(files: Files, positions: set[int]) -> Files:
    order = sorted(positions)
    return Files(tuple(files.paths[i] for i in order), tuple(files.labels[i] for i in order))
