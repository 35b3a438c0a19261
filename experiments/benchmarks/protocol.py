"""How speeds are measured that are to be compared: in rounds, between which the machine itself is watched.

A round takes one sample of every side, in an order drawn anew, so that what disturbs the machine disturbs all sides alike.
Before and after it runs a reference, a piece of work that is always the same: where that took another time than it
usually does, the machine was not itself, and the round is done again. Imports no torch.
"""

import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

DRIFT = 0.05  # share of the reference's usual speed; a round in which it moved by more is done again
MOST_REDONE = 10  # rounds in all; later ones are kept as they are, and counted
Side = Callable[[], float]


@dataclass(frozen=True)
class Measured:
    """``samples``: {side: one a round, the rounds of the first repeat, then those of the next}.

    ``drifted``: how many of these rounds the machine drifted in; ``redone``: how many others were thrown away for that.
    ``reference``: its speed before and after each round, thrown away or not, in the order of time.
    """

    samples: Mapping[str, Sequence[float]]
    drifted: int
    redone: int
    reference: Sequence[float]


def measured(
    sides: Mapping[str, Side],
    reference: Side,
    rounds: int,
    repeats: int,
    said: Callable[[int, int], None],
    most_redone: int = MOST_REDONE,
) -> Measured:
    """``rounds`` rounds of all sides, ``repeats`` times over. The orders are the same at each call.

    ``said`` is told after each round how many are done and how many were done again. A repeat knows no other: what is
    usual is the median of its own references so far.
    """
    orders = random.Random(0)
    samples: dict[str, list[float]] = {name: [] for name in sides}
    watched: list[float] = []
    drifted = redone = began = 0
    for number in range(rounds * repeats):
        if number % rounds == 0:
            began = len(watched)
        while True:
            usual = watched[began:]
            ends, values = _round(sides, reference, orders)
            watched += ends
            moved = _moved(ends, usual)
            if not moved or redone == most_redone:
                break
            redone += 1
            said(number, redone)
        drifted += moved
        for name, value in values.items():
            samples[name].append(value)
        said(number + 1, redone)
    return Measured(samples, drifted, redone, watched)


def _round(sides: Mapping[str, Side], reference: Side, orders: random.Random) -> tuple[list[float], dict[str, float]]:
    """The reference before and after, and a sample of each side."""
    before = reference()
    values = {name: sides[name]() for name in orders.sample(list(sides), len(sides))}
    return [before, reference()], values


def _moved(ends: Sequence[float], usual: Sequence[float]) -> bool:
    """Of a repeat's first round, whether its end differs from its beginning."""
    level = statistics.median(usual or ends[:1])
    return any(abs(speed / level - 1) > DRIFT for speed in ends)
