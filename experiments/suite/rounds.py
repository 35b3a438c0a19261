"""Numbers that were measured in rounds: their median and its interval. Nothing is assumed about how they spread."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
MIN_ROUNDS = 10  # fewer are shown and not judged


@dataclass(frozen=True)
class Median:
    """``low`` and ``high``: its 95 % interval, None of fewer than six rounds."""

    estimate: float
    low: float | None
    high: float | None
    rounds: int


def median(values: Sequence[float]) -> Median:
    """Of one number a round. Its interval runs from the k-th lowest to the k-th highest of them.

    The true median lies below the k-th lowest of n when fewer than k of n tosses of a coin are heads; k is the largest
    for which that, on both sides together, happens in at most 5 % of cases.
    """
    ordered = sorted(values)
    n, k = len(ordered), 0
    below = 0.0  # probability of fewer than k + 1 heads
    while 2 * (below := below + math.comb(n, k) / 2**n) <= 1 - LEVEL:
        k += 1
    low, high = (ordered[k - 1], ordered[n - k]) if k else (None, None)
    return Median(float(np.median(ordered)), low, high, n)
