"""k-means on a line, beside the best clustering there is."""

import time
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_modules.compression.kmeans import INITS, kmeans
from lightning_modules.errors import UserError


def weights(n: int, seed: int = 0, kind: str = "normal") -> Tensor:
    """As a layer has them: bell-shaped, or what pruning leaves of that, without the middle."""
    drawn = torch.from_numpy(np.random.default_rng(seed).normal(0, 0.05, 4 * n).astype(np.float32))
    return drawn[drawn.abs() > 0.05][:n] if kind == "pruned" else drawn[:n]


def error(values: Tensor, codebook: Tensor, codes: Tensor) -> float:
    return float((values.double() - codebook.double()[codes]).square().sum())


def least_error(values: Tensor, k: int) -> float:
    """Of any k clusters, by exact dynamic programming over the sorted values: O(k n^2)."""
    ordered = np.sort(values.double().numpy())
    n = len(ordered)
    sums, squares = np.append(0, np.cumsum(ordered)), np.append(0, np.cumsum(ordered**2))
    first, last = np.meshgrid(np.arange(n), np.arange(1, n + 1), indexing="ij")
    counts = np.maximum(last - first, 1)
    within = squares[last] - squares[first] - (sums[last] - sums[first]) ** 2 / counts
    within[first >= last] = np.inf  # a cluster from its first to before its last
    best = within[0]
    for _ in range(k - 1):
        best = (np.append(np.inf, best[:-1])[:, None] + within).min(axis=0)
    return float(best[-1])


def test_the_optimum_of_a_case_that_can_be_seen() -> None:
    values = torch.tensor([0.0, 1.0, 10.0, 11.0, 12.0, 30.0])
    assert least_error(values, 3) == pytest.approx(0.5 + 2.0)
    assert least_error(values, 6) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("kind", "gaps"),
    [
        ("normal", {"linear": 0.33, "density": 0.20, "random": 0.21}),
        ("pruned", {"linear": 0.15, "density": 0.26, "random": 0.58}),
    ],
)
def test_how_far_each_start_leads_from_the_optimum(kind: str, gaps: dict[str, float]) -> None:
    """By how much the error of 16 clusters of 1000 weights is above the least possible, the mean of five layers.

    Of pruned weights, which the paper shares, "linear" is the nearest, as it says.
    """
    found: dict[str, list[float]] = {init: [] for init in gaps}
    for seed in range(5):
        values = weights(1000, seed, kind)
        least = least_error(values, 16)
        for init, excess in found.items():
            excess.append(error(values, *kmeans(values, 16, init, seed)) / least - 1)
    assert min(min(excess) for excess in found.values()) > 0
    assert {init: float(np.mean(excess)) for init, excess in found.items()} == pytest.approx(gaps, abs=0.01)


def test_many_weights_in_a_cluster_lead_to_the_optimum() -> None:
    values = weights(2000)
    least = least_error(values, 4)
    for init in INITS:
        assert error(values, *kmeans(values, 4, init)) == pytest.approx(least, rel=0.005)


@pytest.mark.parametrize("init", INITS)
def test_each_value_has_its_nearest_entry_and_each_entry_is_the_mean_of_its_values(init: str) -> None:
    values = weights(5000, seed=3)
    codebook, codes = kmeans(values, 32, init)
    assert codebook.shape == (32,)
    assert codebook.dtype == torch.float32
    assert codes.dtype == torch.int64
    assert torch.equal(codebook, codebook.sort().values)
    distances = (values[:, None] - codebook).abs()
    assert (distances.gather(1, codes[:, None])[:, 0] <= distances.min(1).values + 1e-8).all()
    for entry in range(32):
        assert float(codebook[entry]) == pytest.approx(float(values[codes == entry].double().mean()), rel=1e-6)


def test_linear_starts_evenly_between_the_smallest_and_the_largest() -> None:
    """Values that lie on the start are a solution, so they stay: 0, 1, 2 and 3, with unequal numbers of each."""
    values = torch.tensor([0.0] * 3 + [1.0] * 50 + [2.0] * 2 + [2.9, 3.1] * 4 + [3.0])
    codebook, codes = kmeans(values, 4)
    torch.testing.assert_close(codebook, torch.tensor([0.0, 1.0, 2.0, 3.0]), atol=1e-6, rtol=0)
    assert torch.bincount(codes).tolist() == [3, 50, 2, 9]


def test_random_follows_its_seed_and_the_others_have_none() -> None:
    values = weights(300, seed=1)
    same = [kmeans(values, 8, "random", seed=4) for _ in range(2)]
    assert all(torch.equal(a, b) for a, b in zip(*same, strict=True))
    assert not torch.equal(kmeans(values, 8, "random", seed=5).codebook, same[0].codebook)
    for init in ("linear", "density"):
        assert torch.equal(kmeans(values, 8, init, seed=4).codebook, kmeans(values, 8, init, seed=5).codebook)


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("k", [3, 4, 256])
def test_no_more_clusters_than_different_values(init: str, k: int) -> None:
    values = torch.tensor([0.1, -0.3, 0.1, 0.7, -0.3, 0.1])
    codebook, codes = kmeans(values, k, init)
    assert torch.equal(codebook, torch.tensor([-0.3, 0.1, 0.7]))
    assert torch.equal(codebook[codes], values)


@pytest.mark.parametrize("init", INITS)
def test_an_empty_cluster_takes_from_the_worst(init: str) -> None:
    """Evenly spaced starts all fall between two far heaps; all 16 clusters are used nonetheless."""
    values = torch.cat([weights(400), weights(400, seed=1) + 1000])
    codebook, codes = kmeans(values, 16, init)
    assert torch.bincount(codes, minlength=16).min() > 0
    assert codebook.isfinite().all()
    assert int((codebook < 500).sum()) in range(6, 11)


@pytest.mark.parametrize("init", INITS)
def test_hostile_values_never_make_a_codebook_that_is_no_number(init: str) -> None:
    one = torch.tensor(1.0)
    neighbours = torch.stack([one, torch.nextafter(one, one + 1), torch.nextafter(one, one - 1)]).repeat(7)
    cases: list[tuple[Tensor, int]] = [
        (torch.tensor([]), 4),
        (torch.zeros(100), 4),
        (torch.tensor([-0.0, 0.0]), 2),
        (torch.tensor([1e-45, 3e38, -3e38]), 2),
        (neighbours, 2),
        (torch.cat([torch.zeros(1000), torch.tensor([1.0, 2.0])]), 2),
        (weights(1000), 1),
    ]
    for values, k in cases:
        codebook, codes = kmeans(values, k, init)
        assert codebook.isfinite().all()
        assert 1 <= len(codebook) <= k
        assert len(codes) == len(values)
        assert not len(codes) or (int(codes.min()) >= 0 and int(codes.max()) == len(codebook) - 1)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_finite_number_is_refused(value: float) -> None:
    with pytest.raises(UserError, match="not a finite number"):
        kmeans(torch.tensor([1.0, value, 2.0]), 2)


def test_an_unknown_start_is_refused() -> None:
    with pytest.raises(UserError, match=r"init=plusplus: choose one of linear, density, random"):
        kmeans(torch.zeros(3), 2, "plusplus")


def test_shape_and_type_of_the_input_do_not_matter() -> None:
    values = weights(240)
    flat, shaped = kmeans(values, 8), kmeans(values.view(10, 24).double().requires_grad_(), 8)
    assert torch.equal(flat.codebook, shaped.codebook)
    assert torch.equal(flat.codes, shaped.codes)


@pytest.mark.slow
@pytest.mark.parametrize("init", INITS)
def test_the_largest_layer_of_alexnet_takes_seconds(init: str) -> None:
    """fc6 unpruned: 38 million weights, 32 clusters."""
    values: Any = weights(38_000_000)
    start = time.perf_counter()
    kmeans(values, 32, init)
    assert time.perf_counter() - start < 60
