"""Where hair grows on the mean head, and how far a head reaches in each direction."""

from functools import cache

import numpy as np

from lightning_modules.faces.head import EARS, SKIN, head, unit
from lightning_modules.faces.noise import smoothstep

CENTRE = np.array([0.0, 7.5, 0.42], np.float32)  # dm, of the skull
# The hairline's height by the angle from the front, in degrees: forehead, temple, sideburn, above and behind the ear, nape.
ANGLES = (0, 20, 38, 50, 62, 72, 82, 92, 104, 118, 135, 180)
HAIRLINE = (7.96, 7.97, 7.93, 7.84, 7.62, 7.42, 7.36, 7.50, 7.52, 7.22, 6.95, 6.72)
SMOOTHLY = 0.12  # dm: no hair is pushed farther at once
ROWS, COLUMNS = 20, 40  # of the table of directions


def angle_from_front(place: np.ndarray) -> np.ndarray:
    """Degrees (n,) from 0 to 180, of places (n, 3) seen from above."""
    return np.degrees(np.arctan2(np.abs(place[:, 0]), place[:, 2] - CENTRE[2])).astype(np.float32)


def scalp(place: np.ndarray, recession: float, crown: float, forehead: float = 0.0) -> np.ndarray:
    """How much hair (n,) from 0 to 1 grows at places (n, 3) of the mean head.

    ``recession``: dm that the temples' hairline has moved up, and half as much that of the forehead; ``crown``: radius of
    the bald place on top, dm; ``forehead``: dm that the front is higher.
    """
    angle = angle_from_front(place)
    line = np.interp(angle, ANGLES, HAIRLINE).astype(np.float32)
    temples = np.exp(-(((angle - 35) / 18) ** 2)) + 0.5 * np.exp(-((angle / 25) ** 2))
    line += recession * temples + forehead * smoothstep(60, 30, angle)
    grown = smoothstep(-0.05, 0.05, place[:, 1] - line)
    if crown > 0:
        away = np.hypot(place[:, 0], place[:, 2] - 0.25)
        grown *= smoothstep(crown - 0.1, crown + 0.1, np.where(place[:, 1] > 7.6, away, np.float32(9)))
    return grown


class Reach:
    """How far a person's head reaches from the skull's centre in each direction, to keep hair out of it."""

    def __init__(self, upright: np.ndarray):
        of_direction, of_head = _directions()
        away = upright[of_head] - CENTRE
        radius = np.linalg.norm(away, axis=1)
        found = radius[of_direction]
        self.table = np.sort(found, axis=1)[:, -2].reshape(ROWS, COLUMNS).astype(np.float32)

    def pushed_out(self, points: np.ndarray, margin: np.ndarray | float) -> np.ndarray:
        """``points`` (..., 3), those inside the head, neck or shoulders moved to ``margin`` dm outside."""
        away = points - CENTRE
        radius = np.linalg.norm(away, axis=-1)
        row, column = _cell(away, radius)
        least = np.minimum(self.table[row, column] + margin, radius + SMOOTHLY)
        above = points[..., 1] > 6.55
        grow = np.where(above & (radius < least), least / (radius + 1e-6), 1.0)
        points = CENTRE + away * grow[..., None]
        # Neck: a cylinder; shoulders and chest: an ellipsoid.
        points = _outside(points, np.array([0, 0, 0.12]), np.array([0.55, np.inf, 0.5]), ~above)
        return _outside(points, np.array([0, 4.3, 0.12]), np.array([2.0, 1.75, 0.85]), ~above)


def _outside(points: np.ndarray, centre: np.ndarray, radii: np.ndarray, where: np.ndarray) -> np.ndarray:
    scaled = (points - centre) / radii
    inside = where & ((scaled**2).sum(-1) < 1)
    grow = 1 / np.sqrt((scaled**2).sum(-1) + 1e-6)
    moved = centre + np.where(np.isinf(radii), points - centre, (points - centre) * grow[..., None])
    return np.where(inside[..., None], moved, points)


def _cell(away: np.ndarray, radius: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    polar = np.arccos(np.clip(away[..., 1] / (radius + 1e-6), -1, 1)) / np.pi
    round_y = np.arctan2(away[..., 0], away[..., 2]) / (2 * np.pi) % 1.0
    row = np.minimum((polar * ROWS).astype(np.int32), ROWS - 1)
    return row, np.minimum((round_y * COLUMNS).astype(np.int32), COLUMNS - 1)


@cache
def _directions() -> tuple[np.ndarray, np.ndarray]:
    """Of each cell's direction the five nearest of the vertices ``of_head``, on the mean head."""
    body = head()
    of_head = np.nonzero((body.part == SKIN) & (body.mean[:, 1] > 6.3) & (body.masks[:, EARS] < 0.02))[0]
    polar, round_y = np.meshgrid((np.arange(ROWS) + 0.5) / ROWS * np.pi, (np.arange(COLUMNS) + 0.5) / COLUMNS * 2 * np.pi,
                                 indexing="ij")  # fmt: skip
    cells = np.stack([np.sin(polar) * np.sin(round_y), np.cos(polar), np.sin(polar) * np.cos(round_y)], -1).reshape(
        -1, 3
    )
    close = cells @ unit(body.mean[of_head] - CENTRE).T
    return np.argsort(-close, axis=1)[:, :5], of_head


@cache
def root_triangles() -> np.ndarray:
    """The triangles (n, 3) of the head's skin from which hair may grow: none of the ears, the eyes' surroundings, the body."""
    body = head()
    corners = body.triangles[(body.part[body.triangles] == SKIN).all(1)]
    places = body.mean[corners].mean(1)
    free = (body.masks[corners, EARS] < 0.02).all(1) & (places[:, 1] > 6.2)
    return corners[free]
