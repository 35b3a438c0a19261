"""Pictures of faces with points, as every source of them gives it and every consumer takes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class LandmarkSet:
    """``N`` faces, one a picture.

    ``images``: (N, H, W, 3) uint8 RGB, or ``N`` of sizes of their own. ``points``: (N, K, 2) float32, x to the right and
    y down, in pixels of the picture; the centre of its first pixel is (0, 0). ``attributes``: what is known of each face,
    (N,) each, such as ``yaw`` in degrees. ``names``: of the pictures, for messages and figures.
    """

    images: np.ndarray | Sequence[np.ndarray]
    points: np.ndarray
    attributes: Mapping[str, np.ndarray] = field(default_factory=dict)
    names: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.points)
