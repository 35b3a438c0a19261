"""Compact-MNet against the published numbers of FD-MobileNet and against an independent implementation."""

from typing import Any

import pytest
import torch
from pytorchcv.models.fdmobilenet import fdmobilenet_w1, fdmobilenet_w3d4, fdmobilenet_wd2, fdmobilenet_wd4
from torch import nn
from torch.nn import functional as F

from lightning_modules.complexity import measure
from lightning_modules.errors import UserError
from lightning_modules.nets import CompactMobileNet
from lightning_modules.nets.blocks import DepthwiseConv2d
from lightning_modules.nets.mobilenet_v1 import DepthwiseSeparable
from tests.nets.against import assert_same_outputs, count, macs, paper, randomised, transplant

PAPER = paper("fd_mobilenet")
PEERS = {row["model"]: row for row in paper("peers")["pytorchcv"]["rows"]}


def shaped(**arguments: Any) -> nn.Module:
    """A net without numbers: its shapes cost nothing to compute."""
    with torch.device("meta"):
        return CompactMobileNet(**arguments).eval()


def convolutions(net: nn.Module) -> list[nn.Conv2d]:
    return [module for module in net.modules() if isinstance(module, nn.Conv2d)]


# The paper's architecture and cost


def test_the_layers() -> None:
    net = shaped()
    stem = PAPER["architecture"]["stem"]
    conv0 = convolutions(net)[0]
    assert f"{conv0.kernel_size[0]}x{conv0.kernel_size[1]}" == stem["conv"]
    assert (conv0.stride[0], conv0.out_channels) == (stem["stride"], stem["out_c"])
    separable = [convolutions(module) for module in net.modules() if isinstance(module, DepthwiseSeparable)]
    found = [[pointwise.out_channels, depthwise.stride[0]] for depthwise, pointwise in separable]
    assert found == PAPER["architecture"]["depthwise_separable"]


def test_the_map_is_32_times_smaller_within_12_convolutions() -> None:
    strides = [conv.stride[0] for conv in convolutions(shaped())]
    assert strides[:4] == [2, 2, 1, 2]  # the first convolution and two depthwise ones, in a row
    assert torch.tensor(strides[:12]).prod() == torch.tensor(strides).prod() == 32


@pytest.mark.parametrize("row", PAPER["imagenet"]["rows"], ids=lambda row: row["width"])
def test_parameters_and_multiply_adds(row: dict[str, Any]) -> None:
    net = shaped(width=row["width"])
    assert count(net) == row["params"]
    assert round(macs(net, 3, 224) / 1e6, 2) == row["mult_adds_derived_m"]
    assert round(macs(net, 3, 224) / 1e6) == row["mflops"]


@pytest.mark.parametrize("width", [1.0, 0.75, 0.5, 0.25])
def test_parameters_of_the_peer(width: float) -> None:
    assert count(shaped(width=width)) == PEERS[f"FD-MobileNet x{width}"]["params"]


@pytest.mark.parametrize(("width", "size"), [(1.0, 96), (0.25, 224)])
def test_fvcores_count_is_half_of_torchs_own(width: float, size: int) -> None:
    measured = measure(CompactMobileNet(width), (3, size, size))
    assert measured["macs"] == macs(shaped(width=width), 3, size)


# An independent implementation


@pytest.mark.parametrize(
    ("width", "theirs"),
    [(1.0, fdmobilenet_w1), (0.75, fdmobilenet_w3d4), (0.5, fdmobilenet_wd2), (0.25, fdmobilenet_wd4)],
)
def test_same_outputs_as_pytorchcv(width: float, theirs: Any) -> None:
    ours = randomised(CompactMobileNet(width))
    assert_same_outputs(ours, transplant(ours, theirs()))


# Initialisation


def test_the_authors_initialisation() -> None:
    torch.manual_seed(0)
    net = CompactMobileNet()
    for conv in convolutions(net):
        kernel = conv.kernel_size[0] * conv.kernel_size[1]
        fan = kernel * (1 if isinstance(conv, DepthwiseConv2d) else conv.out_channels)
        expected = pytest.approx((2 / fan) ** 0.5, rel=5 / (2 * conv.weight.numel()) ** 0.5)
        assert float(conv.weight.detach().std()) == expected
    fc = net.get_submodule("layers.fc")
    assert isinstance(fc, nn.Linear)
    assert not fc.bias.any()


# Small images, other classes


@pytest.mark.parametrize(
    ("stem", "size", "expected"),
    [("paper", 32, [16, 8, 4, 4, 2, 2, 1]), ("small", 32, [32, 16, 8, 8, 4, 4, 2]), ("paper", 64, [32, 16, 8, 8, 4, 4, 2])],
)  # fmt: skip
def test_map_sizes_of_the_stems(stem: str, size: int, expected: list[int]) -> None:
    x = torch.zeros(1, 3, size, size, device="meta")
    sides = []
    for index in range(7):
        x = shaped(stem=stem).get_submodule(f"layers.conv{index}")(x)
        sides.append(x.shape[-1])
    assert sides == expected


def test_gradient_reaches_every_parameter() -> None:
    torch.manual_seed(0)
    net = CompactMobileNet(0.25, num_classes=7, in_channels=1)
    logits = net(torch.randn(4, 1, 64, 64))
    assert logits.shape == (4, 7)
    F.cross_entropy(logits, torch.arange(4)).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


# Mistakes


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("width", 0.0),
        ("width", -1.0),
        ("width", float("nan")),
        ("stem", "tiny"),
        ("num_classes", 0),
        ("in_channels", 0),
    ],
)
def test_a_wrong_argument_is_named(field: str, value: Any) -> None:
    with pytest.raises(UserError, match=f"{field}={value}: ") as raised:
        CompactMobileNet(**{field: value})
    assert "\n" not in str(raised.value)
