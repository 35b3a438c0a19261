"""k-means on a line: the few numbers that stand for a layer's weights.

Lloyd's algorithm from the three starts of Deep Compression (Han et al., 2016, arXiv:1510.00149, section 3.2, Figure 6).
On a line a cluster is a stretch of the sorted values, and its mean a difference of two cumulative sums. So after one
sort an iteration looks k - 1 places up, whatever the number of values.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_modules.errors import UserError, check_choice

INITS = ("linear", "density", "random")
ITERATIONS = 10_000  # a bound; a layer with 256 clusters stands still after some hundreds


class Clusters(NamedTuple):
    """``codebook`` (K,) float32, ascending, and the entry ``codes`` (n,) int64 in [0, K) that each value has."""

    codebook: Tensor
    codes: Tensor


def kmeans(values: Tensor, k: int, init: str = "linear", seed: int = 0) -> Clusters:
    """At most ``k`` clusters of ``values`` (n,), each entry the mean of its values: a local optimum, always the same.

    A cluster that loses all its values is put on the mean of the one with the largest squared error and takes what lies
    above that. Every entry has a value, so where there are no more than k distinct ones these are the codebook, exactly,
    and K is their number. Without any value the codebook is one zero.

    Args:
        init: "linear" spaces the first centroids evenly from the smallest to the largest value, "density" over their
            distribution function (k quantiles), "random" draws k of the values (Forgy).
        seed: of the draw; the other starts have none.

    Raises:
        UserError: another ``init``; a value is not a finite number.
    """
    check_choice("compression.steps: init", init, INITS)
    values = values.detach().flatten().float().cpu()
    ordered = np.sort(values.numpy())
    if not len(ordered):
        return Clusters(torch.zeros(1), torch.zeros(0, dtype=torch.int64))
    if not np.isfinite(ordered[[0, -1]]).all():
        raise UserError("a weight is not a finite number: it diverged in training, lower recipe.lr")
    distinct = ordered[np.append(True, ordered[1:] != ordered[:-1])]
    if len(distinct) <= k:
        return Clusters(torch.from_numpy(distinct), _codes(values, distinct))
    bounds, means = _lloyd(ordered, _start(ordered, k, init, seed))
    return Clusters(torch.from_numpy(means.astype(np.float32)), _codes(values, ordered[bounds[:-1]]))


def _start(ordered: NDArray[np.float32], k: int, init: str, seed: int) -> NDArray[np.float64]:
    """The first centroids (k,), ascending."""
    if init == "linear":
        return np.linspace(float(ordered[0]), float(ordered[-1]), k)
    if init == "density":
        places = (np.arange(k) + 0.5) / k * len(ordered)
    else:
        places = np.sort(np.random.default_rng(seed).choice(len(ordered), k, replace=False))
    return ordered[places.astype(np.int64)].astype(np.float64)


def _lloyd(
    ordered: NDArray[np.float32], centroids: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Bounds (K + 1,) of the clusters in the sorted values, and their means (K,), once no value changes its cluster."""
    k = len(centroids)
    sums = np.append(0.0, np.cumsum(ordered, dtype=np.float64))
    squares = np.append(0.0, np.cumsum(np.square(ordered, dtype=np.float64)))
    before, bounds, means = None, _bounds(ordered, centroids), centroids
    for _ in range(ITERATIONS):
        counts = np.diff(bounds)
        means = np.diff(sums[bounds]) / counts
        if before is not None and np.array_equal(bounds, before):
            break
        centroids = means
        if len(means) < k:
            errors = np.diff(squares[bounds]) - counts * means**2
            worst = np.argsort(-errors, kind="stable")[: k - len(means)]
            centroids = np.sort(np.append(means, means[worst]))
        before, bounds = bounds, _bounds(ordered, centroids)
    return bounds, means


def _bounds(ordered: NDArray[np.float32], centroids: NDArray[np.float64]) -> NDArray[np.int64]:
    """Where the clusters of the nearest centroid begin and end; an empty one has no place. At equal distance: the lower.

    Of two equal centroids the lower one so gets the values up to it, the other those above.
    """
    middles = (centroids[1:] + centroids[:-1]) / 2
    # numpy would turn all values into float64 to look up one. The float32 next below a middle divides them alike.
    found = middles.astype(np.float32)
    found = np.where(found > middles, np.nextafter(found, np.float32(-np.inf)), found)
    return np.unique(np.concatenate(([0], np.searchsorted(ordered, found, side="right"), [len(ordered)])))


def _codes(values: Tensor, firsts: NDArray[np.float32]) -> Tensor:
    """For each value the cluster it is in, from the smallest value of each."""
    return torch.bucketize(values, torch.from_numpy(firsts[1:]), right=True)
