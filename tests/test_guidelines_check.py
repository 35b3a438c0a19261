"""Which of ShuffleNet V2's guidelines nets break: small ones by hand, and the nets of which the paper says it."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.guidelines_check import Guidelines, balanced_excess, check
from lightning_modules.memory_access import forward_pass
from lightning_modules.nets.build import build_net
from tests.nets.against import paper
from tests.test_paper_cost import arch


def of(net: nn.Module, *shape: int) -> Guidelines:
    channels, height, width = shape
    return check(forward_pass(net.to("meta"), (channels, height, width)))


def of_arch(name: str, **fields: Any) -> Guidelines:
    content = arch(name, **fields)
    with torch.device("meta"):
        net = build_net(content, 1000, 3)
    return of(net, *content["paper_input"])


class Paths(nn.Module):
    """A convolution, then paths of so many convolutions each, whose sum is taken."""

    def __init__(self, *lengths: int):
        super().__init__()
        self.first = nn.Conv2d(4, 4, 1)
        self.paths = nn.ModuleList(nn.Sequential(*(nn.Conv2d(4, 4, 1) for _ in range(n))) for n in lengths)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return torch.stack([path(x) for path in self.paths]).sum(0)


class Flat(nn.Module):
    """Everything in the net's own forward, by functions where there are any."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.last = (nn.Conv2d(4, 4, 1) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(x, 2)
        return self.last(self.one(x) + F.avg_pool2d(self.two(x), 3, 1, 1))


def test_g1_names_1x1_convolutions_of_unequal_widths() -> None:
    net = nn.Sequential(
        nn.Conv2d(4, 8, 1, bias=False),
        nn.Conv2d(8, 17, 1, bias=False),
        nn.Conv2d(17, 4, 3, bias=False),
        nn.Conv2d(4, 64, 1, bias=False),
    )
    found = of(net, 4, 6, 6)
    assert [(one.layer, one.in_channels, one.out_channels) for one in found.unbalanced] == [("3", 4, 64), ("1", 8, 17)]
    assert found.pointwise == 3 and found.convolutions == 4
    assert found.unbalanced[0].excess == pytest.approx((16 * 68 + 256) / (16 * 32 + 256))


@pytest.mark.parametrize("net", [nn.Linear(4, 64), nn.Conv2d(4, 64, 1), nn.Conv2d(4, 64, 1, groups=4)])
def test_g1_is_not_about_linear_layers_nor_depthwise_convolutions(net: nn.Module) -> None:
    pixels = 3 if getattr(net, "groups", 1) > 1 else 1
    whole = nn.Sequential(nn.Flatten(), net) if isinstance(net, nn.Linear) else net
    assert of(whole, 4, pixels, pixels).pointwise == 0


def test_g1_equal_widths_need_least() -> None:
    """The paper's own channel numbers: as many multiply-adds within 5 %, and ever more access; by its equation 1."""
    table = paper("shufflenet_v2")["table1_g1_channel_ratio"]
    pixels = table["input_hw"] ** 2
    excess = [balanced_excess(*row["gpu_c"], pixels=pixels) for row in table["rows"]]
    assert excess[0] == 1 and excess == sorted(excess)
    c1, c2 = table["rows"][3]["gpu_c"]
    b = pixels * c1 * c2
    bound = 2 * math.sqrt(pixels * b) + b / pixels
    assert excess[3] == pytest.approx((pixels * (c1 + c2) + c1 * c2) / bound)


def test_g2_names_grouped_convolutions_but_not_depthwise_ones() -> None:
    net = nn.Sequential(
        nn.Conv2d(8, 8, 1, groups=2, bias=False), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 16, 1, groups=8)
    )
    (found,) = of(net, 8, 5, 5).grouped
    assert (found.layer, found.groups) == ("0", 2)
    assert found.excess == pytest.approx((200 + 200 + 32) / (200 + 100 + 32))  # dense: 8 to 4 channels


def test_g3_counts_what_runs_side_by_side() -> None:
    net = nn.Sequential(Paths(1), Paths(1, 2, 1), nn.AvgPool2d(2), Paths(3, 1))
    found = of(net, 4, 6, 6)
    assert [(one.block, one.operators, one.paths) for one in found.fragmented] == [("1.paths", 4, 3), ("3.paths", 4, 2)]
    assert [one.macs for one in found.fragmented] == [16 * 36, 16 * 9]
    assert found.operators == 2 + 5 + 1 + 5


def test_g3_in_a_net_s_own_forward() -> None:
    (found,) = of(Flat(), 4, 6, 6).fragmented
    assert (found.block, found.operators, found.paths) == ("", 3, 2)  # neither the first pool nor the last convolution
    assert found.macs == pytest.approx(2 * 16 * 9 / 3)


def test_g3_a_chain_is_no_fragment() -> None:
    assert of(nn.Sequential(*(nn.Conv2d(4, 4, 3, padding=1) for _ in range(5))), 4, 6, 6).fragmented == ()


def test_g4_shares_of_all_access() -> None:
    net = nn.Sequential(nn.Conv2d(2, 2, 1, groups=2, bias=False), nn.ReLU(), nn.Conv2d(2, 2, 1, bias=False))
    found = of(net, 2, 3, 3).element_wise
    total = (36 + 2) + 36 + (36 + 4)
    assert found.share == pytest.approx(36 / total) and found.depthwise == pytest.approx(38 / total)
    assert not found.broken
    assert found.by_operation == (("relu", found.share),) and found.by_layer == (("1", found.share),)
    worse = of(nn.Sequential(*net, nn.ReLU(), nn.BatchNorm2d(2)), 2, 3, 3).element_wise
    norm = 18 + 4 * 2 + 18 + 2 * 2
    assert worse.broken and worse.share == pytest.approx((72 + norm) / (total + 36 + norm))
    assert [name for name, _ in worse.by_operation] == ["relu", "native_batch_norm"]


def test_what_the_paper_says_of_nets() -> None:
    """The end of section 2: ShuffleNet V1 goes against G1 and G2, MobileNet V2 against G1 and G4. The paper's own net
    has unequal widths where its stem ends and in its last convolution alone (Table 5)."""
    shufflenet, mobilenet, ours = (of_arch(name) for name in ("shufflenet_v1", "mobilenet_v2", "shufflenet_v2"))
    assert shufflenet.unbalanced and shufflenet.grouped
    assert mobilenet.unbalanced and not mobilenet.grouped and mobilenet.element_wise.broken
    assert not ours.grouped and not ours.element_wise.broken
    assert {one.layer for one in ours.unbalanced} == {"stage2.0.branch1.2", "stage2.0.branch2.0", "conv5.0"}


def test_blocks_are_named_as_in_their_papers() -> None:
    squeezenet = of_arch("squeezenet", bypass="complex").fragmented
    blocks = {one.block: one for one in squeezenet}
    assert sorted(blocks) == [
        f"layers.fire{n}" + (".fire" if n % 2 else "") for n in range(2, 10)
    ]  # those of even numbers have a convolution beside them
    assert (blocks["layers.fire2"].operators, blocks["layers.fire3.fire"].operators) == (4, 2)
    inception = [one for one in of_arch("googlenet").fragmented if one.block == "inception3a"]
    assert [(one.operators, one.paths) for one in inception] == [(7, 4)]
