"""Whose a text beside a point is: a reader takes it for the nearest point's."""

import numpy as np

TOLERANCE = 1.0  # pixels


def is_nearest(own: np.ndarray, box: np.ndarray, points: np.ndarray) -> bool:
    """Whether no other of the (N, 2) points is nearer to the text's box than its ``own`` (2,).

    ``box`` (4,): left, bottom, right, top, in pixels, as are the points. A point inside it is at distance 0.
    """
    return bool(_gaps(own[None], box)[0] <= _gaps(points, box).min() + TOLERANCE)


def _gaps(points: np.ndarray, box: np.ndarray) -> np.ndarray:
    """(N,): how far each of the (N, 2) points is from the box."""
    outside = np.maximum(np.maximum(box[:2] - points, points - box[2:]), 0)
    return np.hypot(outside[:, 0], outside[:, 1])
