"""What the points of the 5-, 68- and 98-point markups are, and which of them change places in a mirror.

68 points: Sagonas et al., 2013, "300 faces in-the-wild challenge", figure 1. 98 points: Wu et al., 2018, "Look at
boundary" (WFLW), figure 7. 5 points: CelebA, Liu et al., 2015. All indices start at 0; left is the viewer's left.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from lightning_modules.errors import UserError

# Points that change places when the picture is mirrored; points not named stay.
_PAIRS = {
    5: [(0, 1), (3, 4)],
    68: [(i, 16 - i) for i in range(8)]  # jaw
    + [(17 + i, 26 - i) for i in range(5)]  # brows
    + [(31, 35), (32, 34)]  # nose
    + [(36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)]  # eyes
    + [(48, 54), (49, 53), (50, 52), (55, 59), (56, 58), (60, 64), (61, 63), (65, 67)],  # mouth
    98: [(i, 32 - i) for i in range(16)]  # jaw
    + [(33 + i, 46 - i) for i in range(5)]  # brows, upper edge
    + [(38, 50), (39, 49), (40, 48), (41, 47)]  # brows, lower edge
    + [(55, 59), (56, 58)]  # nose
    + [(60, 72), (61, 71), (62, 70), (63, 69), (64, 68), (65, 75), (66, 74), (67, 73), (96, 97)]  # eyes, pupils
    + [(76, 82), (77, 81), (78, 80), (83, 87), (84, 86), (88, 92), (89, 91), (93, 95)],  # mouth
}
# The five points as means of points of the markup: left eye, right eye, nose tip, left and right corner of the mouth.
_FIVE: dict[int, tuple[Sequence[int], ...]] = {
    5: ([0], [1], [2], [3], [4]),
    68: (range(36, 42), range(42, 48), [30], [48], [54]),
    98: ([96], [97], [54], [76], [82]),
}
MARKUPS = tuple(_PAIRS)
NAMES_OF_5 = ("left eye", "right eye", "nose", "left mouth corner", "right mouth corner")


def _flip_map(points: int) -> tuple[int, ...]:
    order = list(range(points))
    for one, other in _PAIRS[points]:
        order[one], order[other] = other, one
    return tuple(order)


FLIP: Mapping[int, tuple[int, ...]] = MappingProxyType({points: _flip_map(points) for points in MARKUPS})


def flipped(points: np.ndarray, width: float) -> np.ndarray:
    """The points (..., K, 2) of a picture of ``width`` pixels after it was mirrored left to right, in the markup's order.

    Raises UserError for a markup that is not known.
    """
    order = list(FLIP[_known(points.shape[-2])])
    mirrored = points[..., order, :].copy()
    mirrored[..., 0] = width - 1 - mirrored[..., 0]
    return mirrored


def five_points(points: np.ndarray) -> np.ndarray:
    """(..., K, 2) of a markup that is known -> (..., 5, 2). Raises UserError for another one."""
    groups = _FIVE[_known(points.shape[-2])]
    return np.stack([points[..., list(group), :].mean(-2) for group in groups], -2)


def _known(points: int) -> int:
    if points not in MARKUPS:
        raise UserError(f"faces with {points} points: the markups known here have {', '.join(map(str, MARKUPS))}")
    return points
