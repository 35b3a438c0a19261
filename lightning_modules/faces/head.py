"""The head that every face is made of: a mesh, and how far each of its vertices moves with a morph.

Made by ``build_head.py`` from CC0 data of the MakeHuman community; credits in ``head.txt``. Units are decimetres; x to the
viewer's right, y up, z towards the viewer; the eyes are at y = 7.34.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

ASSET = Path(__file__).with_name("head.npz")

SKIN, RIGHT_EYE, LEFT_EYE, TEETH, TONGUE = range(5)  # parts; right and left as the viewer sees them
LIPS, INNER_MOUTH, EYELIDS, EARS = range(4)  # masks
KINDS = ("macro", "local", "expr")  # of morphs: ancestry, sex, age and weight; single features; expressions
UNIT = 1e-4  # dm, of a stored displacement


@dataclass(frozen=True)
class Morph:
    """The vertices (n,) that a morph moves at full weight, by how much: (n, 3) dm."""

    vertices: np.ndarray
    by: np.ndarray


@dataclass(frozen=True)
class Head:
    """``V`` vertices and ``T`` triangles.

    ``base`` (V, 3): what morphs are added to; ``mean`` (V, 3): the average of young adults, whose places name those of
    every face; ``part`` (V,); ``masks`` (V, 4) from 0 to 1; ``open_sky`` (V,) from 0 to 1: how much light from
    everywhere reaches a vertex; ``landmarks`` (68,): the vertices of the 68-point markup.
    """

    base: np.ndarray
    mean: np.ndarray
    triangles: np.ndarray
    part: np.ndarray
    masks: np.ndarray
    open_sky: np.ndarray
    landmarks: np.ndarray
    morphs: Mapping[str, Mapping[str, Morph]]

    def morphed(self, points: np.ndarray, kind: str, weights: Mapping[str, float]) -> np.ndarray:
        """``points`` (V, 3) with morphs of one kind added."""
        points = points.copy()
        for name, weight in weights.items():
            morph = self.morphs[kind][name]
            points[morph.vertices] += np.float32(weight) * morph.by
        return points


@cache
def head() -> Head:
    """The head, read once in a process."""
    with np.load(ASSET, allow_pickle=False) as stored:
        return Head(
            base=stored["base"].astype(np.float32),
            mean=stored["mean"].astype(np.float32),
            triangles=stored["triangles"].astype(np.int32),
            part=stored["part"],
            masks=stored["masks"].astype(np.float32) / 255,
            open_sky=stored["open_sky"].astype(np.float32) / 255,
            landmarks=stored["landmarks"].astype(np.int64),
            morphs={kind: _morphs(stored, kind) for kind in KINDS},
        )


def _morphs(stored: Mapping[str, np.ndarray], kind: str) -> dict[str, Morph]:
    ends = stored[f"{kind}_ends"].tolist()
    vertices = stored[f"{kind}_vertices"].astype(np.int64)
    by = stored[f"{kind}_by"].astype(np.float32) * np.float32(UNIT)
    spans = zip(stored[f"{kind}_names"].tolist(), [0, *ends[:-1]], ends, strict=True)
    return {name: Morph(vertices[start:end], by[start:end]) for name, start, end in spans}


def normals(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Unit normals (V, 3) of a surface, each the mean of its triangles' by their area."""
    a, b, c = (points[triangles[:, corner]] for corner in range(3))
    u, v = b - a, c - a
    of_triangle = np.stack(
        [u[:, 1] * v[:, 2] - u[:, 2] * v[:, 1], u[:, 2] * v[:, 0] - u[:, 0] * v[:, 2], u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]], 1
    )  # fmt: skip
    total = np.stack(
        [np.bincount(triangles.ravel(), np.repeat(of_triangle[:, axis], 3), len(points)) for axis in range(3)], 1
    )
    return unit(total).astype(np.float32)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Each of (..., 3) by its length."""
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]  # quicker than a sum over an axis of three
    return vectors / (np.sqrt(x * x + y * y + z * z) + 1e-9)[..., None]
