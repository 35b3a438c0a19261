"""Memory access, activations and peak memory of nets whose numbers can be written down."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from fvcore.nn import ActivationCountAnalysis
from torch import Tensor, nn

from lightning_modules.complexity import measure
from lightning_modules.memory_access import ForwardPass, access, forward_pass, of_paper
from lightning_modules.nets import ShuffleNetV1, SqueezeNet
from lightning_modules.nets.build import build_net
from tests.nets.against import macs, paper
from tests.test_complexity import Branches
from tests.test_paper_cost import arch

FLOAT = 4  # bytes


class Runs(nn.Module):
    """A function as a net; its convolution makes 6 maps of 3."""

    def __init__(self, function: Callable[[nn.Module, Tensor], Tensor]):
        super().__init__()
        self.function = function
        self.conv = nn.Conv2d(3, 6, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.conv, x)


def named(found: ForwardPass) -> list[tuple[str, str, int, int]]:
    return [(one.name, one.kind, one.reads, one.writes) for one in found.operations]


@pytest.mark.parametrize(
    ("layer", "shape", "reads", "writes", "macs"),
    [
        (nn.Conv2d(3, 8, 3, padding=1), (3, 10, 10), 300 + 8 * 28, 800, 8 * 27 * 100),
        (nn.Conv2d(3, 8, 3, stride=2, bias=False), (3, 11, 11), 363 + 8 * 27, 200, 8 * 27 * 25),
        (nn.Conv2d(6, 6, 3, padding=1, groups=6), (6, 4, 4), 96 + 60, 96, 6 * 9 * 16),
        (nn.Conv2d(6, 12, 1, groups=3, bias=False), (6, 4, 5), 120 + 24, 240, 12 * 2 * 20),
        (nn.ConvTranspose2d(4, 3, 2, stride=2), (4, 5, 5), 100 + 51, 300, 100 * 3 * 4),
        (nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), (3, 2, 2), 12 + 65, 5, 60),
        (nn.Sequential(nn.Flatten(), nn.Linear(12, 5, bias=False)), (3, 2, 2), 12 + 60, 5, 60),
    ],
    ids=["conv", "stride", "depthwise", "groups", "transposed", "linear", "linear without bias"],
)
def test_a_layer_by_hand(layer: nn.Module, shape: tuple[int, int, int], reads: int, writes: int, macs: int) -> None:
    found = forward_pass(layer, shape)
    ((operation, filters),) = found.layers
    assert (operation.reads, operation.writes, filters.macs) == (reads, writes, macs)
    assert filters.params == found.params == sum(parameter.numel() for parameter in layer.parameters())
    assert found.weight_bytes == FLOAT * found.params
    assert access(layer, shape) == reads + writes
    assert found.activations == writes


def test_what_a_layer_is_like() -> None:
    found = forward_pass(nn.Sequential(nn.Conv2d(6, 12, (3, 1), groups=3), nn.Flatten(), nn.Linear(48, 5)), (6, 4, 2))
    (conv, filters), (linear, weights) = found.layers
    assert (conv.layer, conv.shape, linear.layer, linear.shape) == ("0", (12, 2, 2), "2", (5,))
    assert (filters.in_channels, filters.out_channels, filters.kernel, filters.groups) == (6, 12, (3, 1), 3)
    assert (weights.in_channels, weights.out_channels, weights.kernel, weights.groups) == (48, 5, (), 1)
    assert not filters.depthwise
    ((_, depthwise),) = forward_pass(nn.Conv2d(6, 12, 3, groups=6), (6, 4, 4)).layers
    assert depthwise.depthwise


@pytest.mark.parametrize("row", paper("shufflenet_v2")["table1_g1_channel_ratio"]["rows"], ids=lambda row: row["ratio"])
def test_a_1x1_convolution_costs_what_the_paper_s_formula_says(row: dict[str, Any]) -> None:
    c1, c2 = row["gpu_c"]
    side = paper("shufflenet_v2")["table1_g1_channel_ratio"]["input_hw"]
    net = nn.Sequential(nn.Conv2d(c1, c2, 1, bias=False), nn.Conv2d(c2, c1, 1, bias=False))
    assert access(net, (c1, side, side)) == 2 * (side**2 * (c1 + c2) + c1 * c2)


def test_functions_and_layers_in_place_are_element_wise_too() -> None:
    def run(conv: nn.Module, x: Tensor) -> Tensor:
        y = conv(x)
        return torch.relu(y + y).add_(1).mul(2)

    assert named(forward_pass(Runs(run), (3, 2, 2)))[1:] == [
        ("add", "element-wise", 48, 24),
        ("relu", "element-wise", 24, 24),
        ("add", "element-wise", 24, 24),
        ("mul", "element-wise", 24, 24),
    ]


@pytest.mark.parametrize(
    ("layer", "reads", "writes"),
    [
        (nn.ReLU(inplace=True), 54, 54),
        (nn.ReLU6(), 54, 54),
        (nn.Hardswish(), 54, 54),
        (nn.SiLU(inplace=True), 54, 54),
        (nn.PReLU(), 54 + 1, 54),
        (nn.BatchNorm2d(6), 54 + 4 * 6, 54 + 2 * 6),  # PyTorch also hands out the statistics that it has used
    ],
    ids=["relu", "relu6", "hardswish", "silu", "prelu", "batch norm"],
)
def test_layers_that_are_element_wise(layer: nn.Module, reads: int, writes: int) -> None:
    found = forward_pass(layer, (6, 3, 3))
    assert [one[1:] for one in named(found)] == [("element-wise", reads, writes)]
    assert found.total("element-wise") == reads + writes and found.total("layer") == 0


def test_views_cost_nothing_and_copies_are_not_element_wise() -> None:
    def run(conv: nn.Module, x: Tensor) -> Tensor:
        one, two = conv(x).chunk(2, dim=1)
        return torch.cat([two, one], dim=1).transpose(2, 3).contiguous().flatten(1)

    found = forward_pass(Runs(run), (3, 2, 2))
    assert named(found)[1:] == [("cat", "other", 24, 24), ("clone", "other", 24, 24)]
    assert found.total("other") == 96


def test_dropout_is_nothing_in_evaluation() -> None:
    net = nn.Sequential(nn.Conv2d(3, 6, 1), nn.Dropout()).train()
    assert len(forward_pass(net, (3, 2, 2)).operations) == 1


def test_which_operation_waits_for_which() -> None:
    def run(conv: nn.Module, x: Tensor) -> Tensor:
        left, right = torch.relu(x), torch.sigmoid(x)
        left.mul_(2)
        return conv(left) + conv(right[:, :3])

    operations = forward_pass(Runs(run), (3, 2, 2)).operations
    assert [one.name for one in operations] == ["relu", "sigmoid", "mul", "convolution", "convolution", "add"]
    assert [set(one.after) for one in operations] == [set(), set(), {0}, {0, 2}, {1}, {0, 1, 2, 3, 4}]
    assert [one.layer for one in operations] == ["", "", "", "conv", "conv", ""]


def test_a_layer_that_is_used_twice_is_counted_twice_with_its_weights_once() -> None:
    found = forward_pass(Branches(), (3, 5, 5))
    assert [one.layer for one, _ in found.layers] == ["shared", "shared", "head.2"]
    assert found.total("layer") == 2 * (75 + 84 + 75) + 3 + 28 + 7
    assert found.params == 84 + 6 + 28


def test_peak_memory_by_hand() -> None:
    """The image, and what is kept beside it: a map until nobody needs it."""
    conv, one = nn.Conv2d(3, 6, 1), FLOAT * 100
    chain = nn.Sequential(conv, nn.ReLU(), nn.Conv2d(6, 1, 1))
    assert forward_pass(conv, (3, 10, 10)).map_bytes == (3 + 6) * one
    assert forward_pass(chain, (3, 10, 10)).map_bytes == (3 + 6 + 6) * one
    chain[1] = nn.ReLU(inplace=True)
    assert forward_pass(chain, (3, 10, 10)).map_bytes == (3 + 6 + 1) * one
    twice = Runs(lambda conv, x: torch.relu(conv(x)) + conv(x))
    assert forward_pass(twice, (3, 10, 10)).map_bytes == (3 + 6 + 6 + 6) * one
    view = Runs(lambda conv, x: conv(x).chunk(2, dim=1)[0] * 2)
    assert forward_pass(view, (3, 10, 10)).map_bytes == (3 + 6 + 3) * one


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet_v1", "mobilenet_v2", "peleenet"])
def test_multiply_adds_are_torch_s_own(name: str) -> None:
    with torch.device("meta"):
        net = build_net(arch(name), 1000, 3)
        expected = macs(net, 3, 224)
    assert forward_pass(net, (3, 224, 224)).macs == expected


@pytest.mark.parametrize("net", [SqueezeNet(bypass="complex", num_classes=10), ShuffleNetV1(num_classes=10)])
def test_multiply_adds_and_activations_are_fvcore_s(net: nn.Module) -> None:
    found = forward_pass(net, (3, 64, 64))
    assert found.macs == measure(net, (3, 64, 64))["macs"]
    logging.getLogger("fvcore").setLevel(logging.ERROR)
    analysis = ActivationCountAnalysis(net.eval(), torch.zeros(1, 3, 64, 64))
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
    assert found.activations == analysis.total()


def test_it_is_the_same_wherever_the_net_lies() -> None:
    net = Branches()
    assert forward_pass(net, (3, 5, 5)) == forward_pass(net.to("meta"), (3, 5, 5))


def test_of_an_architecture_at_its_paper_s_input() -> None:
    net = build_net(arch("squeezenet"), 1000, 3)
    assert of_paper(arch("squeezenet")) == access(net, (3, 227, 227))


@pytest.mark.parametrize("training", [True, False])
def test_the_net_is_left_as_it_was(training: bool) -> None:
    net = Branches().train(training)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    forward_pass(net, (3, 5, 5))
    assert net.training is training
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


def test_an_image_that_is_too_small() -> None:
    net = nn.Conv2d(3, 6, 5).train()
    with pytest.raises(RuntimeError):
        forward_pass(net, (3, 4, 4))
    assert net.training and not net._forward_hooks
