"""Means and differences over seeds that share one test set, their intervals and their tests.

With S seeds and N test images, d_s is a row's metric, or a difference of rows, at seed s. The estimate is mean(d_s);
its 95 % interval is the t quantile with S - 1 degrees of freedom times sqrt(var(d_s) / S + v / N). v is the variance
over the images of the per-image value averaged over seeds: all seeds see the same images, so that part does not
average out with more seeds, and images of several seeds are never pooled. See docs/reading-the-tables.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
REPLICATES = 1000  # bootstrap: the variance is known to 5 %
Statistic = Callable[[np.ndarray], np.ndarray]  # (S, N) -> (S,): one number a seed


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds in the metric's unit. With one seed there is no low, high, se or df."""

    estimate: float
    low: float | None
    high: float | None
    n: int
    se: float | None
    df: int | None


def row_mean(values: np.ndarray, images: np.ndarray | None = None, statistic: Statistic | None = None) -> Estimate:
    """One row: ``values`` (S,), ``images`` (S, N) per-example values or None where the runs kept none."""
    return contrast([values], [images], [1.0], statistic)


def contrast(
    values: Sequence[np.ndarray],
    images: Sequence[np.ndarray | None],
    weights: Sequence[float],
    statistic: Statistic | None = None,
) -> Estimate:
    """A weighted sum of rows: for each row ``values`` (S,), ``images`` (S, N) or None, and a weight.

    With the weights 1 and -1 it is the paired difference of two rows, seed by seed and image by image.

    ``statistic`` says what the metric is of its per-example values where it is no mean (a median); the second part of
    the variance then comes from a bootstrap over images. It is 0 where a row has no per-example values.
    Raises ValueError when the rows do not have the same seeds and images.
    """
    per_seed = _weighted([np.asarray(row, dtype=np.float64) for row in values], weights)
    present = [row for row in images if row is not None]
    if len(present) < len(values):
        return from_seeds(per_seed, 0.0)
    if statistic is None:
        return from_seeds(per_seed, image_variance(_weighted(present, weights)))
    return from_seeds(per_seed, bootstrap_variance(present, weights, statistic))


def _weighted(rows: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    if len({row.shape for row in rows}) != 1:
        raise ValueError(f"the rows differ in seeds or images: {', '.join(str(row.shape) for row in rows)}")
    return sum((weight * row for row, weight in zip(rows, weights, strict=True)), np.zeros(rows[0].shape))


def from_seeds(per_seed: np.ndarray, variance: float = 0.0) -> Estimate:
    """``per_seed`` (S,), S >= 1; ``variance`` of the estimate that comes from the choice of test images."""
    n = per_seed.size
    mean = float(per_seed.mean())
    if n == 1:
        return Estimate(mean, None, None, 1, None, None)
    se = float(np.sqrt(per_seed.var(ddof=1) / n + variance))
    half = _t_quantile(n - 1, (1 + LEVEL) / 2) * se
    return Estimate(mean, mean - half, mean + half, n, se, n - 1)


def image_variance(images: np.ndarray) -> float:
    """v / N of (S, N) per-example values: the variance of a mean over the test images."""
    count = images.shape[1]
    return float(images.mean(axis=0).var(ddof=1)) / count if count > 1 else 0.0


def bootstrap_variance(
    images: Sequence[np.ndarray],
    weights: Sequence[float],
    statistic: Statistic,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> float:
    """Variance over resampled test images (the same ones for all rows and seeds) of the contrast's mean over seeds.

    ``images`` holds one (S, N) array a row. The generator is the function's own: equal calls give equal results.
    """
    generator = np.random.default_rng(seed)
    count = images[0].shape[1]
    draws = np.empty(replicates)
    for replicate in range(replicates):
        chosen = generator.integers(count, size=count)
        per_seed = _weighted([statistic(row[:, chosen]) for row in images], weights)
        draws[replicate] = per_seed.mean()
    return float(draws.var(ddof=1))


def _t_below(df: int, t: float) -> float:
    """P(T <= t). scipy is imported on use: it takes longer to load than all else, and a plan needs no quantiles."""
    from scipy.special import stdtr

    return float(stdtr(df, t))


def _t_quantile(df: int, probability: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(df, probability))


def p_above(value: Estimate, bound: float) -> float:
    """One-sided p of "the true value is at most ``bound``": small when the estimate lies well above it."""
    if value.se is None or value.df is None:
        raise ValueError("one seed has no p-value")
    if value.se == 0:
        return 0.0 if value.estimate > bound else 1.0
    return _t_below(value.df, (bound - value.estimate) / value.se)


def p_below(value: Estimate, bound: float) -> float:
    """One-sided p of "the true value is at least ``bound``"."""
    mirrored = Estimate(-value.estimate, None, None, value.n, value.se, value.df)
    return p_above(mirrored, -bound)


def p_inside(value: Estimate, lower: float, upper: float) -> float:
    """p of "the true value is outside (lower, upper)": two one-sided tests (TOST); one where a bound is infinite."""
    return max(p_above(value, lower), p_below(value, upper))


def p_outside(value: Estimate, lower: float, upper: float) -> float:
    """One-sided p of "the true value is inside (lower, upper)", at the nearer bound."""
    return min(p_below(value, lower), p_above(value, upper))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values, in the order given; each at most 1."""
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted
