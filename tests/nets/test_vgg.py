"""VGG-16 is torchvision's, with the published cost."""

from typing import Any

import pytest
import torch
import torchvision
from torch import nn

from lightning_modules.complexity import measure
from lightning_modules.errors import UserError
from lightning_modules.nets import VGG16
from tests.nets.against import count, macs, paper


def shaped(**arguments: Any) -> nn.Module:
    with torch.device("meta"):
        return VGG16(**arguments).eval()


def test_it_is_torchvisions() -> None:
    """Layer by layer with the same arguments, under the same names."""
    with torch.device("meta"):
        theirs = torchvision.models.vgg16()
    assert str(shaped()) == str(theirs).replace("VGG(", "VGG16(", 1)


def test_it_costs_what_is_published() -> None:
    net = shaped()
    torchvision_row = next(row for row in paper("peers")["torchvision"]["rows"] if row["model"] == "VGG16")
    assert count(net) == torchvision_row["params"]
    assert macs(net, 3, 224) / 1e9 == pytest.approx(torchvision_row["gmacs"], abs=0.0005)
    assert count(net) == next(row["params"] for row in paper("peers")["pytorchcv"]["rows"] if row["model"] == "VGG-16")


def test_both_counters_agree() -> None:
    net = shaped(num_classes=10, in_channels=1)
    assert measure(net.to_empty(device="cpu"), (1, 32, 32))["macs"] == macs(net, 1, 32)


def test_small_grey_images() -> None:
    assert shaped(num_classes=10, in_channels=1)(torch.zeros(2, 1, 32, 32, device="meta")).shape == (2, 10)


@pytest.mark.parametrize("field", ["num_classes", "in_channels"])
def test_a_wrong_argument_is_named(field: str) -> None:
    with pytest.raises(UserError, match=field):
        VGG16(**{field: 0})
