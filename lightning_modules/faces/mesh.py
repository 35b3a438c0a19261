"""A surface in front of the camera, and what is seen of it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lightning_modules.faces.light import Light

# (values (n, A), normals (n, 3), how much of the key light arrives (n,), the light) -> linear colours (n, 3)
Shade = Callable[[np.ndarray, np.ndarray, np.ndarray, Light], np.ndarray]
Cutout = Callable[[np.ndarray], np.ndarray]  # the first three values (n, 3) -> where there is something (n,) bool


@dataclass(frozen=True)
class Mesh:
    """``V`` corners in the camera's frame (dm; x right, y up, z towards it), ``T`` triangles.

    ``values`` (V, A): what ``shade`` is told of each place, and of the first three ``cutout``, which says where the
    triangles are not see-through. ``two_sided``: has no inside that is never seen.
    """

    points: np.ndarray
    triangles: np.ndarray
    normals: np.ndarray
    values: np.ndarray
    shade: Shade
    two_sided: bool = False
    cutout: Cutout | None = None


def grid_triangles(rows: int, columns: int, closed: bool = False) -> np.ndarray:
    """Triangles (T, 3) of a sheet of ``rows`` x ``columns`` corners, numbered row by row; ``closed`` joins last and first column."""
    across = np.arange(columns if closed else columns - 1)
    a = (np.arange(rows - 1)[:, None] * columns + across).ravel()
    b = (np.arange(rows - 1)[:, None] * columns + (across + 1) % columns).ravel()
    return np.concatenate([np.stack([a, a + columns, b], 1), np.stack([b, a + columns, b + columns], 1)]).astype(
        np.int32
    )


def tube(path: np.ndarray, radius: np.ndarray, sides: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, triangles and normals of a tube around ``path`` (n, 3) of ``radius`` (n,); its ends close where it is 0."""
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    helper = np.eye(3)[np.argmin(np.abs(along).mean(0))]
    one = np.cross(along, helper)
    one /= np.linalg.norm(one, axis=1, keepdims=True) + 1e-9
    other = np.cross(along, one)
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)[None, :, None]
    normals = np.cos(angle) * one[:, None] + np.sin(angle) * other[:, None]
    points = path[:, None] + normals * np.asarray(radius)[:, None, None]
    shape = (len(path) * sides, 3)
    return (
        points.reshape(shape).astype(np.float32),
        grid_triangles(len(path), sides, closed=True),
        normals.reshape(shape).astype(np.float32),
    )
