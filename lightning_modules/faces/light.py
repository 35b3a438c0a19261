"""Where light comes from, and how much of it a surface sends to the camera."""

from dataclasses import dataclass

import numpy as np

from lightning_modules.faces.colour import draw_cast
from lightning_modules.faces.noise import smoothstep
from lightning_modules.faces.raster import depth_map

VIEW = np.array([0.0, 0.0, 1.0], np.float32)  # towards the camera
MAP = 144  # pixels a side of the shadow map


@dataclass(frozen=True)
class Light:
    """A key light and a rim light from directions (3,) of length 1, and light from above and below; colours (3,) linear.

    ``softness`` of the key's shadows, dm at the distance of a head.
    """

    direction: np.ndarray
    key: np.ndarray
    rim_direction: np.ndarray
    rim: np.ndarray
    above: np.ndarray
    below: np.ndarray
    softness: float
    flash: bool = False

    def diffuse(self, normals: np.ndarray, lit: np.ndarray, open_sky: np.ndarray, wrap: float = 0.0) -> np.ndarray:
        """Light (n, 3) that reaches surfaces with ``normals`` (n, 3), of the key's the share ``lit`` (n,).

        ``wrap``: how far, as a cosine, light creeps round the edge to the shadow, as it does in skin.
        """
        facing = np.clip((normals @ self.direction + wrap) / (1 + wrap), 0, 1) * lit
        up = 0.5 + 0.5 * normals[:, 1:2]
        around = (self.below + (self.above - self.below) * up) * open_sky[:, None]
        rim = np.clip(normals @ self.rim_direction, 0, 1) * open_sky
        return around + facing[:, None] * self.key + rim[:, None] * self.rim

    def gloss(self, normals: np.ndarray, lit: np.ndarray, power: float | np.ndarray) -> np.ndarray:
        """Mirrored light (n, 3) by Blinn's rule; its sum over directions is about that of a matt surface."""
        half = self.direction + VIEW
        half = half / (np.linalg.norm(half) + 1e-6)
        bright = (np.asarray(power) + 8) / 25 * np.clip(normals @ half, 0, 1) ** power * lit
        return bright[:, None] * self.key


def draw_light(rng: np.random.Generator) -> Light:
    """A sort of place, and in it a light at random."""
    sort = rng.choice(["sun", "overcast", "indoors", "studio", "flash", "window", "stage"],
                      p=[0.17, 0.2, 0.24, 0.14, 0.12, 0.08, 0.05])  # fmt: skip
    sun, cast = draw_cast(rng, 0.07), draw_cast(rng, 0.05)
    side, height, front = rng.normal(0, 0.8), rng.uniform(0.1, 1.2), rng.uniform(0.25, 1.2)
    key, around, softness, floor = {
        "sun": (rng.uniform(0.9, 2.2), rng.uniform(0.35, 0.7), 0.04, rng.uniform(0.3, 0.9)),
        "overcast": (rng.uniform(0.1, 0.5), rng.uniform(0.8, 1.1), 0.4, rng.uniform(0.3, 0.7)),
        "indoors": (rng.uniform(0.3, 1.0), rng.uniform(0.4, 0.9), 0.2, rng.uniform(0.3, 0.8)),
        "studio": (rng.uniform(0.7, 1.5), rng.uniform(0.25, 0.7), 0.15, rng.uniform(0.4, 1.0)),
        "flash": (rng.uniform(0.7, 1.5), rng.uniform(0.15, 0.5), 0.05, rng.uniform(0.5, 1.0)),
        "window": (rng.uniform(1.0, 2.2), rng.uniform(0.12, 0.4), 0.25, rng.uniform(0.4, 1.0)),
        "stage": (rng.uniform(0.8, 2.0), rng.uniform(0.08, 0.3), 0.1, rng.uniform(0.2, 1.0)),
    }[str(sort)]
    if sort == "flash":
        side, height, front = rng.normal(0, 0.12), rng.uniform(0.0, 0.35), 1.0
    elif sort == "window":
        side, front = rng.choice([-1, 1]) * rng.uniform(0.7, 1.6), rng.uniform(0.1, 0.8)
    elif sort == "stage":
        sun, cast = draw_cast(rng, 0.22), draw_cast(rng, 0.2)
    elif sort == "sun" and rng.random() < 0.25:
        front = rng.uniform(-0.8, 0.1)  # against the light
    rim = rng.uniform(0, 1.2) if rng.random() < 0.3 else 0.0
    return Light(
        direction=_unit(side, height, front),
        key=sun * key,
        rim_direction=_unit(rng.choice([-1, 1]) * rng.uniform(0.5, 1), rng.uniform(-0.1, 0.8), rng.uniform(-0.6, 0.2)),
        rim=(draw_cast(rng, 0.1) * rim).astype(np.float32),
        above=cast * around,
        below=cast * around * floor * draw_cast(rng, 0.06),
        softness=float(softness * rng.uniform(0.6, 1.6)),
        flash=bool(sort == "flash"),
    )


def _unit(*xyz: float) -> np.ndarray:
    return (np.array(xyz) / (np.linalg.norm(xyz) + 1e-9)).astype(np.float32)


class Shadows:
    """What the key light does not reach behind the given triangles."""

    def __init__(self, light: Light, points: np.ndarray, triangles: np.ndarray):
        away = np.array([0, 1, 0], np.float32) if abs(light.direction[1]) < 0.9 else np.array([1, 0, 0], np.float32)
        across = np.cross(away, light.direction)
        across /= np.linalg.norm(across)
        self.axes = np.stack([across, np.cross(light.direction, across), -light.direction], 1).astype(np.float32)
        seen = points @ self.axes
        self.low = seen[:, :2].min(0)
        self.scale = np.float32((MAP - 4) / (np.ptp(seen[:, :2], axis=0).max() + 1e-6))
        flat = (seen[:, :2] - self.low) * self.scale + 2
        self.depth = depth_map(flat, seen[:, 2], triangles, MAP)
        self.reach = max(light.softness * float(self.scale), 0.7)

    def lit(self, points: np.ndarray) -> np.ndarray:
        """The share (n,) of the key light at points (n, 3)."""
        seen = points @ self.axes
        flat = (seen[:, :2] - self.low) * self.scale + 2
        total = np.zeros(len(points), np.float32)
        for right, down in ((-0.7, -0.35), (0.35, -0.7), (0.7, 0.35), (-0.35, 0.7)):
            column = np.clip((flat[:, 0] + right * self.reach).astype(np.int32), 0, MAP - 1)
            row = np.clip((flat[:, 1] + down * self.reach).astype(np.int32), 0, MAP - 1)
            total += 1 - smoothstep(0.05, 0.14, seen[:, 2] - self.depth[row, column])
        return total / 4
