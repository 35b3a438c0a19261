"""Inception-v3 is torchvision's without its auxiliary classifier, with the published cost."""

from typing import Any

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models.inception import InceptionAux

from lightning_modules.complexity import measure
from lightning_modules.errors import UserError
from lightning_modules.nets import InceptionV3
from tests.nets.against import count, macs, paper


def shaped(**arguments: Any) -> nn.Module:
    with torch.device("meta"):
        return InceptionV3(**arguments).eval()


def test_it_is_torchvisions() -> None:
    """Layer by layer with the same arguments, under the same names."""
    with torch.device("meta"):
        theirs = torchvision.models.Inception3(aux_logits=False, init_weights=False)
    assert str(shaped()) == str(theirs).replace("Inception3(", "InceptionV3(", 1)


def test_it_costs_what_is_published() -> None:
    net = shaped()
    row = next(row for row in paper("peers")["torchvision"]["rows"] if row["model"] == "Inception_V3")
    with torch.device("meta"):
        auxiliary = count(InceptionAux(768, 1000))
    assert count(net) + auxiliary == row["params"]  # torchvision counts it in, timm and pytorchcv do not
    assert count(net) == next(r["params"] for r in paper("peers")["pytorchcv"]["rows"] if r["model"] == "InceptionV3")
    assert macs(net, 3, 299) / 1e9 == pytest.approx(row["gmacs"], abs=0.0005)


def test_logits_alone_while_training_too() -> None:
    net = InceptionV3(num_classes=7, in_channels=1).train()
    logits = net(torch.randn(2, 1, 75, 75))
    assert logits.shape == (2, 7)
    logits.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in net.parameters())
    assert measure(net, (1, 75, 75))["macs"] == macs(net, 1, 75)


def test_the_weights_are_drawn_as_torchvision_draws_them() -> None:
    torch.manual_seed(0)
    net = InceptionV3()
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            weight = layer.weight.detach()
            assert float(weight.std()) == pytest.approx(0.1, rel=5 / (2 * weight.numel()) ** 0.5)
            assert abs(float(weight.mean())) < 5 * 0.1 / weight.numel() ** 0.5


@pytest.mark.parametrize("field", ["num_classes", "in_channels"])
def test_a_wrong_argument_is_named(field: str) -> None:
    with pytest.raises(UserError, match=field):
        InceptionV3(**{field: 0})
