"""How long layers take: whose time it is, and how often it was taken."""

import time

import pytest
import torch
from torch import Tensor, nn

from lightning_modules.layer_times import WARM_UP, layer_times


class Sleeps(nn.Module):
    def __init__(self, seconds: float):
        super().__init__()
        self.seconds, self.runs = seconds, 0

    def forward(self, x: Tensor) -> Tensor:
        self.runs += 1
        time.sleep(self.seconds)
        return x


def test_each_layer_has_its_own_time() -> None:
    shared = Sleeps(0.004)
    net = nn.Sequential(nn.Sequential(shared, Sleeps(0.002)), nn.Identity(), shared)
    found = layer_times(net, torch.zeros(1), passes=3)
    assert list(found) == ["0.0", "0.1", "1"] and {len(taken) for taken in found.values()} == {3}
    assert min(found["0.0"]) >= 0.008 and min(found["0.1"]) >= 0.002  # the shared one runs twice a pass
    assert min(found["1"]) < 0.002
    assert shared.runs == 2 * (WARM_UP + 3)


def test_the_net_is_left_as_it_was() -> None:
    net = nn.Sequential(nn.Linear(2, 3))
    with pytest.raises(RuntimeError):
        layer_times(net, torch.zeros(1, 5), passes=1)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
