"""Parameters and multiply-adds of nets whose counts can be written down."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lightning_modules.complexity import measure
from lightning_modules.nets import SqueezeNet


class Branches(nn.Module):
    """Layers that are not one sequence; one of them is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Conv2d(3, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 7))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.shared(torch.relu(self.shared(x)))) + x)


@pytest.mark.parametrize(
    ("net", "shape", "params", "macs"),
    [
        (nn.Conv2d(3, 8, 3, padding=1), (3, 10, 10), 8 * 28, 8 * 27 * 100),
        (nn.Conv2d(3, 8, 3, stride=2, bias=False), (3, 11, 11), 8 * 27, 8 * 27 * 25),
        (nn.Conv2d(6, 6, 3, padding=1, groups=6), (6, 4, 4), 6 * 10, 6 * 9 * 16),
        (nn.Conv2d(6, 12, 1, groups=3), (6, 4, 4), 12 * 3, 12 * 2 * 16),
        (nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), (3, 2, 2), 65, 60),
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.MaxPool2d(2), nn.ReLU()), (3, 4, 4), 24, 12 * 16),
        (Branches(), (3, 5, 5), 84 + 6 + 28, 2 * 81 * 25 + 21),
    ],
    ids=["conv", "stride", "depthwise", "groups", "linear", "only conv counts", "used twice"],
)
def test_counts_by_hand(net: nn.Module, shape: tuple[int, int, int], params: int, macs: int) -> None:
    found = measure(net, shape)
    assert (found["input"], found["params"], found["macs"]) == (list(shape), params, macs)


def test_half_of_torchs_own_count() -> None:
    net = Branches().eval()
    with FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 3, 5, 5))
    assert measure(net, (3, 5, 5))["macs"] == counter.get_total_flops() / 2


def test_layers_are_the_parts_of_the_net() -> None:
    assert measure(Branches(), (3, 5, 5))["by_layer"] == [
        {"layer": "shared", "params": 84, "macs": 2 * 81 * 25},
        {"layer": "norm", "params": 6, "macs": 0},
        {"layer": "head", "params": 28, "macs": 21},
    ]


@pytest.mark.parametrize("bypass", ["none", "complex"])
def test_layers_of_squeezenet_are_named_as_in_the_paper_and_sum_up(bypass: Any) -> None:
    found = measure(SqueezeNet(bypass=bypass, num_classes=10, in_channels=1), (1, 32, 32))
    assert [row["layer"] for row in found["by_layer"]] == ["conv1", *(f"fire{n}" for n in range(2, 10)), "conv10"]
    assert sum(row["params"] for row in found["by_layer"]) == found["params"]
    assert sum(row["macs"] for row in found["by_layer"]) == found["macs"]


@pytest.mark.parametrize("training", [True, False])
def test_the_net_is_left_as_it_was(training: bool) -> None:
    net = Branches().train(training)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    measure(net, (3, 5, 5))
    assert net.training is training
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())
