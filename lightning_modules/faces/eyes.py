"""Eyeballs with iris and pupil, teeth and tongue."""

from dataclasses import dataclass

import numpy as np

from lightning_modules.faces.head import LEFT_EYE, RIGHT_EYE, TEETH, Head, unit
from lightning_modules.faces.light import Light
from lightning_modules.faces.noise import smoothstep

PUPIL = (0.13, 0.24)  # radians as seen from the middle of the eyeball
IRIS = (0.43, 0.5)


@dataclass(frozen=True)
class Eyes:
    """``iris``, ``white``: linear colours; ``gaze`` (3,): where they look, in the head's frame; radians of iris and pupil."""

    iris: np.ndarray
    white: np.ndarray
    gaze: np.ndarray
    iris_radius: float
    pupil_radius: float

    def values(self, head: Head) -> np.ndarray:
        """(V, 4): direction from the middle of the eyeball in the mean face (3), openness to light."""
        towards = np.zeros_like(head.mean)
        for part in (RIGHT_EYE, LEFT_EYE):
            ball = head.part == part
            points = head.mean[ball]
            towards[ball] = unit(points - (points.max(0) + points.min(0)) / 2)
        return np.concatenate([towards, head.open_sky[:, None]], 1).astype(np.float32)

    def shade(self, values: np.ndarray, normals: np.ndarray, lit: np.ndarray, light: Light) -> np.ndarray:
        """Linear colours (n, 3) at ``values`` (n, 4)."""
        towards = unit(values[:, :3])
        angle = np.arccos(np.clip(towards @ self.gaze, -1, 1))
        within = angle / self.iris_radius
        rays = 1 + 0.12 * np.sin(towards[:, 0] * 90) * np.cos(towards[:, 1] * 90)
        ring = self.iris * (rays * (1 - 0.65 * smoothstep(0.72, 1.0, within)))[:, None]
        corners = 1 - 0.25 * smoothstep(0.45, 0.9, np.abs(towards[:, 0]))[:, None] * np.array([0.2, 1, 1], np.float32)
        albedo = np.where((within < 1)[:, None], ring, self.white * corners)
        albedo = np.where((angle < self.pupil_radius)[:, None], np.float32(0.004), albedo)
        shaded = 1 - 0.6 * smoothstep(0.0, 0.34, towards[:, 1])  # by the upper lid and its lashes
        openness = np.clip(0.35 + 0.65 * values[:, 3], 0, 1) * shaded
        colours = albedo * light.diffuse(towards_viewer(normals), lit * shaded, openness, 0.2)
        wet = light.gloss(normals, np.maximum(lit, 0.4) * (shaded > 0.45), 160.0) * 0.03
        return colours + np.minimum(wet, 1.2) + 0.015 * (light.above + light.below)


def towards_viewer(normals: np.ndarray) -> np.ndarray:
    """Flatter than a ball: the white scatters light."""
    return unit(normals + np.array([0, 0, 0.6], np.float32))


def mouth_values(head: Head) -> np.ndarray:
    """(V, 3) for ``Teeth``: 1 for teeth and 0 for the tongue, height, depth."""
    return np.stack([head.part == TEETH, head.mean[:, 1], head.mean[:, 2]], 1).astype(np.float32)


@dataclass(frozen=True)
class Teeth:
    """Teeth and tongue; ``enamel``: linear colour."""

    enamel: np.ndarray

    def shade(self, values: np.ndarray, normals: np.ndarray, lit: np.ndarray, light: Light) -> np.ndarray:
        """Linear colours (n, 3) at ``values`` of ``mouth_values``: darker the deeper in the mouth."""
        tooth = values[:, :1] > 0.5
        albedo = np.where(tooth, self.enamel, np.array([0.35, 0.10, 0.09], np.float32))
        depth = smoothstep(0.95, 1.3, values[:, 2])
        open_sky = np.where(tooth[:, 0], 0.4 + 0.6 * depth, 0.12 + 0.3 * depth)
        colours = albedo * light.diffuse(normals, lit * (0.4 + 0.6 * depth), open_sky, 0.3)
        return colours + light.gloss(normals, lit * depth, 40.0) * 0.02


def draw_eyes(iris: np.ndarray, gaze: tuple[float, float], rng: np.random.Generator) -> Eyes:
    right, up = gaze
    return Eyes(
        iris=iris.astype(np.float32),
        white=(np.array([0.62, 0.58, 0.55]) * rng.uniform(0.75, 1.15)).astype(np.float32),
        gaze=unit(np.array([np.sin(right), np.sin(up), 1.0])).astype(np.float32),
        iris_radius=rng.uniform(*IRIS),
        pupil_radius=rng.uniform(*PUPIL),
    )


def draw_teeth(rng: np.random.Generator) -> Teeth:
    return Teeth((np.array([0.68, 0.62, 0.52]) * rng.uniform(0.65, 1.1)).astype(np.float32))
