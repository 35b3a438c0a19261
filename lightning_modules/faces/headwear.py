"""Hats, caps, headbands, scarves and masks: shells of cloth around parts of the head, some with a brim."""

from dataclasses import dataclass

import numpy as np

from lightning_modules.faces.camera import Pose
from lightning_modules.faces.colour import draw_surface
from lightning_modules.faces.head import SKIN, Head, unit
from lightning_modules.faces.light import Light
from lightning_modules.faces.mesh import Mesh, grid_triangles
from lightning_modules.faces.noise import in_space, smoothstep

SORTS = ("beanie", "cap", "hat", "headscarf", "mask", "headband")
SHARES = (0.25, 0.3, 0.2, 0.12, 0.08, 0.05)


@dataclass(frozen=True)
class Headwear:
    """``line``: height of the edge at the front, dm; ``thickness`` dm; ``brim`` dm; colours are linear."""

    sort: str
    line: float
    thickness: float
    brim: float
    colour: np.ndarray
    second: np.ndarray
    seed: int

    @property
    def hides_hair(self) -> bool:
        return self.sort in ("beanie", "cap", "hat", "headscarf")

    def covers(self, values: np.ndarray) -> np.ndarray:
        """Whether there is cloth (n,) at places (n, 3) of the mean head; a brim, at y = 99, is always cloth."""
        return self._inside(values[:, :3]) > 0

    def _inside(self, place: np.ndarray) -> np.ndarray:
        side, height, depth = np.abs(place[:, 0]), place[:, 1], place[:, 2]
        behind = smoothstep(1.1, -0.3, depth)
        if self.sort == "mask":
            ends = np.minimum(depth - 0.55, 7.08 + 0.06 * smoothstep(0.25, 0.0, side) - height)
            return np.minimum(ends, height - 6.2)
        if self.sort == "headscarf":
            oval = np.hypot(side / 0.60, (height - 7.08) / (self.line - 7.08 + 1e-6)) - 1
            return np.where(depth < 0.55, 1.0, np.where(height < 6.3, 1.0, oval))
        if self.sort == "headband":
            middle = self.line - 0.18 * behind
            return 0.1 - np.abs(height - middle)
        drop = {"beanie": 0.55, "cap": 0.3, "hat": 0.25}[self.sort]
        return height - (self.line - drop * behind)

    def meshes(self, head: Head, upright: np.ndarray, outward: np.ndarray, pose: Pose) -> list[Mesh]:
        """On a head whose vertices stand at ``upright`` (V, 3) with normals ``outward``, then turned."""
        inside = self._inside(head.mean) > -0.12
        corners = head.triangles
        corners = corners[(head.part[corners] == SKIN).all(1) & inside[corners].any(1)]
        if self.sort != "headscarf":
            corners = corners[(head.mean[corners][:, :, 1] > 6.1).all(1)]
        loose = self.thickness * (1 + 0.6 * smoothstep(7.9, 8.4, head.mean[:, 1]) * (self.sort != "mask"))
        points = upright + outward * loose[:, None].astype(np.float32)
        turned = pose.posed(points)
        facing = unit(pose.posed(points + 0.05 * outward) - turned).astype(np.float32)
        shell = Mesh(turned.astype(np.float32), corners, facing, head.mean, self.shade, True, self.covers)
        return [shell, self._brim(head, upright, pose)] if self.brim else [shell]

    def _brim(self, head: Head, upright: np.ndarray, pose: Pose) -> Mesh:
        """A sheet that stands off around the edge: all round a hat, at the front of a cap."""
        half = np.radians(68) if self.sort == "cap" else np.pi
        angle = np.linspace(-half, half, 25)
        near = np.abs(head.mean[:, 1] - self.line) < 0.1
        ring = upright[near & (head.part == SKIN) & (head.mean[:, 1] > 7.5)]
        radii = np.array([np.abs(ring[:, 0]).max(), (np.ptp(ring[:, 2])) / 2]) + self.thickness
        middle = np.array([0, self.line + 0.02, (ring[:, 2].max() + ring[:, 2].min()) / 2])
        share = np.linspace(0, 1, 4)[:, None]
        wide = self.brim * (np.cos(angle / half * np.pi / 2) ** 0.5 if self.sort == "cap" else np.ones(25))
        x = np.sin(angle) * (radii[0] + share * wide)
        z = np.cos(angle) * (radii[1] + share * wide)
        y = -0.25 * share * wide - (0.12 * smoothstep(1.1, -0.3, z + middle[2]) if self.sort == "hat" else 0)
        y = y - (0.35 * (x / 0.8) ** 2 * share if self.sort == "cap" else 0)
        points = (middle + np.stack([x, y, z], -1)).reshape(-1, 3)
        turned = pose.posed(points)
        up = np.tile(np.array([0, 0.9, 0.3]), (len(points), 1)) @ pose.head().T
        above = np.full((len(points), 3), 99, np.float32)
        return Mesh(turned.astype(np.float32), grid_triangles(4, 25), up.astype(np.float32), above, self.shade, True)

    def shade(self, values: np.ndarray, normals: np.ndarray, lit: np.ndarray, light: Light) -> np.ndarray:
        rng = np.random.default_rng(self.seed)
        knit = in_space(rng, values * np.array([1, 0.4, 1], np.float32), 1.2)
        facing = np.where(normals[:, 2:] < -0.3, -normals, normals)
        bumpy = unit(facing + 0.2 * knit[:, None] * np.array([1, 0.3, 0], np.float32))
        ribs = 0.85 + 0.15 * np.sin(values[:, 0] * 60) * (self.sort == "beanie")
        striped = (self.seed % 3 == 0) & (np.abs(values[:, 1] - self.line - 0.18) < 0.1) & (self.sort != "mask")
        albedo = np.where(striped[:, None], self.second, self.colour) * ribs[:, None]
        return albedo * light.diffuse(bumpy, lit, np.full(len(lit), 0.85, np.float32), 0.1)


def draw_headwear(rng: np.random.Generator) -> Headwear:
    sort = SORTS[rng.choice(len(SORTS), p=SHARES)]
    colour = draw_surface(rng)
    if sort == "mask":
        colour = np.array([0.55, 0.65, 0.72]) * rng.uniform(0.5, 1.1) if rng.random() < 0.6 else np.full(3, 0.02)
    line = {"headscarf": rng.uniform(7.72, 7.9), "mask": 7.0}.get(sort, rng.uniform(7.68, 7.95))
    brim = {"cap": rng.uniform(0.5, 0.75), "hat": rng.uniform(0.35, 0.8)}.get(sort, 0.0)
    return Headwear(
        sort=sort,
        line=float(line),
        thickness=float(rng.uniform(0.06, 0.16)) if sort != "mask" else 0.1,
        brim=float(brim),
        colour=colour.astype(np.float32),
        second=draw_surface(rng),
        seed=int(rng.integers(2**31)),
    )
