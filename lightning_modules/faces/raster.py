"""A z-buffer rasterizer for meshes of small triangles, in numpy."""

from dataclasses import dataclass

import numpy as np

# Triangles are gone through in groups by the side, in pixels, of the square that holds them.
SIDES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256, 512, 1024)
AT_ONCE = 400_000  # pixels tested in one go


@dataclass(frozen=True)
class Fragments:
    """What of a mesh falls on which pixel: ``pixel`` (n,) row by row, ``depth`` (n,), and where in which triangle.

    ``second`` and ``third`` (n,): weights of the triangle's corners, perspective aside; the first corner has the rest.
    """

    pixel: np.ndarray
    depth: np.ndarray
    triangle: np.ndarray
    second: np.ndarray
    third: np.ndarray

    def __getitem__(self, which: np.ndarray) -> "Fragments":
        return Fragments(
            self.pixel[which], self.depth[which], self.triangle[which], self.second[which], self.third[which]
        )

    def __len__(self) -> int:
        return len(self.pixel)

    def interpolate(self, triangles: np.ndarray, values: np.ndarray) -> np.ndarray:
        """The corners' values (V, A) at each fragment: (n, A)."""
        a, b, c = (values.take(triangles[:, corner].take(self.triangle), axis=0) for corner in range(3))
        b -= a
        c -= a
        b *= self.second[:, None]
        c *= self.third[:, None]
        a += b
        a += c
        return a


def fragments(points: np.ndarray, depth: np.ndarray, triangles: np.ndarray, size: int, two_sided: bool) -> Fragments:
    """Of the mesh with corners ``points`` (V, 2) in pixels (the first pixel's centre at 0.5) on ``size`` x ``size`` pixels.

    ``depth`` (V,) is larger the farther. Unless ``two_sided``, triangles whose corners run clockwise on the picture,
    the back of a closed surface, are left out.
    """
    x, y, z = points[:, 0].astype(np.float32), points[:, 1].astype(np.float32), depth.astype(np.float32)
    first_corner, second_corner, third_corner = triangles.T
    ax, bx, cx = x[first_corner], x[second_corner], x[third_corner]
    ay, by, cy = y[first_corner], y[second_corner], y[third_corner]
    left, right = _span(ax, bx, cx, size)
    top, bottom = _span(ay, by, cy, size)
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    seen = (right >= left) & (bottom >= top) & ((np.abs(area) if two_sided else -area) > 1e-6)
    kept = np.nonzero(seen)[0]
    ax, bx, cx, ay, by, cy, inverse = (part[kept] for part in (ax, bx, cx, ay, by, cy, area))
    np.divide(1, inverse, out=inverse)
    # The weights of the second and third corner as planes over the picture, from the square's first pixel on.
    across_b, down_b, across_c, down_c = (
        (cy - ay) * inverse,
        (ax - cx) * inverse,
        (ay - by) * inverse,
        (bx - ax) * inverse,
    )
    left, top = left[kept], top[kept]
    ax, ay = left + np.float32(0.5) - ax, top + np.float32(0.5) - ay
    planes = np.stack([ax * across_b + ay * down_b, across_b, down_b, ax * across_c + ay * down_c, across_c, down_c])
    side = np.maximum(right[kept] - left, bottom[kept] - top) + 1
    found: list[tuple[np.ndarray, ...]] = []
    above = 0
    for largest in SIDES:
        group = np.nonzero((side > above) & (side <= largest))[0]
        above = largest
        step = max(1, AT_ONCE // largest**2)
        for start in range(0, len(group), step):
            found.append(_covered(group[start : start + step], largest, left, top, planes, size))
    pixel, which, second, third = (np.concatenate(part) for part in zip(*found, strict=True)) if found else _nothing()
    triangle = kept[which]
    za, zb, zc = (z[corners].take(triangle) for corners in (first_corner, second_corner, third_corner))
    return Fragments(pixel, za + second * (zb - za) + third * (zc - za), triangle, second, third)


def _span(a: np.ndarray, b: np.ndarray, c: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last pixel (T,) whose centre may be between three corners."""
    low, high = np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)
    first = np.clip(np.ceil(low - 0.5), 0, size).astype(np.int32)
    return first, np.clip(np.floor(high - 0.5), -1, size - 1).astype(np.int32)


def _nothing() -> tuple[np.ndarray, ...]:
    return np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.float32)


def _covered(
    group: np.ndarray, side: int, left: np.ndarray, top: np.ndarray, planes: np.ndarray, size: int
) -> tuple[np.ndarray, ...]:
    """Of the triangles ``group``: pixels covered, by which, and the weights of their second and third corner."""
    at_b, across_b, down_b, at_c, across_c, down_c = (plane[:, None] for plane in planes[:, group])
    way = np.arange(side, dtype=np.float32)
    second = (at_b + across_b * way)[:, None, :] + (down_b * way)[:, :, None]
    third = (at_c + across_c * way)[:, None, :] + (down_c * way)[:, :, None]
    inside = (second >= 0) & (third >= 0)
    inside &= second + third <= 1
    hit = np.flatnonzero(inside)
    which, where = np.divmod(hit, side * side)
    row, column = np.divmod(where, side)
    column, row = column + left[group].take(which), row + top[group].take(which)
    found = (
        (row * size + column).astype(np.int32),
        group.take(which),
        second.ravel().take(hit),
        third.ravel().take(hit),
    )
    whole = (column < size) & (row < size)
    return found if whole.all() else tuple(part[whole] for part in found)


def nearest(pixel: np.ndarray, depth: np.ndarray, pixels: int) -> np.ndarray:
    """Of all fragments the indices of those that are the nearest of their pixel; of equals the first."""
    if not len(pixel):
        return np.empty(0, np.int64)
    span = float(np.ptp(depth)) + 1e-9
    level = ((depth - depth.min()) / span * (1 << 30)).astype(np.int64)
    key = (level << 32) | np.arange(len(pixel))
    best = np.full(pixels, np.iinfo(np.int64).max)
    np.minimum.at(best, pixel, key)
    return best[best != np.iinfo(np.int64).max] & 0xFFFFFFFF


def depth_map(points: np.ndarray, depth: np.ndarray, triangles: np.ndarray, size: int) -> np.ndarray:
    """(size, size) float32: the nearest depth at each pixel, infinite where there is nothing."""
    found = fragments(points, depth, triangles, size, two_sided=True)
    image = np.full(size * size, np.inf, np.float32)
    np.minimum.at(image, found.pixel, found.depth)
    return image.reshape(size, size)
