"""Metrics against values made by hand."""

import numpy as np
import pytest

from lightning_modules import landmark_metrics as metrics
from lightning_modules.errors import UserError

# Two faces: eyes 30 and 40 apart; boxes 30 x 40 and 40 x 40.
TRUE = np.array(
    [
        [[10, 10], [40, 10], [25, 30], [15, 50], [35, 50]],
        [[0, 0], [40, 0], [20, 20], [5, 40], [35, 40]],
    ],
    dtype=float,
)
SIZES = np.array([[300, 400], [60, 80]])
ERRORS = np.array([2.0, 5.0, 8.0, 10.0, 25.0])


def test_the_mean_distance_by_a_length() -> None:
    found = TRUE.copy()
    found[0] += (3, 4)  # each point 5 px away
    found[1, 2] += (0, 10)  # one of five 10 px away: 2 on average
    assert metrics.point_errors(found, TRUE).mean(1) == pytest.approx([5, 2])
    nmes = metrics.all_nmes(found, TRUE, SIZES)
    assert nmes[""] == pytest.approx([100 * 5 / 30, 100 * 2 / 40])
    assert nmes["_pupil"] == pytest.approx(nmes[""])  # of five points, the eyes' centres
    assert nmes["_box"] == pytest.approx([100 * 5 / np.sqrt(30 * 40), 100 * 2 / 40])
    assert nmes["_diagonal"] == pytest.approx([100 * 5 / 500, 100 * 2 / 100])


def test_68_and_98_points_have_corners_and_pupils_of_their_own() -> None:
    points = np.zeros((1, 68, 2))
    points[0, 36], points[0, 45] = (0, 0), (60, 80)
    points[0, 36:42] += (0, 0)
    assert metrics.inter_ocular(points, SIZES) == pytest.approx([100])
    points = np.zeros((1, 68, 2))
    points[0, 36:42], points[0, 42:48] = (10, 0), (40, 40)
    assert metrics.inter_pupil(points, SIZES) == pytest.approx([50])
    points = np.zeros((1, 98, 2))
    points[0, 60], points[0, 72], points[0, 96], points[0, 97] = (0, 0), (0, 7), (1, 0), (4, 4)
    assert metrics.inter_ocular(points, SIZES) == pytest.approx([7])
    assert metrics.inter_pupil(points, SIZES) == pytest.approx([5])


def test_a_markup_that_nobody_knows() -> None:
    with pytest.raises(UserError, match="faces with 7 points"):
        metrics.inter_ocular(np.zeros((1, 7, 2)), SIZES)


def test_failures_are_above_the_threshold() -> None:
    assert metrics.failure_rate(ERRORS) == pytest.approx(20)  # 25 alone: 10 is none
    assert metrics.failure_rate(ERRORS, 8) == pytest.approx(40)


def test_the_cumulative_distribution() -> None:
    assert metrics.ced(ERRORS, np.array([0, 2, 4.9, 5, 10, 100])) == pytest.approx([0, 20, 20, 40, 80, 100])


def test_the_area_under_it() -> None:
    # Each face counts by how far it is below 10: 0.8, 0.5, 0.2, 0, 0.
    assert metrics.auc(ERRORS) == pytest.approx(100 * (0.8 + 0.5 + 0.2) / 5)
    assert metrics.auc(ERRORS, 8) == pytest.approx(100 * (0.75 + 0.375) / 5)
    fine = np.linspace(0, 10, 100_001)
    assert metrics.auc(ERRORS) == pytest.approx(np.trapezoid(metrics.ced(ERRORS, fine), fine) / 10, rel=1e-3)
    assert metrics.auc(np.zeros(3)) == 100 and metrics.auc(np.full(3, 11.0)) == 0


def test_all_that_is_reported() -> None:
    found = metrics.summary({"": ERRORS, "_diagonal": ERRORS / 10})
    assert found["nme"] == pytest.approx(10) and found["nme_median"] == 8
    assert found["nme_diagonal"] == pytest.approx(1) and found["nme_diagonal_median"] == pytest.approx(0.8)
    assert found["fr10"] == pytest.approx(20) and found["auc10"] == pytest.approx(30)
    assert found["auc8"] == pytest.approx(22.5)
