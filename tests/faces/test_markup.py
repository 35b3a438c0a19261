"""The markups: what mirrors to what, and the five points in each."""

import numpy as np
import pytest

from lightning_modules.errors import UserError
from lightning_modules.faces.head import head
from lightning_modules.faces.markup import FLIP, MARKUPS, five_points, flipped


def points(markup: int) -> np.ndarray:
    return np.random.default_rng(markup).uniform(0, 100, (3, markup, 2)).astype(np.float32)


@pytest.mark.parametrize("markup", MARKUPS)
def test_mirrored_twice_is_as_before(markup: int) -> None:
    order = np.array(FLIP[markup])
    assert sorted(order) == list(range(markup))
    assert (order[order] == np.arange(markup)).all()
    assert np.allclose(flipped(flipped(points(markup), 100), 100), points(markup), atol=1e-4)


@pytest.mark.parametrize(("markup", "fixed"), [(5, [2]), (68, [8, 27, 28, 29, 30, 33, 51, 57, 62, 66]),
                                              (98, [16, 51, 52, 53, 54, 57, 79, 85, 90, 94])])  # fmt: skip
def test_what_lies_on_the_middle_line_stays(markup: int, fixed: list[int]) -> None:
    assert [index for index, other in enumerate(FLIP[markup]) if index == other] == fixed


@pytest.mark.parametrize("markup", [68, 98])
def test_the_five_points_of_a_mirrored_face_are_the_mirrored_five_points(markup: int) -> None:
    given = points(markup)
    assert np.allclose(five_points(flipped(given, 64)), flipped(five_points(given), 64), atol=1e-4)


def test_the_mirrored_mesh_is_the_flip_map() -> None:
    found = head().mean[head().landmarks]
    mirrored = found * np.array([-1, 1, 1])
    assert np.abs(mirrored - found[list(FLIP[68])]).max() < 1e-3


def test_five_of_68_are_the_eyes_middles_the_nose_and_the_mouths_corners() -> None:
    given = points(68)
    assert np.allclose(five_points(given)[:, 0], given[:, 36:42].mean(1))
    assert np.allclose(five_points(given)[:, 1], given[:, 42:48].mean(1))
    assert np.allclose(five_points(given)[:, 2:], given[:, [30, 48, 54]])


def test_five_of_98_are_pupils_nose_and_the_mouths_corners() -> None:
    given = points(98)
    assert np.allclose(five_points(given), given[:, [96, 97, 54, 76, 82]])


def test_five_of_five_are_they_themselves() -> None:
    assert np.array_equal(five_points(points(5)), points(5))


def test_another_markup_is_refused() -> None:
    with pytest.raises(UserError, match="faces with 194 points: the markups known here have 5, 68, 98"):
        five_points(np.zeros((194, 2)))
