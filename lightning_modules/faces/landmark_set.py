"""Pictures of faces with points, as every source of them gives it and every consumer takes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class LandmarkSet:
    """``N`` faces, one a picture.

    ``images``: (N, H, W, 3) uint8 RGB, or ``N`` of sizes of their own. ``points``: (N, K, 2) float32, x to the right and
    y down, in pixels of the picture; the centre of its first pixel is (0, 0). ``attributes``: what is known of each face,
    (N,) each, such as ``yaw`` in degrees. ``names``: of the pictures, for messages and figures. ``known_sizes``: width and
    height (N, 2) where pictures would have to be decoded for them.
    """

    images: np.ndarray | Sequence[np.ndarray]
    points: np.ndarray
    attributes: Mapping[str, np.ndarray] = field(default_factory=dict)
    names: Sequence[str] = ()
    known_sizes: np.ndarray | None = None

    def sizes(self) -> np.ndarray:
        """(N, 2): width and height in pixels."""
        if self.known_sizes is not None:
            return self.known_sizes
        return np.array([(image.shape[1], image.shape[0]) for image in self.images]).reshape(-1, 2)

    def __len__(self) -> int:
        return len(self.points)
