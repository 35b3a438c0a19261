"""Layers as two thinner ones: the same function at full rank, the singular values left out as error below it."""

import itertools
from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from lightning_modules.compression.low_rank import (
    LowRankOptions,
    factored,
    factorise,
    matrix,
    rank_of_energy,
    rank_of_ratio,
    ranks,
    restructure,
    shrinks,
)
from lightning_modules.errors import UserError
from lightning_modules.nets.blocks import DepthwiseConv2d, PointwiseConv2d
from lightning_modules.nets.squeezenet import SqueezeNet
from tests.nets.against import count, images, paper

CONVOLUTIONS: list[dict[str, Any]] = [
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": 7, "stride": 2},
    {"kernel_size": (3, 5), "stride": (2, 1), "padding": (0, 2), "dilation": (1, 2)},
    {"kernel_size": (5, 3), "padding": "same", "bias": False},
    {"kernel_size": 3, "padding": (2, 1), "padding_mode": "reflect"},
    {"kernel_size": 1, "stride": 2},
]


def product(pair: nn.Sequential, kind: str) -> Tensor:
    """The weight (matrix) that the two layers make together."""
    first, second = (part.weight.detach() for part in pair)  # type: ignore[union-attr, operator]
    if kind != "spatial":
        return second.flatten(1) @ first.flatten(1)
    return torch.einsum("kiy,okx->iyox", first[..., 0], second[:, :, 0]).flatten(2).flatten(0, 1)


@pytest.mark.parametrize("options", CONVOLUTIONS)
@pytest.mark.parametrize("kind", ["channel", "spatial"])
def test_a_convolution_of_full_rank_computes_the_same(options: dict[str, Any], kind: str) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 8, **options)
    pair = factored(layer, kind, min(matrix(layer.weight, kind).shape))
    with torch.no_grad():
        expected, found = layer(images(17)), pair(images(17))
    assert expected.shape == found.shape
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer_of_full_rank_computes_the_same(bias: bool) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(20, 7, bias=bias)
    x = torch.randn(4, 20)
    torch.testing.assert_close(factored(layer, "linear", 7)(x), layer(x), atol=1e-5, rtol=0)


def test_the_sizes_of_the_two_layers() -> None:
    layer = nn.Conv2d(3, 8, (5, 3), stride=(2, 1), padding=(2, 1))
    down, across = factored(layer, "spatial", 4)
    assert isinstance(down, nn.Conv2d) and isinstance(across, nn.Conv2d)
    assert (down.weight.shape, down.stride, down.padding, down.bias) == ((4, 3, 5, 1), (2, 1), (2, 0), None)
    assert (across.weight.shape, across.stride, across.padding) == ((8, 4, 1, 3), (1, 1), (0, 1))
    assert across.bias is not None and layer.bias is not None
    assert torch.equal(across.bias, layer.bias)
    few, pixel = factored(layer, "channel", 4)
    assert isinstance(few, nn.Conv2d) and isinstance(pixel, nn.Conv2d)
    assert (few.weight.shape, few.stride, few.padding, few.bias) == ((4, 3, 5, 3), (2, 1), (2, 1), None)
    assert pixel.weight.shape == (8, 4, 1, 1)
    first, second = factored(nn.Linear(9, 6), "linear", 2)
    assert (first.weight.shape, second.weight.shape) == ((2, 9), (6, 2))
    assert (first.bias is None, second.bias is None) == (True, False)


@pytest.mark.parametrize(
    ("layer", "kind"),
    [(nn.Linear(30, 20), "linear"), (nn.Conv2d(6, 12, 3), "channel"), (nn.Conv2d(6, 12, 3), "spatial")],
)
def test_the_error_is_the_singular_values_left_out(layer: Any, kind: str) -> None:
    """Eckart and Young: no other product of this rank is nearer."""
    whole = matrix(layer.weight.detach(), kind)
    singular = torch.linalg.svdvals(whole)
    found = []
    for rank in (1, 5, 9):
        lost = (whole - product(factored(layer, kind, rank), kind)).square().sum()
        torch.testing.assert_close(lost, singular[rank:].square().sum(), atol=1e-6, rtol=1e-4)
        found.append(float(lost))
    assert found == sorted(found, reverse=True)


def test_the_report_says_the_same_error() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 1))
    weight: Any = net[0].weight
    singular = torch.linalg.svdvals(matrix(weight.detach(), "spatial")).square()
    done = factorise(net, LowRankOptions(ratio=3, conv="spatial", layers=["0"]))
    assert done.factors["0"]["kind"] == "spatial"
    rank = done.factors["0"]["rank"]
    assert done.error == {"0": pytest.approx(float(singular[rank:].sum() / singular.sum()), rel=1e-5)}
    assert isinstance(net[2], nn.Conv2d)


def test_rank_by_energy_is_the_least_that_keeps_it() -> None:
    singular = torch.tensor([3.0, 2.0, 1.0, 1.0])  # squared: 9, 4, 1, 1 of 15
    shares = {0.5: 1, 9 / 15: 1, 0.61: 2, 13 / 15: 2, 0.9: 3, 0.95: 4, 1.0: 4}
    assert {share: rank_of_energy(singular, share) for share in shares} == shares
    assert rank_of_energy(torch.tensor([2.0, 1.0, 0.0]), 1.0) == 2
    assert rank_of_energy(torch.zeros(3), 0.9) == 1


@pytest.mark.parametrize(("rows", "columns"), [(10, 15), (512, 4096), (64, 64), (3, 1000)])
def test_rank_by_ratio_is_the_highest_that_reaches_it(rows: int, columns: int) -> None:
    """Against the published cost model: k (m + n) weights in the place of m n, a ratio of m n / (k (m + n))."""
    model = paper("svd_lowrank")["cost_model"]
    assert model["svd_params"].startswith("k*(m + n) instead of m*n")
    assert model["svd_ratio"] == "m*n / (k*(m+n))"
    for ratio in (1.5, 2.0, 2.9):
        rank = rank_of_ratio(rows, columns, ratio)
        assert rows * columns / (rank * (rows + columns)) >= ratio or rank == 1
        assert rows * columns / ((rank + 1) * (rows + columns)) < ratio


def test_weights_are_those_of_the_cost_model() -> None:
    m, n = 12, 20
    assert paper("svd_lowrank")["cost_model"]["svd_params"].endswith("saves when k < m*n/(m+n)")
    for rank in range(1, m + 1):
        weights = sum(part.weight.numel() for part in factored(nn.Linear(n, m), "linear", rank))  # type: ignore[union-attr, operator, misc]
        assert weights == rank * (m + n)
        assert shrinks(m, n, rank) == (rank < m * n / (m + n)) == (weights < m * n)
    layer = nn.Conv2d(4, 10, (3, 5))
    for kind, rows, columns in (("channel", 10, 4 * 15), ("spatial", 4 * 3, 10 * 5)):
        assert matrix(layer.weight, kind).shape == (rows, columns)
        assert count(factored(layer, kind, 2)) == 2 * (rows + columns) + 10


def small() -> nn.ModuleDict:
    torch.manual_seed(0)
    return nn.ModuleDict(
        {
            "wide": nn.Conv2d(16, 32, 3),
            "thin": nn.Conv2d(1, 2, 1),
            "grouped": nn.Conv2d(16, 32, 3, groups=2),
            "depthwise": DepthwiseConv2d(16),
            "line": nn.Conv1d(16, 16, 3),
            "dense": nn.Linear(64, 32),
        }
    )


def test_what_does_not_fit_is_left_alone_and_why() -> None:
    net = small()
    before = dict(net.items())
    done = factorise(net, LowRankOptions(energy=0.5))
    assert list(done.factors) == ["wide", "dense"]
    assert done.left == {
        "thin": "rank 1 has 3 weights, the layer 2",
        "grouped": "groups=2: only convolutions over all channels are factored",
        "depthwise": "groups=16: only convolutions over all channels are factored",
        "line": "Conv1d: only linear layers and 2-D convolutions are factored",
    }
    assert all(net[name] is before[name] for name in done.left)


def test_a_rank_that_does_not_pay_is_left_alone() -> None:
    net = small()
    done = factorise(net, LowRankOptions(energy=1.0))
    assert not done.factors
    assert done.left["dense"] == "rank 32 has 3072 weights, the layer 2048"


@pytest.mark.parametrize("conv", ["channel", "spatial"])
def test_a_whole_net_and_its_structure_again(conv: str) -> None:
    torch.manual_seed(0)
    net = SqueezeNet(num_classes=10, in_channels=1, base_e=16, incr_e=16, squeeze_ratio=0.5, stem="small").eval()
    plain = count(net)
    done = factorise(net, LowRankOptions(ratio=2, conv=conv))
    assert set(done.factors) | set(done.left) == {
        name for name, layer in SqueezeNet(base_e=16, incr_e=16).named_modules() if isinstance(layer, nn.Conv2d)
    }
    assert count(net) < 0.6 * plain
    torch.manual_seed(1)
    again = SqueezeNet(num_classes=10, in_channels=1, base_e=16, incr_e=16, squeeze_ratio=0.5, stem="small").eval()
    restructure(again, done.factors)
    again.load_state_dict(net.state_dict())
    with torch.no_grad():
        x = images(28, channels=1)
        assert torch.equal(again(x), net(x))
    assert [type(part) for part in again.modules()] == [type(part) for part in net.modules()]


def test_a_pointwise_layer_becomes_two() -> None:
    """Which are quick on tiny maps, too."""
    net = nn.Sequential(PointwiseConv2d(32, 48, bias=True), nn.Identity()).eval()
    done = factorise(net, LowRankOptions(ratio=2, conv="spatial"))
    assert done.factors == {"0": {"kind": "channel", "rank": 9}}
    assert all(isinstance(part, PointwiseConv2d) for part in net[0])  # type: ignore[union-attr]
    assert not net[0].training


def test_the_structure_alone_needs_no_memory() -> None:
    with torch.device("meta"):
        net = nn.Sequential(nn.Conv2d(64, 64, 3), nn.Linear(4096, 4096))
    restructure(net, {"0": {"kind": "spatial", "rank": 10}, "1": {"kind": "linear", "rank": 100}})
    assert count(net) == 10 * (64 * 3 * 2) + 64 + 100 * 8192 + 4096
    assert all(parameter.is_meta for parameter in net.parameters())


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ([1, 2], "is not a table of layers"),
        ({"absent": {"kind": "linear", "rank": 1}}, "has no layer absent"),
        ({"grouped": {"kind": "channel", "rank": 1}}, "has no layer grouped"),
        ({"wide": "linear"}, "has no layer wide"),
        ({"wide": {"kind": "linear", "rank": 1}}, "wide: kind=linear does not fit a Conv2d"),
        ({"dense": {"kind": "channel", "rank": 1}}, "dense: kind=channel does not fit a Linear"),
        ({"dense": {"kind": "other", "rank": 1}}, "dense: kind=other"),
        ({"dense": {"kind": "linear", "rank": 10**9}}, "dense: rank=1000000000 does not make its 32 x 64"),
        ({"dense": {"kind": "linear", "rank": 0}}, "dense: rank=0"),
        ({"dense": {"kind": "linear", "rank": "4"}}, "dense: rank=4"),
        ({"dense": {"kind": "linear"}}, "dense: rank=None"),
        ({"dense": {"kind": "linear", "rank": 4}, "dense.0": {"kind": "linear", "rank": 2}}, r"has no layer dense\.0"),
    ],
)
def test_a_description_that_does_not_fit_is_one_line(factors: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        restructure(small(), factors)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "give exactly one of the two"),
        ({"energy": 0.9, "ratio": 2}, "give exactly one of the two"),
        ({"energy": 0}, "energy=0: must be a number above 0 and at most 1"),
        ({"energy": 1.1}, r"energy=1\.1"),
        ({"energy": float("nan")}, "energy=nan"),
        ({"energy": "most"}, "energy=most"),
        ({"energy": True}, "energy=True"),
        ({"ratio": "2"}, "ratio=2"),
        ({"ratio": 1}, "ratio=1: must be a number above 1"),
        ({"ratio": 2, "least_rank": 0}, "least_rank=0: must be a whole number of 1 or more"),
        ({"ratio": float("inf")}, "ratio=inf"),
        ({"ratio": 2, "conv": "linear"}, "conv=linear: choose one of channel, spatial"),
    ],
)
def test_wrong_options_are_one_line(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        LowRankOptions(**fields)
    assert "\n" not in str(error.value)


def test_compressed_weights_are_refused() -> None:
    net = small()
    parametrize.register_parametrization(net["dense"], "weight", nn.Identity())
    with pytest.raises(UserError, match="dense is compressed already; put low_rank first"):
        factorise(net, LowRankOptions(ratio=2))


def test_a_weight_that_diverged_is_named() -> None:
    net = small()
    net["dense"].weight.data[0, 0] = float("nan")  # type: ignore[union-attr, index, operator]
    with pytest.raises(UserError, match="dense: a weight is not a finite number"):
        factorise(net, LowRankOptions(ratio=2))


def test_one_learning_rate_suits_both_layers() -> None:
    for kind, layer in (("linear", nn.Linear(40, 40)), ("channel", nn.Conv2d(40, 40, 1))):
        first, second = (part.weight.detach().norm() for part in factored(layer, kind, 10))  # type: ignore[union-attr, operator, arg-type]
        assert float(first) == pytest.approx(float(second), rel=1e-5)


def test_a_layer_below_the_least_rank_is_left_alone_whether_it_is_trained_or_not() -> None:
    net = nn.Sequential(OrderedDict(hidden=nn.Linear(64, 64), output=nn.Linear(64, 10)))
    options = LowRankOptions(ratio=5.0, least_rank=2)
    assert set(ranks(net, LowRankOptions(ratio=5.0))) == {"hidden", "output"}
    assert set(ranks(net, options)) == {"hidden"}
    done = factorise(net, options)
    assert set(done.factors) == {"hidden"} and done.left == {"output": "rank 1 is below 2"}


def test_the_ranks_of_ten_classes_are_those_that_the_notes_of_table2_and_table13_say() -> None:
    """Of AlexNet at a quarter of its width, SqueezeNet 1.1 and MobileNet 0.25."""
    assert rank_of_ratio(10, 4096 // 4, 5.0) == 1
    assert [rank_of_ratio(10, 512, ratio) for ratio in (1.5, 2.0, 3.0)] == [6, 4, 3]
    assert rank_of_ratio(10, 1024 // 4, 2.0) == 4


def test_higher_ratios_have_lower_ranks() -> None:
    ranks = [rank_of_ratio(64, 576, ratio) for ratio in (1.5, 2, 4, 8)]
    assert all(later < earlier for earlier, later in itertools.pairwise(ranks))
