"""Positions as distances of a few bits each, with fillers where a distance takes more.

Deep Compression (Han et al., 2016, arXiv:1510.00149), section 2 and figure 2. Of b bits, 0 stands for the distance 1
and 2^b - 1 for 2^b, the first one counted from just before the tensor: so the authors' released SqueezeNet has it.

A filler is an entry like others: the largest distance, and a weight that is zero. Whoever stores the weights gives
fillers a code of their own that means zero, for a weight can be at the largest distance, too.
"""

from dataclasses import dataclass

import numpy as np

MOST_BITS = 16


@dataclass(frozen=True)
class Relative:
    """Entries in order: ``distances`` (n,), less one, and ``filler`` (n,) bool."""

    distances: np.ndarray
    filler: np.ndarray


def encode(positions: np.ndarray, bits: int) -> Relative:
    """``positions``: (n,) int64, ascending, from 0; ``bits``: 1 to 16.

    Raises:
        ValueError: the positions do not ascend.
    """
    gaps = np.diff(positions, prepend=-1) - 1
    if len(gaps) and gaps.min() < 0:
        raise ValueError("positions must ascend from 0 or more")
    fillers = gaps >> bits
    entries = np.arange(len(gaps)) + np.cumsum(fillers)
    count = len(gaps) + int(fillers.sum())
    distances = np.full(count, 2**bits - 1, np.min_scalar_type(2**bits - 1))
    distances[entries] = gaps & (2**bits - 1)
    filler = np.ones(count, bool)
    filler[entries] = False
    return Relative(distances, filler)


def decode(relative: Relative) -> np.ndarray:
    """The positions (n,) int64 of all entries that are no fillers."""
    positions = np.cumsum(relative.distances, dtype=np.int64)
    positions += np.arange(len(positions))
    return positions[~relative.filler]
