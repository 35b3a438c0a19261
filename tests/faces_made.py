"""Faces so simple that a test makes them in a moment: a disc with eyes, nose and mouth as blobs at the five points."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lightning_modules.faces.landmark_set import LandmarkSet

SHAPE = np.array([[-1.0, -1.0], [1.0, -1.0], [0.0, 0.0], [-0.7, 1.0], [0.7, 1.0]])
COLOURS = np.array([[20, 20, 220], [20, 220, 20], [230, 200, 40], [220, 20, 20], [220, 20, 220]])


def faces(count: int, seed: int, size: int = 64) -> LandmarkSet:
    """``count`` faces of ``size`` px, at random places, sizes and turns."""
    generator = np.random.default_rng(seed)
    images = np.empty((count, size, size, 3), np.uint8)
    points = np.empty((count, 5, 2), np.float32)
    scales = generator.uniform(0.08, 0.16, count)
    for index in range(count):
        angle = generator.uniform(-0.3, 0.3)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        reach = scales[index] * size
        centre = generator.uniform(3 * reach, size - 1 - 3 * reach, 2) if 6 * reach < size - 1 else (size - 1) / 2
        points[index] = centre + reach * SHAPE @ turn.T
        images[index] = _drawn(points[index], reach, size, generator)
    return LandmarkSet(
        images,
        points,
        {"yaw": generator.uniform(-60, 60, count), "scale": 2 * scales, "occlusion": generator.uniform(0, 0.4, count)},
        [str(index) for index in range(count)],
    )


def _drawn(points: np.ndarray, reach: float, size: int, generator: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    image = np.tile(generator.uniform(60, 200, 3), (size, size, 1))
    centre = points.mean(0)
    image[(x - centre[0]) ** 2 + (y - centre[1]) ** 2 < (2.2 * reach) ** 2] = (210, 170, 150)
    for point, colour in zip(points, COLOURS, strict=True):
        near = np.exp(-((x - point[0]) ** 2 + (y - point[1]) ** 2) / (2 * (0.25 * reach) ** 2))[..., None]
        image = image * (1 - near) + colour * near
    return np.clip(image, 0, 255).astype(np.uint8)


def options(**changes: Any) -> Mapping[str, Any]:
    """``landmarks`` of a configuration, with these changes."""
    plain = {
        "crop": "whole", "applied": "once", "size": 48, "share": 1.0, "box_scale": 1.35, "jitter": 1.0,
        "loss": "euclidean", "smooth_l1_beta": 1.0, "wing_width": 10.0, "wing_curvature": 2.0,
    }  # fmt: skip
    return {**plain, **changes}
