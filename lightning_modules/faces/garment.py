"""Clothes on neck and shoulders, which go on below the head's mesh."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from lightning_modules.faces.camera import Pose
from lightning_modules.faces.colour import draw_surface
from lightning_modules.faces.head import EARS, SKIN, Head, head, normals, unit
from lightning_modules.faces.light import Light
from lightning_modules.faces.mesh import Mesh
from lightning_modules.faces.noise import in_space, smoothstep

CUTS = ("crew", "v", "wide", "high", "open shirt", "suit", "strapless")
TOP = 6.5  # dm: no cloth is above
# Rings that go on from the mesh's rim: how far down (dm), how much wider, how much deeper. The last is out of every picture.
RINGS = ((0.25, 1.07, 1.12), (0.8, 1.12, 1.2), (2.0, 1.10, 1.25), (12.0, 1.05, 1.2))


@dataclass(frozen=True)
class Garment:
    """``cut`` of the neckline at height ``line`` (dm at the front); colours are linear; ``thickness`` dm."""

    cut: str
    line: float
    thickness: float
    main: np.ndarray
    second: np.ndarray
    pattern: str
    pitch: float
    folds: float
    sheen: float
    seed: int

    def covers(self, values: np.ndarray) -> np.ndarray:
        """Whether there is cloth (n,) at places (n, 3) of the mean figure."""
        return self._below(values[:, :3]) > 0

    def _below(self, place: np.ndarray) -> np.ndarray:
        """How far (n,) below the neckline, dm."""
        side, height, depth = np.abs(place[:, 0]), place[:, 1], place[:, 2]
        front = smoothstep(0.1, 0.5, depth)
        line = self.line + 0.12 * (1 - front) + 0.06 * np.clip(side, 0, 0.6)
        if self.cut in ("v", "open shirt"):
            line = line - front * np.clip((0.5 if self.cut == "v" else 0.4) - 1.3 * side, 0, None)
        elif self.cut == "suit":
            line = line + 0.06
        elif self.cut == "wide":
            line = line - 0.22 * smoothstep(0.9, 0.2, side) - 0.05
        elif self.cut == "strapless":
            line = line - 0.45 + 0.02 * side
        return line - height

    def mesh(self, head: Head, upright: np.ndarray, outward: np.ndarray, pose: Pose) -> Mesh:
        """On a figure whose vertices stand at ``upright`` (V, 3) with normals ``outward``, then turned."""
        triangles, rim = _cloth()
        out = unit(outward + np.array([0, 0.1, 0], np.float32))
        loose = self.thickness * (1 + 0.8 * smoothstep(6.0, 5.5, head.mean[:, 1]))
        shell = upright + out * loose[:, None].astype(np.float32)
        aside = unit(shell[rim] * np.array([0.5, 0, 1.2], np.float32) - np.array([0, 0, 0.1], np.float32))
        over = normals(shell, head.triangles)
        over[rim] = unit(over[rim] + aside)
        points, bends, places = [shell], [over], [head.mean]
        for down, wide, deep in RINGS:
            points.append(shell[rim] * np.array([wide, 1, deep], np.float32) - np.array([0, down, 0], np.float32))
            bends.append(aside)
            places.append(head.mean[rim] - np.array([0, down, 0], np.float32))
        points, bends, places = (np.concatenate(part) for part in (points, bends, places))
        open_sky = np.concatenate([head.open_sky, np.full(len(rim) * len(RINGS), 0.9, np.float32)])
        turned = pose.posed(points)
        return Mesh(
            points=turned.astype(np.float32),
            triangles=triangles,
            normals=unit(pose.posed(points + 0.05 * bends) - turned).astype(np.float32),
            values=np.concatenate([places, open_sky[:, None]], 1).astype(np.float32),
            shade=self.shade,
            two_sided=True,
            cutout=self.covers,
        )

    def shade(self, values: np.ndarray, normals: np.ndarray, lit: np.ndarray, light: Light) -> np.ndarray:
        """Linear colours (n, 3) of cloth at ``values`` (n, 4)."""
        place, open_sky = values[:, :3], values[:, 3]
        rng = np.random.default_rng(self.seed)
        crumple = np.stack([in_space(rng, place * np.array([1, 0.5, 1], np.float32), 0.22) for _ in range(3)], 1)
        facing = np.where(normals[:, 2:] < 0, -normals, normals)
        bumpy = unit(facing + self.folds * crumple)
        albedo = self._colours(place)
        below = self._below(place)
        edge = 1 - 0.35 * smoothstep(0.05, 0.0, below)
        shaded = np.clip(0.35 + 0.65 * open_sky, 0, 1) * edge * (1 - 0.12 * np.clip(crumple[:, 0], -1, 2) * self.folds)
        colours = albedo * light.diffuse(bumpy, lit, shaded, 0.1)
        return colours + light.gloss(bumpy, lit, 12.0) * (0.03 * self.sheen)

    def _colours(self, place: np.ndarray) -> np.ndarray:
        across, height = place[:, 0], place[:, 1]
        if self.cut == "suit":
            return self._suit(np.abs(across), height, place[:, 2])
        wave = {
            "plain": np.zeros(len(place)),
            "stripes": np.sin(self.pitch * height),
            "upright": np.sin(self.pitch * across),
            "checks": np.sin(self.pitch * across) * np.sin(self.pitch * height),
            "blotches": in_space(np.random.default_rng(self.seed), place, self.pitch / 60),
            "print": (np.abs(across) < 0.55) * (np.abs(height - 4.9) < 0.3) * 2.0 - 1,
        }[self.pattern]
        return np.where((wave > 0.15)[:, None], self.second, self.main)

    def _suit(self, side: np.ndarray, height: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """A jacket over a shirt, with a tie or without."""
        shirt = (side < 0.42 + 0.55 * (height - 5.75)) & (depth > 0)
        collar = height > self.line - 0.12
        tie = (side < 0.07 + 0.05 * (5.9 - height)) & (self.seed % 3 > 0)
        white = np.where(self.seed % 5 == 0, self.second, np.float32(0.7))
        colours = np.where((shirt | collar)[:, None], white, self.main)
        return np.where((shirt & tie & (height < self.line - 0.05))[:, None], self.second, colours)


@cache
def _cloth() -> tuple[np.ndarray, np.ndarray]:
    """Triangles of the cloth, and the vertices (n,) of the mesh's rim; those of the rings are numbered from V on."""
    body = head()
    of_skin = body.triangles[
        (body.part[body.triangles] == SKIN).all(1) & (body.masks[body.triangles, EARS] < 0.5).all(1)
    ]
    edges = np.concatenate([of_skin[:, [0, 1]], of_skin[:, [1, 2]], of_skin[:, [2, 0]]])
    _, first, times = np.unique(np.sort(edges, axis=1), axis=0, return_index=True, return_counts=True)
    open_edges = edges[first[times == 1]]
    open_edges = open_edges[(body.mean[open_edges][:, :, 1] < 5.7).all(1)]
    rim, place = np.unique(open_edges, return_inverse=True)
    one, other = place.reshape(open_edges.shape).T
    sheets = []
    for ring in range(len(RINGS)):
        upper = len(body.mean) + (ring - 1) * len(rim)
        a, b = (rim[one], rim[other]) if ring == 0 else (upper + one, upper + other)
        c, d = upper + len(rim) + one, upper + len(rim) + other
        sheets += [np.stack([a, b, c], 1), np.stack([b, d, c], 1)]
    low = (body.mean[of_skin][:, :, 1] < TOP).all(1) & (body.mean[of_skin][:, :, 2] < 0.9).all(1)
    return np.concatenate([of_skin[low], *sheets]).astype(np.int32), rim


def draw_garment(rng: np.random.Generator, woman: bool) -> Garment:
    shares = (0.28, 0.2, 0.16, 0.1, 0.06, 0.06, 0.14) if woman else (0.36, 0.1, 0.02, 0.1, 0.17, 0.25, 0.0)
    cut = CUTS[rng.choice(len(CUTS), p=shares)]
    line = {"high": rng.uniform(6.12, 6.35), "suit": rng.uniform(6.02, 6.1)}.get(cut, rng.uniform(5.88, 6.05))
    main = draw_surface(rng)
    if cut == "suit":
        main = draw_surface(rng) * 0.25
    return Garment(
        cut=cut,
        line=float(line),
        thickness=float(rng.uniform(0.03, 0.1)) + 0.08 * (cut == "suit"),
        main=main,
        second=draw_surface(rng),
        pattern=str(rng.choice(["plain", "stripes", "upright", "checks", "blotches", "print"],
                               p=[0.66, 0.07, 0.04, 0.08, 0.08, 0.07])),
        pitch=float(np.exp(rng.uniform(np.log(9), np.log(50)))),
        folds=float(rng.uniform(0.03, 0.22)),
        sheen=float(rng.exponential(0.6)),
        seed=int(rng.integers(2**31)),
    )  # fmt: skip
