"""Spectacles: frames as tubes before the eyes and to the ears, and lenses that darken or mirror what is behind them."""

from dataclasses import dataclass

import numpy as np

from lightning_modules.faces.camera import Pose
from lightning_modules.faces.colour import draw_surface
from lightning_modules.faces.head import LEFT_EYE, RIGHT_EYE, Head, unit
from lightning_modules.faces.light import Light
from lightning_modules.faces.mesh import Mesh, tube

ROUND = 28  # corners of a rim


@dataclass(frozen=True)
class Glasses:
    """Half axes of a lens in dm, ``squareness`` of its outline (2: an ellipse), frame and lens; colours are linear."""

    half_width: float
    half_height: float
    squareness: float
    rim: float
    frame: np.ndarray
    lens: np.ndarray
    opacity: float
    mirror: float
    drop: float

    def meshes(self, head: Head, upright: np.ndarray, pose: Pose) -> tuple[Mesh, Mesh]:
        """Frame and lenses on a head whose vertices stand at ``upright``."""
        parts, lenses, inner, outer = [], [], [], []
        for eye, side in ((LEFT_EYE, -1.0), (RIGHT_EYE, 1.0)):
            ball = upright[head.part == eye]
            middle = (ball.max(0) + ball.min(0)) / 2
            middle = middle + np.array([0.015 * side, -self.drop, ball[:, 2].max() - middle[2] + 0.12])
            rim = self._outline(middle)
            parts.append(tube(np.concatenate([rim, rim[:2]]), np.full(ROUND + 2, self.rim)))
            lenses.append((middle, rim))
            inner.append(middle + np.array([-side * self.half_width, 0.04, -0.02]))
            outer.append(middle + np.array([side * self.half_width, 0.04, -0.09]))
        bridge = np.stack([inner[0], (inner[0] + inner[1]) / 2 + [0, 0.03, 0.04], inner[1]])
        parts.append(tube(bridge, np.full(3, self.rim)))
        for end in outer:
            ear = np.array([np.sign(end[0]) * (abs(end[0]) + 0.75) / 2, 0, 0])
            arm = np.stack([end, [ear[0] * 1.03, end[1], 0.85], [np.sign(end[0]) * 0.76, end[1] - 0.02, 0.3]])
            parts.append(tube(arm, np.full(3, self.rim * 0.9)))
        points, triangles, outward = _joined(parts)
        turned = pose.posed(points)
        frame = Mesh(turned.astype(np.float32), triangles, unit(outward @ pose.head().T).astype(np.float32),
                     np.ones((len(points), 1), np.float32), self._shade_frame, two_sided=True)  # fmt: skip
        return frame, self._lens_mesh(lenses, pose)

    def _outline(self, middle: np.ndarray) -> np.ndarray:
        angle = np.linspace(0, 2 * np.pi, ROUND, endpoint=False)
        x, y = (np.sign(way) * np.abs(way) ** (2 / self.squareness) for way in (np.cos(angle), np.sin(angle)))
        return middle + np.stack([self.half_width * x, self.half_height * y, -0.11 * np.abs(self.half_width * x)], 1)

    def _lens_mesh(self, lenses: list[tuple[np.ndarray, np.ndarray]], pose: Pose) -> Mesh:
        points = np.concatenate([np.concatenate([middle[None], rim]) for middle, rim in lenses])
        fan = np.array([[0, 1 + k, 1 + (k + 1) % ROUND] for k in range(ROUND)])
        triangles = np.concatenate([fan, fan + ROUND + 1]).astype(np.int32)
        turned = pose.posed(points)
        bulge = unit((points - np.repeat([middle for middle, _ in lenses], ROUND + 1, axis=0)) * 1.5 + [0, 0, 1])
        return Mesh(turned.astype(np.float32), triangles, (bulge @ pose.head().T).astype(np.float32),
                    points.astype(np.float32), self._shade_lens, two_sided=True)  # fmt: skip

    def _shade_frame(self, values: np.ndarray, normals: np.ndarray, lit: np.ndarray, light: Light) -> np.ndarray:
        colours = self.frame * light.diffuse(normals, lit, np.full(len(lit), 0.8, np.float32))
        return colours + light.gloss(normals, lit, 40.0) * 0.05

    def _shade_lens(self, values: np.ndarray, normals: np.ndarray, lit: np.ndarray, light: Light) -> np.ndarray:
        """What a lens adds to the share of light that it lets through."""
        sky = np.clip(3 * normals[:, 1:2] + 0.3, 0, 1) * light.above * self.mirror
        return self.lens * self.opacity * 0.3 + sky + light.gloss(normals, lit, 300.0) * (0.02 * self.mirror)


def _joined(parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    starts = np.cumsum([0] + [len(points) for points, _, _ in parts])
    triangles = [triangles + start for (_, triangles, _), start in zip(parts, starts, strict=False)]
    return (
        np.concatenate([points for points, _, _ in parts]),
        np.concatenate(triangles).astype(np.int32),
        np.concatenate([outward for _, _, outward in parts]),
    )


def draw_glasses(rng: np.random.Generator) -> Glasses:
    dark = rng.random() < 0.35
    frame = draw_surface(rng) if rng.random() < 0.25 else np.full(3, rng.choice([0.01, 0.03, 0.15, 0.35]))
    return Glasses(
        half_width=rng.uniform(0.22, 0.31) if dark else rng.uniform(0.2, 0.28),
        half_height=rng.uniform(0.17, 0.25) if dark else rng.uniform(0.12, 0.22),
        squareness=rng.uniform(2.0, 5.0),
        rim=float(rng.choice([rng.uniform(0.006, 0.014), rng.uniform(0.016, 0.035)])),
        frame=frame.astype(np.float32),
        lens=(draw_surface(rng) * 0.1).astype(np.float32),
        opacity=rng.uniform(0.75, 0.99) if dark else rng.uniform(0.02, 0.15),
        mirror=rng.uniform(0.05, 0.4) if dark else rng.exponential(0.06),
        drop=rng.uniform(0.0, 0.06),
    )
