"""The guidelines' benchmark networks: layers, costs, and what Table 4 of the paper leaves open."""

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lightning_modules.complexity import measure
from lightning_modules.errors import UserError
from lightning_modules.memory_access import access
from lightning_modules.nets import ChannelRatio, ElementWise, Fragments, GroupConvolutions
from lightning_modules.nets.build import check_images
from lightning_modules.nets.guidelines import BLOCKS, Parallel, fragment_channels
from tests.nets.against import count, macs, paper

PAPER = paper("shufflenet_v2")
HW = 56
PIXELS = HW * HW


def shaped(net: Any, **arguments: Any) -> nn.Module:
    with torch.device("meta"):
        return net(**arguments).eval()


def names_of(net: nn.Module) -> list[str]:
    return [name for name, _ in net.get_submodule("layers").named_children()]


def test_the_suites_own_count_of_multiply_adds() -> None:
    found = measure(Fragments(8, 4, parallel=True), (4, 5, 6))
    assert found["macs"] == BLOCKS * 4 * 4**2 * 5 * 6
    assert [layer["layer"] for layer in found["by_layer"]] == [f"block{index}" for index in range(1, BLOCKS + 1)]
    assert {layer["macs"] for layer in found["by_layer"]} == {found["macs"] // BLOCKS}


def test_memory_access_of_g1_is_the_papers_formula() -> None:
    c1, c2 = 36, 432
    assert PAPER["table1_g1_channel_ratio"]["mac_formula"].startswith("hw(c1 + c2) + c1*c2")
    assert access(ChannelRatio(c1, c2), (c1, HW, HW)) == 20 * (PIXELS * (c1 + c2) + c1 * c2)


def test_memory_access_of_g2_is_the_papers_formula() -> None:
    c, g = 180, 2
    assert PAPER["table2_g2_groups"]["mac_formula"].startswith("hw*c1 + B*g/c1 + B/hw with B = hw*c1*c2/g")
    work = PIXELS * c * c // g
    assert access(GroupConvolutions(c, g), (c, HW, HW)) == BLOCKS * (PIXELS * c + work * g // c + work // PIXELS)


def test_memory_access_does_not_see_what_g4_varies() -> None:
    """So table10 correlates nothing."""
    nets = [ElementWise(8, relu=relu, shortcut=shortcut) for relu in (True, False) for shortcut in (True, False)]
    assert {access(net, (8, 6, 6)) for net in nets} == {BLOCKS * (36 * (8 + 2) * 2 + 36 * 4 + count(nets[0]) // BLOCKS)}


@pytest.mark.parametrize("net", [ChannelRatio, GroupConvolutions, Fragments, ElementWise])
def test_ten_layers_without_biases(net: Any) -> None:
    made = shaped(net)
    kind = "conv" if net is GroupConvolutions else "block"
    assert names_of(made) == [f"{kind}{index}" for index in range(1, 11)]
    convolutions = [module for module in made.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == {ChannelRatio: 20, ElementWise: 30}.get(net, 10)
    assert all(convolution.bias is None and convolution.stride == (1, 1) for convolution in convolutions)
    assert {name.rsplit(".", 1)[-1] for name, _ in made.named_parameters()} == {"weight"}  # so no batch norm either
    if net is ChannelRatio:
        assert PAPER["table1_g1_channel_ratio"]["convolution_layers"] == 20


def test_channel_ratio_goes_from_c1_to_c2_and_back() -> None:
    for block in shaped(ChannelRatio, c1=9, c2=108).get_submodule("layers").children():
        assert [(name, tuple(c.weight.shape)) for name, c in block.named_children() if isinstance(c, nn.Conv2d)] == [
            ("conv1", (108, 9, 1, 1)),
            ("conv2", (9, 108, 1, 1)),
        ]


def test_a_group_sees_its_own_channels_only() -> None:
    net = GroupConvolutions(channels=16, groups=4)
    x = torch.randn(1, 16, 3, 3)
    y = net(x)
    x[:, 4:8] += 1
    changed = (net(x) != y).any(dim=(0, 2, 3))
    assert changed.tolist() == [False] * 4 + [True] * 4 + [False] * 8


@pytest.mark.parametrize(
    ("channels", "fragments", "k"), [(128, 1, 128), (128, 2, 91), (128, 4, 64), (64, 2, 45), (7, 3, 4)]
)
def test_channels_of_fragments(channels: int, fragments: int, k: int) -> None:
    assert fragment_channels(channels, fragments) == k
    assert abs(k - math.sqrt(channels**2 / fragments)) <= 0.5
    for block in shaped(Fragments, channels=channels, fragments=fragments).get_submodule("layers").children():
        assert {name: tuple(weight.shape) for name, weight in block.named_parameters()} == {
            f"fragment{index}.weight": (k, k, 1, 1) for index in range(1, fragments + 1)
        }


def test_fragments_in_series_multiply_and_in_parallel_add() -> None:
    x = torch.randn(1, 4, 2, 2)
    for parallel in (False, True):
        block = Fragments(8, 4, parallel=parallel).get_submodule("layers.block1")
        assert isinstance(block, Parallel) is parallel
        matrices = torch.stack([weight.flatten(1) for weight in block.parameters()])
        whole = matrices.sum(0) if parallel else torch.linalg.multi_dot(list(matrices.flip(0)))
        torch.testing.assert_close(block(x), F.conv2d(x, whole[:, :, None, None]))


@pytest.mark.parametrize("shortcut", [True, False])
@pytest.mark.parametrize("relu", [True, False])
def test_a_bottleneck_with_and_without_relu_and_shortcut(relu: bool, shortcut: bool) -> None:
    block = ElementWise(8, relu=relu, shortcut=shortcut).get_submodule("layers.block10")
    weights = dict(block.named_parameters())
    assert {name: tuple(weight.shape) for name, weight in weights.items()} == {
        "conv1.weight": (2, 8, 1, 1),
        "conv2.weight": (2, 2, 3, 3),
        "conv3.weight": (8, 2, 1, 1),
    }
    x = torch.randn(2, 8, 5, 5)
    y = x
    for index in (1, 2, 3):
        y = F.conv2d(y, weights[f"conv{index}.weight"], padding=1 if index == 2 else 0)
        y = y + x if index == 3 and shortcut else y
        y = y.relu() if relu else y
    torch.testing.assert_close(block(x), y)
    assert bool((y < 0).any()) is not relu


@pytest.mark.parametrize(
    "net",
    [
        lambda: ChannelRatio(36, 432),
        lambda: GroupConvolutions(64, 8),
        lambda: Fragments(64, 4, parallel=True),
        lambda: ElementWise(32),
        lambda: ElementWise(32, relu=True, shortcut=False),
        lambda: ElementWise(32, relu=False, shortcut=False),
    ],
)
def test_numbers_neither_blow_up_nor_fade(net: Any) -> None:
    """Numbers too tiny for a float's full precision are slow on a CPU, so they would be timed in the net's place."""
    torch.manual_seed(0)
    made = net()
    x = torch.randn(1, next(made.parameters()).shape[1] * (8 if isinstance(made, GroupConvolutions) else 1), 14, 14)
    with torch.no_grad():
        assert 1e-4 < float(made(x).std()) < 1e6


# Which channels c of Table 4 counts

CORES, BOOST_GHZ = 3584, 1.582  # GeForce GTX 1080 Ti, by its maker; each core has one multiply-add a cycle
READINGS = {"inner c/4, outer c": (1 / 4, 1), "inner c, outer c": (1, 1), "inner c, outer 4c": (1, 4)}


def unit_macs(inner: float, outer: float, c: int) -> float:
    """Of a bottleneck at 56 x 56."""
    return PIXELS * c**2 * (2 * inner * outer + 9 * inner**2)


@pytest.mark.parametrize("treatment", PAPER["table4_g4_elementwise"]["rows"], ids=str)
def test_of_the_readings_of_c_one_alone_stays_below_the_gpus_peak(treatment: dict[str, Any]) -> None:
    peak = CORES * BOOST_GHZ * 1e9
    assert "GTX 1080 Ti" in PAPER["platforms"]["gpu"]
    rates = {
        reading: treatment["gpu_c128"] * BLOCKS * unit_macs(inner, outer, 128)
        for reading, (inner, outer) in READINGS.items()
    }
    assert [reading for reading, rate in rates.items() if rate < peak] == ["inner c/4, outer c"]
    ours = treatment["gpu_c128"] * macs(shaped(ElementWise), 128, HW)
    assert ours == rates["inner c/4, outer c"]


@pytest.mark.parametrize("column", ["gpu_c128", "arm_c64", "arm_c128"])
def test_twenty_convolutions_between_c_channels_take_longer_than_ten_printed_bottlenecks(column: str) -> None:
    """Whatever the 3x3 convolutions take, which Winograd's algorithm makes cheaper than their multiply-adds say."""
    pointwise = PAPER["table3_g3_fragments"]["rows"][0]  # one fragment: ten 1x1 convolutions c -> c
    bottlenecks = PAPER["table4_g4_elementwise"]["rows"][-1]  # the fastest: no ReLU, no shortcut
    assert 2 / pointwise[column] > 1 / bottlenecks[column]
    assert 2 / 4 / pointwise[column] < 1 / bottlenecks[column]  # with c/4 inside there is time for all of it


# Mistakes


@pytest.mark.parametrize(
    ("net", "arguments", "message"),
    [
        (ChannelRatio, {"c1": 0}, "arch.c1=0: must be 1 or more"),
        (ChannelRatio, {"c2": -3}, "arch.c2=-3: must be 1 or more"),
        (GroupConvolutions, {"channels": 0}, "arch.channels=0: must be 1 or more"),
        (GroupConvolutions, {"groups": 0}, "arch.groups=0: must be 1 or more"),
        (GroupConvolutions, {"channels": 180, "groups": 8}, "arch.groups=8: must divide arch.channels=180"),
        (Fragments, {"fragments": 0}, "arch.fragments=0: must be 1 or more"),
        (Fragments, {"channels": 1, "fragments": 4}, "arch.fragments=4: leaves no channel of arch.channels=1"),
        (ElementWise, {"channels": 30}, "arch.channels=30: must be a multiple of 4"),
        (ElementWise, {"channels": 0}, "arch.channels=0: must be a multiple of 4"),
        (ChannelRatio, {"c1": 90, "in_channels": 3}, "in_channels=3: .* maps of 90 channels; set arch.paper_input="),
        (Fragments, {"fragments": 2, "in_channels": 128}, "in_channels=128: .* set arch.paper_input=\\[91,56,56\\]"),
    ],
)
def test_a_wrong_argument_is_named(net: Any, arguments: dict[str, int], message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        net(**arguments)
    assert "\n" not in str(raised.value)


def test_they_cannot_be_trained() -> None:
    with pytest.raises(UserError, match=r"arch=fragments: gives \(1, 64, 56, 56\) for one image, not \(1, 10\)"):
        check_images(shaped(Fragments, channels=64), 64, HW, 10, "fragments")
