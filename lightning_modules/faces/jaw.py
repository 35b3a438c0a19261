"""The points of the jaw: not places on a head but on its outline, as annotators see it from where the camera is."""

from functools import cache

import numpy as np

from lightning_modules.faces.head import EARS, SKIN, Head, head

MIDDLE = np.array([0.0, 7.05], np.float32)  # of the face, dm: the jaw goes round it
POINTS = 17
APART = 7.0  # degrees about the middle: how far a vertex may be from a point's direction
BAND = (0.80, 1.12)  # of the outline's radius in the mean face: where the vertices of the jaw are
DEPTH = (0.55, 1.0)  # dm: the jaw's edge at the ears and at the chin; what is behind is neck


def outline(of: Head, seen: np.ndarray) -> np.ndarray:
    """The vertices (17,) that are farthest out in the picture where the jaw is, from the viewer's left to right.

    ``seen`` (V, 2): where the vertices are in the picture.
    """
    middle = seen[of.landmarks[27:36]].mean(0)
    found = np.empty(POINTS, np.int64)
    for point, candidates in enumerate(_candidates()):
        away = seen[candidates] - middle
        out = away.mean(0)
        found[point] = candidates[np.argmax(away @ out)]
    return found


@cache
def _candidates() -> tuple[np.ndarray, ...]:
    """For each point the vertices that may be it."""
    body = head()
    free = (body.part == SKIN) & (body.masks[:, EARS] < 0.05)
    away = body.mean[:, :2] - MIDDLE
    radius, angle = np.hypot(*away.T), np.degrees(np.arctan2(away[:, 1], away[:, 0]))
    found = []
    for vertex in body.landmarks[:POINTS]:
        apart = np.abs((angle - angle[vertex] + 180) % 360 - 180)
        share = 1 - abs(body.mean[vertex, 0]) / 0.7  # 0 at the ears, 1 at the chin
        near = free & (radius > BAND[0] * radius[vertex]) & (radius < BAND[1] * radius[vertex])
        near &= body.mean[:, 2] > DEPTH[0] + (DEPTH[1] - DEPTH[0]) * share
        within = APART
        while not (near & (apart < within)).sum() >= 3:
            within += 2
        found.append(np.nonzero(near & (apart < within))[0])
    return tuple(found)
