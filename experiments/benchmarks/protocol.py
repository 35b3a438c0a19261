"""How speeds are measured that are to be compared: in rounds, within which the machine itself is watched.

A round takes one sample of every side. Sides that are compared are a block and stand next to each other, so that a machine
that is slower for some seconds is so for all of them; blocks, and the sides in each, come in an order drawn anew. Before
and after a block runs a reference, a piece of work that is always the same: where that took another time than it usually
does, the machine was not itself, and the block is done again. Imports no torch.
"""

import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

DRIFT = 0.05  # share of the reference's usual speed; a block in which it moved by more is done again
MOST_REDONE = 10  # blocks of a round; later ones are kept as they are, and the round is counted
Side = Callable[[], float]


@dataclass(frozen=True)
class Measured:
    """``samples``: {side: one a round, the rounds of the first repeat, then those of the next}.

    ``drifted``: how many of these rounds have a block in which the machine drifted; ``redone``: how many blocks were thrown
    away for that. ``reference``: its speed before and after each block, thrown away or not, in the order of time.
    """

    samples: Mapping[str, Sequence[float]]
    drifted: int
    redone: int
    reference: Sequence[float]


def measured(
    blocks: Sequence[Mapping[str, Side]],
    reference: Side,
    rounds: int,
    repeats: int,
    said: Callable[[int, int], None],
    most_redone: int = MOST_REDONE,
) -> Measured:
    """``rounds`` rounds of all blocks, ``repeats`` times over. The orders are the same at each call.

    ``said`` is told after each round how many are done and how many blocks were done again. A repeat knows no other: what
    is usual is the median of its own references so far.
    """
    orders = random.Random(0)
    samples: dict[str, list[float]] = {name: [] for block in blocks for name in block}
    watched: list[float] = []
    drifted = redone = began = 0
    for number in range(rounds * repeats):
        if number % rounds == 0:
            began = len(watched)
        left, moved = most_redone, False
        for block in orders.sample(blocks, len(blocks)):
            while True:
                usual = watched[began:]
                ends, values = _sampled(block, reference, orders)
                watched += ends
                block_moved = _moved(ends, usual)
                if not block_moved or not left:
                    break
                left -= 1
            moved |= block_moved
            for name, value in values.items():
                samples[name].append(value)
        redone += most_redone - left
        drifted += moved
        said(number + 1, redone)
    return Measured(samples, drifted, redone, watched)


def _sampled(block: Mapping[str, Side], reference: Side, orders: random.Random) -> tuple[list[float], dict[str, float]]:
    """The reference before and after, and a sample of each side."""
    before = reference()
    values = {name: block[name]() for name in orders.sample(list(block), len(block))}
    return [before, reference()], values


def _moved(ends: Sequence[float], usual: Sequence[float]) -> bool:
    """Of a repeat's first block, whether its end differs from its beginning."""
    level = statistics.median(usual or ends[:1])
    return any(abs(speed / level - 1) > DRIFT for speed in ends)
