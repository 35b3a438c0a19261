"""The sides that are compared do the same work."""

import copy

import pytest
import torch
from torch import nn

from experiments.benchmarks import depthwise
from lightning_modules.nets import MobileNetV2


def test_the_stock_net_has_pytorchs_convolutions_on_the_same_weights() -> None:
    ours = MobileNetV2(num_classes=10).eval()
    stock = depthwise.stock(copy.deepcopy(ours))
    kinds = [{type(module) for module in net.modules() if isinstance(module, nn.Conv2d)} for net in (ours, stock)]
    assert kinds[1] == {nn.Conv2d}
    assert len(kinds[0]) == 3
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), stock(images), rtol=1e-4, atol=1e-5)
    for name, tensor in ours.state_dict().items():
        assert torch.equal(tensor, stock.state_dict()[name])


def test_each_side_trains_on_one_thread_and_leaves_the_number_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depthwise, "STEPS", 1)
    monkeypatch.setattr(depthwise, "BATCH", 4)
    before = torch.get_num_threads()
    with depthwise.sides() as sides:
        assert torch.get_num_threads() == 1
        assert list(sides) == ["ours", "stock", "stock, contiguous"]
        assert all(side() > 0 for side in sides.values())
    assert torch.get_num_threads() == before
