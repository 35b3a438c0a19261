"""The losses against values made by hand."""

import math

import pytest
import torch

from lightning_modules.landmark_losses import euclidean, loss_of, smooth_l1, wing
from lightning_modules.landmark_options import Options
from tests.faces_made import options

TRUE = torch.zeros(2, 5, 2)


def moved(x: float) -> torch.Tensor:
    """One coordinate of the 20 is away by ``x``."""
    found = TRUE.clone()
    found[0, 3, 1] = x
    return found


def test_euclidean_is_caffe_s() -> None:
    found = TRUE + torch.tensor([3.0, 4.0])
    assert float(euclidean(found, TRUE)) == pytest.approx(2 * 5 * 25 / (2 * 2))


def test_smooth_l1_is_square_and_then_straight() -> None:
    assert float(smooth_l1(moved(0.5), TRUE, 1.0)) == pytest.approx(0.5 * 0.25 / 20)
    assert float(smooth_l1(moved(3.0), TRUE, 1.0)) == pytest.approx(2.5 / 20)


def test_wing_is_a_logarithm_and_then_straight() -> None:
    assert float(wing(moved(4.0), TRUE, 10, 2)) == pytest.approx(10 * math.log(3) / 20)
    beyond = 15 - (10 - 10 * math.log(6))
    assert float(wing(moved(15.0), TRUE, 10, 2)) == pytest.approx(beyond / 20)
    near, far = (float(wing(moved(x), TRUE, 10, 2)) for x in (10 - 1e-4, 10 + 1e-4))
    assert near == pytest.approx(far, abs=1e-4)


def test_an_option_chooses_the_loss_and_pixels_are_those_of_the_crop() -> None:
    found = moved(0.1)  # of a crop of 48 px: 2.35 px
    assert loss_of(Options.of(options()))(found, TRUE) == euclidean(found, TRUE)
    wanted = 10 * math.log(1 + 2.35 / 2) / 20
    assert float(loss_of(Options.of(options(loss="wing")))(found, TRUE)) == pytest.approx(wanted, rel=1e-5)
    assert float(loss_of(Options.of(options(loss="smooth_l1")))(found, TRUE)) == pytest.approx(
        (2.35 - 0.5) / 20, rel=1e-5
    )
