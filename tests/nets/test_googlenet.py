"""GoogLeNet is torchvision's without its auxiliary classifiers, with the published cost."""

from typing import Any

import pytest
import torch
import torchvision
from torch import nn

from lightning_modules.complexity import measure
from lightning_modules.errors import UserError
from lightning_modules.nets import GoogLeNet
from tests.nets.against import count, macs, paper


def shaped(**arguments: Any) -> nn.Module:
    with torch.device("meta"):
        return GoogLeNet(**arguments).eval()


def test_it_is_torchvisions() -> None:
    """Layer by layer with the same arguments, under the same names."""
    with torch.device("meta"):
        assert str(GoogLeNet()) == str(torchvision.models.GoogLeNet(aux_logits=False, init_weights=False))


# conf/paper/classic.yaml: MobileNet's tables print 6.8 million and 1,550 million for the paper's net, with 5x5 convolutions.
def test_it_costs_what_is_published() -> None:
    net = shaped()
    row = next(row for row in paper("peers")["torchvision"]["rows"] if row["model"] == "GoogLeNet")
    assert count(net) == row["params"]
    assert macs(net, 3, 224) / 1e9 == pytest.approx(row["gmacs"], abs=0.0005)


def test_logits_alone_while_training_too() -> None:
    net = GoogLeNet(num_classes=7, in_channels=1).train()
    logits = net(torch.randn(3, 1, 64, 64))
    assert logits.shape == (3, 7)
    logits.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in net.parameters())
    assert measure(net, (1, 32, 32))["macs"] == macs(net, 1, 32)


def test_the_weights_are_drawn_as_torchvision_draws_them() -> None:
    torch.manual_seed(0)
    net = GoogLeNet()
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            weight = layer.weight.detach()
            assert float(weight.std()) == pytest.approx(0.01, rel=5 / (2 * weight.numel()) ** 0.5)
            assert abs(float(weight.mean())) < 5 * 0.01 / weight.numel() ** 0.5


@pytest.mark.parametrize("field", ["num_classes", "in_channels"])
def test_a_wrong_argument_is_named(field: str) -> None:
    with pytest.raises(UserError, match=field):
        GoogLeNet(**{field: 0})
