"""AlexNet: torchvision's, and the paper's of two towers, against published counts."""

from typing import Any

import pytest
import torch
import torchvision
from torch import nn

from lightning_modules.complexity import measure
from lightning_modules.errors import UserError
from lightning_modules.nets import AlexNet
from tests.nets.against import count, macs, paper

DERIVED = paper("derived_checks")["alexnet_grouped_2012"]


def shaped(**arguments: Any) -> AlexNet:
    with torch.device("meta"):
        return AlexNet(**arguments).eval()


def layers(net: nn.Module) -> list[nn.Module]:
    return [module for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]


# One tower


def test_one_tower_is_torchvisions() -> None:
    """Layer by layer with the same arguments, under the same names."""
    with torch.device("meta"):
        assert str(AlexNet()) == str(torchvision.models.AlexNet())


def test_one_tower_costs_what_torchvision_publishes() -> None:
    rows = {row["model"]: row for row in paper("peers")["torchvision"]["rows"]}
    net = shaped()
    assert count(net) == rows["AlexNet"]["params"]
    assert round(macs(net, 3, 224) / 1e9, 3) == rows["AlexNet"]["gmacs"]
    assert count(net) == next(
        row["params"] for row in paper("peers")["pytorchcv"]["rows"] if row["model"] == "AlexNet-b"
    )


# Two towers


def test_two_towers_have_the_papers_parameters() -> None:
    net = shaped(groups=2)
    found = [count(layer) for layer in layers(net)]
    assert found == list(DERIVED["per_layer_params"].values())
    assert count(net) == sum(found) == DERIVED["params"]


def test_two_towers_cost_what_the_paper_derives() -> None:
    net = shaped(groups=2)
    assert macs(net, 3, 227) / 1e6 == pytest.approx(DERIVED["mmacs_227"], abs=0.005)
    row = next(row for row in paper("classic")["values_by_source"] if row["model"] == "AlexNet")
    assert macs(net, 3, 227) / 1e6 == pytest.approx(row["mult_adds_m"]["papers"], rel=0.01)


def test_two_towers_have_maps_of_55_27_13_and_6() -> None:
    sizes: list[int] = []
    net = shaped(groups=2)
    for layer in net.features:
        layer.register_forward_hook(lambda module, inputs, output: sizes.append(output.shape[-1]))
    net(torch.zeros(1, 3, 227, 227, device="meta"))
    assert list(dict.fromkeys(sizes)) == [55, 27, 13, 6]


def test_a_tower_sees_nothing_of_the_other_but_in_the_third_convolution() -> None:
    assert [layer.groups for layer in layers(shaped(groups=2)) if isinstance(layer, nn.Conv2d)] == [1, 2, 1, 2, 2]


def test_the_response_norm_is_the_papers() -> None:
    """b_i = a_i / (k + alpha * sum of a_j squared) ** beta, over the 5 channels around i (section 3.3)."""
    norm = shaped(groups=2).features[2]
    a = torch.rand(1, 9, 2, 2, generator=torch.Generator().manual_seed(0)) * 100
    sums = torch.stack([a[:, max(0, i - 2) : i + 3].square().sum(1) for i in range(9)], dim=1)
    assert torch.allclose(norm(a), a / (2 + 1e-4 * sums) ** 0.75)


def test_two_towers_start_as_the_paper_says() -> None:
    torch.manual_seed(0)
    net = AlexNet(groups=2, num_classes=10, in_channels=1)
    biases = []
    for layer in layers(net):
        assert isinstance(layer, (nn.Conv2d, nn.Linear))
        weight = layer.weight.detach()
        assert float(weight.std()) == pytest.approx(0.01, rel=5 / (2 * weight.numel()) ** 0.5)
        assert layer.bias is not None
        biases.append(layer.bias.detach().unique().tolist())
    assert biases == [[0], [1], [0], [1], [1], [1], [1], [0]]


# Both


@pytest.mark.parametrize("groups", [1, 2])
def test_other_images_and_classes(groups: int) -> None:
    net = AlexNet(groups=groups, num_classes=10, in_channels=1)
    logits = net(torch.randn(2, 1, 67, 67))
    assert logits.shape == (2, 10)
    logits.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in net.features.parameters())
    assert measure(net, (1, 67, 67))["macs"] == macs(net, 1, 67)


@pytest.mark.parametrize("groups", [1, 2])
def test_a_narrow_one_has_a_quarter_of_the_channels_of_each_layer(groups: int) -> None:
    def channels(narrow: int) -> list[int]:
        return [layer.weight.shape[0] for layer in layers(shaped(groups=groups, narrow=narrow))]  # type: ignore[union-attr]

    assert channels(4)[:-1] == [number // 4 for number in channels(1)[:-1]]
    assert channels(4)[-1] == channels(1)[-1] == 1000
    net = AlexNet(groups=groups, narrow=16, stem="small", num_classes=10, in_channels=1)
    assert net(torch.randn(2, 1, 63, 63)).shape == (2, 10)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("narrow", 3),
        ("stem", "tiny"),
        ("narrow", 0),
        ("groups", 3),
        ("groups", 0),
        ("num_classes", 0),
        ("in_channels", 0),
    ],
)
def test_a_wrong_argument_is_named(field: str, value: Any) -> None:
    with pytest.raises(UserError, match=field):
        AlexNet(**{field: value})
