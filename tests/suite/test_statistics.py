"""Intervals, tests and corrections, against independent computations and by simulation."""

from typing import Any

import numpy as np
import pytest
import scipy.stats

from experiments.suite import statistics
from experiments.suite.statistics import Estimate

stats: Any = scipy.stats


def _paired(generator: np.random.Generator, seeds: int, images: int) -> tuple[np.ndarray, np.ndarray]:
    return generator.random((seeds, images)) < 0.9, generator.random((seeds, images)) < 0.88


def _difference(a: np.ndarray, b: np.ndarray, images: tuple[Any, Any] = (None, None)) -> Estimate:
    return statistics.contrast([a, b], images, [1.0, -1.0])


def test_the_paired_interval_is_the_design_s_formula() -> None:
    a, b = (100.0 * part for part in _paired(np.random.default_rng(0), 5, 400))
    found = _difference(a.mean(axis=1), b.mean(axis=1), (a, b))
    d = a.mean(axis=1) - b.mean(axis=1)
    v = np.var((a - b).mean(axis=0), ddof=1)
    se = np.sqrt(np.var(d, ddof=1) / 5 + v / 400)
    low, high = stats.t.interval(0.95, 4, loc=d.mean(), scale=se)
    assert (found.estimate, found.low, found.high) == pytest.approx((d.mean(), low, high))
    assert (found.n, found.df, found.se) == (5, 4, pytest.approx(se))


def test_without_per_example_values_it_is_the_paired_t_interval() -> None:
    a, b = np.array([88.1, 88.4, 88.0, 88.3]), np.array([87.0, 87.9, 87.1, 87.6])
    found = _difference(a, b)
    expected = stats.ttest_rel(a, b)
    interval = expected.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert 2 * statistics.p_above(found, 0.0) == pytest.approx(expected.pvalue)


def test_images_of_several_seeds_are_not_pooled() -> None:
    """Ten equal seeds know no more about other images than one does."""
    right = np.random.default_rng(1).random(500) < 0.9
    images = np.tile(100.0 * right, (10, 1))
    found = statistics.row_mean(images.mean(axis=1), images)
    assert found.se == pytest.approx(images[0].std(ddof=1) / np.sqrt(500))


def test_the_interval_covers_the_truth_95_times_in_100() -> None:
    """Rows differ by 1 point on average over all seeds and images; each of 1500 studies draws its own of both."""
    generator = np.random.default_rng(2)
    covered = 0
    for _ in range(1500):
        image_effect = generator.normal(0, 10, size=200)
        seed_effect = generator.normal(0, 1, size=(5, 1))
        difference = 1.0 + image_effect + seed_effect + generator.normal(0, 5, size=(5, 200))
        base = generator.normal(80, 5, size=(5, 200))
        a = base + difference
        found = _difference(a.mean(axis=1), base.mean(axis=1), (a, base))
        assert found.low is not None and found.high is not None
        covered += found.low <= 1.0 <= found.high
    assert 0.94 <= covered / 1500 <= 0.995


def test_one_seed_has_no_interval() -> None:
    found = statistics.row_mean(np.array([88.0]), np.ones((1, 10)))
    assert found == Estimate(88.0, None, None, 1, None, None)
    with pytest.raises(ValueError, match="one seed"):
        statistics.p_above(found, 0.0)


def test_equal_values_have_a_certain_sign() -> None:
    found = _difference(np.full(3, 2.0), np.full(3, 1.0))
    assert (found.low, found.high) == (1.0, 1.0)
    assert statistics.p_above(found, 0.0) == 0.0
    assert statistics.p_above(found, 1.0) == statistics.p_below(found, 1.0) == 1.0


def test_rows_of_other_images_cannot_be_paired() -> None:
    with pytest.raises(ValueError, match="differ in seeds or images"):
        _difference(np.ones(2), np.ones(2), (np.ones((2, 10)), np.ones((2, 9))))


def test_the_bootstrap_of_a_mean_finds_the_formula_s_variance() -> None:
    images = np.random.default_rng(3).normal(10, 2, size=(5, 300))
    found = statistics.bootstrap_variance([images], [1.0], lambda kept: kept.mean(axis=1))
    assert found == pytest.approx(statistics.image_variance(images), rel=0.15)


def test_the_bootstrap_repeats_itself_and_leaves_the_global_generator_alone() -> None:
    images = np.random.default_rng(4).normal(10, 2, size=(3, 200))

    def median(kept: np.ndarray) -> np.ndarray:
        return np.median(kept, axis=1)

    np.random.seed(0)
    expected = np.random.random()
    np.random.seed(0)
    first = statistics.row_mean(median(images), images, median)
    assert first == statistics.row_mean(median(images), images, median)
    assert np.random.random() == expected
    seeds_only = statistics.row_mean(median(images))
    assert first.se is not None and seeds_only.se is not None and first.se > seeds_only.se


def test_one_sided_p_values_and_tost() -> None:
    value = Estimate(0.2, None, None, 5, 0.1, 4)
    assert statistics.p_above(value, 0.0) == pytest.approx(stats.t.sf(2.0, 4))
    assert statistics.p_below(value, 0.5) == pytest.approx(stats.t.cdf(-3.0, 4))
    assert statistics.p_inside(value, -0.5, 0.5) == pytest.approx(max(stats.t.sf(7.0, 4), stats.t.sf(3.0, 4)))
    assert statistics.p_inside(value, 0.0, np.inf) == statistics.p_above(value, 0.0)
    assert statistics.p_outside(value, -0.1, 0.1) == pytest.approx(stats.t.sf(1.0, 4))


def test_holm_by_hand() -> None:
    # Sorted: 0.01 x 4 = 0.04, 0.02 x 3 = 0.06, 0.03 x 2 = 0.06, 0.04 x 1 = 0.04 raised to 0.06.
    assert statistics.holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert statistics.holm([0.9, 0.8]) == [1.0, 1.0]
    assert statistics.holm([]) == []


def test_a_contrast_of_three_rows() -> None:
    rows = [np.array([1.0, 1.2, 0.9]), np.array([2.1, 2.0, 2.2]), np.array([3.0, 3.1, 3.2])]
    found = statistics.contrast(rows, [None] * 3, [-0.5, 0.0, 0.5])
    slopes = [np.polyfit([0, 1, 2], per_seed, 1)[0] for per_seed in zip(*rows, strict=True)]
    assert found.estimate == pytest.approx(np.mean(slopes))
    assert found.se == pytest.approx(stats.sem(slopes))
