"""The rasterizer, against one that asks every pixel."""

import numpy as np
import pytest

from lightning_modules.faces.raster import depth_map, fragments, nearest

SIZE = 24
CORNERS = np.array([[2.3, 1.7], [4.1, 20.2], [19.6, 9.4]], np.float32)  # seen from the front: anticlockwise, y up
ONE = np.array([[0, 1, 2]], np.int32)


def inside(corners: np.ndarray) -> set[int]:
    """Pixels whose centre is in the triangle."""
    row, column = np.mgrid[0:SIZE, 0:SIZE]
    centres = np.stack([column.ravel() + 0.5, row.ravel() + 0.5, np.ones(SIZE * SIZE)])
    weights = np.linalg.solve(np.concatenate([corners.T, np.ones((1, 3))]), centres)
    return set(np.flatnonzero((weights >= 0).all(0)).tolist())


def test_a_triangle_covers_the_pixels_whose_centre_it_holds() -> None:
    found = fragments(CORNERS, np.zeros(3), ONE, SIZE, two_sided=False)
    assert set(found.pixel.tolist()) == inside(CORNERS)
    assert len(set(found.pixel.tolist())) == len(found)


def test_a_triangle_that_leaves_the_picture_is_cut() -> None:
    corners = CORNERS * 3 - 20
    found = fragments(corners, np.zeros(3), ONE, SIZE, two_sided=True)
    assert set(found.pixel.tolist()) == inside(corners)


@pytest.mark.parametrize("side", [0.8, 1.5, 3.0, 7.0, 22.0])
def test_many_triangles_of_any_size_are_as_each_by_itself(side: float) -> None:
    rng = np.random.default_rng(0)
    corners = (rng.uniform(-2, SIZE, (40, 1, 2)) + rng.uniform(0, side, (40, 3, 2))).reshape(-1, 2).astype(np.float32)
    triangles = np.arange(120, dtype=np.int32).reshape(40, 3)
    found = fragments(corners, np.zeros(120), triangles, SIZE, two_sided=True)
    for number in range(40):
        assert set(found.pixel[found.triangle == number].tolist()) == inside(corners[triangles[number]])


def test_the_back_of_a_surface_is_left_out_unless_it_has_two_sides() -> None:
    front, back = (
        fragments(CORNERS, np.zeros(3), ONE, SIZE, False),
        fragments(CORNERS, np.zeros(3), ONE[:, ::-1], SIZE, False),
    )
    assert len(front) > 100 and len(back) == 0
    assert len(fragments(CORNERS, np.zeros(3), ONE[:, ::-1], SIZE, True)) == len(front)


def test_values_and_depth_are_linear_over_a_triangle() -> None:
    depth = CORNERS @ np.array([0.3, -0.2]) + 1
    found = fragments(CORNERS, depth, ONE, SIZE, two_sided=False)
    values = found.interpolate(ONE, CORNERS)
    centres = np.stack([found.pixel % SIZE, found.pixel // SIZE], 1) + 0.5
    assert np.abs(values - centres).max() < 1e-4
    assert np.abs(found.depth - (centres @ np.array([0.3, -0.2]) + 1)).max() < 1e-5


def test_the_nearest_is_seen_and_of_equals_the_first() -> None:
    pixel, depth = np.array([3, 3, 3, 7, 7]), np.array([2.0, 1.0, 5.0, 4.0, 4.0])
    assert nearest(pixel, depth, 10).tolist() == [1, 3]
    assert len(nearest(pixel[:0], depth[:0], 10)) == 0


def test_a_depth_map_holds_the_nearest_and_infinity_elsewhere() -> None:
    both = np.concatenate([CORNERS, CORNERS])
    found = depth_map(both, np.array([5, 5, 5, 2, 2, 2.0]), np.array([[0, 1, 2], [3, 4, 5]], np.int32), SIZE)
    assert set(np.flatnonzero(np.isfinite(found)).tolist()) == inside(CORNERS)
    assert (found[np.isfinite(found)] == 2).all()
