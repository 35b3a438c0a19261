"""Convolution by XOR and popcount, against PyTorch's float one."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from lightning_modules.compression.xnor import BinaryWeight, XnorBlock, binarise
from lightning_modules.compression.xnor_popcount import (
    binary_conv2d,
    measure,
    pack,
    popcount_forward,
    theoretical_speedup,
)
from lightning_modules.nets.blocks import DepthwiseConv2d, PointwiseConv2d
from lightning_modules.nets.squeezenet import SqueezeNet
from tests.nets.against import paper, randomised


def signs(*shape: int, seed: int) -> Tensor:
    return torch.randint(0, 2, shape, generator=torch.Generator().manual_seed(seed)).float() * 2 - 1


@pytest.mark.parametrize(
    ("channels", "filters", "kernel", "size", "options"),
    [
        (3, 5, (3, 3), (7, 6), {}),
        (64, 4, (3, 3), (5, 5), {"padding": (1, 1)}),  # a whole word
        (65, 4, (3, 3), (5, 5), {"padding": (1, 1)}),  # a word and a bit
        (130, 7, (1, 1), (4, 3), {}),
        (10, 6, (3, 2), (9, 8), {"stride": (2, 3), "padding": (2, 1)}),
        (10, 6, (3, 3), (9, 8), {"dilation": (2, 3), "padding": (2, 3)}),
        (12, 8, (3, 3), (6, 6), {"groups": 4, "padding": (1, 1)}),
        (9, 9, (3, 3), (5, 5), {"groups": 9, "padding": (1, 1), "stride": (2, 2)}),
        (5, 3, (3, 3), (1, 1), {"padding": (1, 1)}),  # eight of nine taps see padding alone
        (5, 3, (5, 5), (2, 2), {"padding": (4, 4), "stride": (3, 3)}),  # outputs that see nothing but padding
    ],
)
def test_counts_are_the_float_convolutions_of_signs(
    channels: int, filters: int, kernel: tuple[int, int], size: tuple[int, int], options: dict[str, Any]
) -> None:
    x = signs(2, channels, *size, seed=1)
    weight = signs(filters, channels // options.get("groups", 1), *kernel, seed=2)
    expected = F.conv2d(x, weight, **options)
    found = binary_conv2d((x > 0).numpy(), (weight > 0).numpy(), **options)
    assert found.dtype == np.int32
    assert np.array_equal(found, expected.numpy().astype(np.int32))


def test_bits_are_packed_64_to_a_word() -> None:
    bits = np.random.default_rng(0).random((3, 2, 70)) < 0.5
    words = pack(bits)
    assert (words.shape, words.dtype) == ((3, 2, 2), np.uint64)
    assert np.array_equal(np.bitwise_count(words).sum(-1), bits.sum(-1))
    assert pack(bits[..., :64]).shape == (3, 2, 1)


BLOCKS = {
    "with a bias": (nn.Conv2d(70, 6, 3, padding=1), (70, 6, 5)),
    "strided": (nn.Conv2d(12, 6, 3, stride=2, padding=1, bias=False), (12, 7, 7)),
    "depthwise": (DepthwiseConv2d(9), (9, 5, 5)),
    "pointwise": (PointwiseConv2d(9, 4), (9, 3, 3)),
    "grouped": (nn.Conv2d(8, 12, 3, padding=1, groups=4), (8, 6, 6)),
    "linear": (nn.Linear(100, 7), (100,)),
}


@pytest.mark.parametrize(("layer", "shape"), BLOCKS.values(), ids=BLOCKS)
def test_a_block_by_popcount_is_the_block(layer: nn.Conv2d | nn.Linear, shape: tuple[int, ...]) -> None:
    parametrize.register_parametrization(layer, "weight", BinaryWeight())
    block = XnorBlock(layer)
    randomised(block)
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        expected = block(x)
    found = popcount_forward(block, x)
    assert expected.std() > 0.01
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_a_net_by_popcount_is_the_net(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    net = SqueezeNet(num_classes=5, base_e=16, incr_e=16, stem="small", in_channels=1)
    binarise(net, activations=True)
    randomised(net)
    x = torch.randn(2, 1, 28, 28, generator=torch.Generator().manual_seed(4))
    seen: list[XnorBlock] = []

    def by_popcount(block: XnorBlock, x: Tensor) -> Tensor:
        seen.append(block)
        return popcount_forward(block, x)

    with torch.no_grad():
        expected = net(x)
        monkeypatch.setattr(XnorBlock, "forward", by_popcount)
        found = net(x)
    assert len(seen) == 24
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_the_papers_theoretical_speedup() -> None:
    published = paper("xnor_net")["efficiency"]
    setting = published["default_setting"]
    found = theoretical_speedup(setting["c"], setting["n_w"])
    assert round(found, 2) == published["theoretical_speedup"]
    assert theoretical_speedup(3, 9) < found < theoretical_speedup(10**6, 9) < published["binary_ops_per_cycle"]


def test_both_ways_are_timed() -> None:
    found = measure(channels=16, filters=4, kernel=3, size=6, seconds=0.001)
    assert set(found) == {"popcount_ms", "float_ms"}
    assert all(0 < taken < 1000 for taken in found.values())
