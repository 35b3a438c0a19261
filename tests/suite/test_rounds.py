"""The median over rounds and its interval."""

import numpy as np
import pytest
from scipy import stats

from experiments.suite.rounds import median


@pytest.mark.parametrize("n", [6, 9, 10, 12, 25, 40])
def test_the_interval_is_that_of_the_sign_test(n: int) -> None:
    values = np.random.default_rng(n).permutation(n) + 1.0
    found = median(values.tolist())
    k = int(stats.binom.ppf(0.025, n, 0.5))  # fewer heads than this: at most 2.5 %
    assert (found.estimate, found.rounds) == (np.median(values), n)
    assert (found.low, found.high) == (k, n + 1 - k)
    interval = stats.quantile_test(values, q=0).confidence_interval(0.95)
    assert (found.low, found.high) == (interval.low, interval.high)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_too_few_rounds_have_no_interval(n: int) -> None:
    found = median([3.0] * n)
    assert (found.estimate, found.low, found.high) == (3.0, None, None)


def test_one_disturbed_round_moves_little() -> None:
    quiet = [100.0 + number for number in range(12)]
    disturbed = [5.0, *quiet[1:]]
    assert median(disturbed).low == median(quiet).low
    assert median(disturbed).high == median(quiet).high
