"""Layers chosen by patterns."""

from typing import Any

import pytest
import torch
from torch import nn

from lightning_modules.compression.selection import assign, select
from lightning_modules.errors import UserError
from lightning_modules.nets.mobilenet_v1 import MobileNetV1
from lightning_modules.nets.squeezenet import SqueezeNet


def squeezenet(bypass: str = "none") -> nn.Module:
    with torch.device("meta"):
        return SqueezeNet(bypass=bypass)  # type: ignore[arg-type]


def test_all_layers_in_the_nets_order_and_nothing_else() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Sequential(nn.Linear(2, 2)), nn.PReLU())
    assert list(select(net, ["*"])) == ["0", "3.0"]
    assert select(net, ["*"])["3.0"] is net.get_submodule("3.0")


def test_the_layers_of_squeezenet() -> None:
    names = list(select(squeezenet(), ["*"]))
    assert len(names) == 26
    assert names[:4] == [
        "layers.conv1",
        "layers.fire2.squeeze1x1",
        "layers.fire2.expand1x1",
        "layers.fire2.expand3x3",
    ]


def test_a_pattern_fits_the_end_of_a_name_from_a_dot_on() -> None:
    net = squeezenet()
    assert list(select(net, ["conv1"])) == ["layers.conv1"]
    assert list(select(net, ["conv*"])) == ["layers.conv1", "layers.conv10"]
    assert list(select(net, ["fire[23].expand?x?"])) == [
        f"layers.fire{i}.expand{k}" for i in (2, 3) for k in ("1x1", "3x3")
    ]
    assert len(select(net, ["fire*.expand3x3"])) == 8


def test_one_pattern_serves_with_and_without_bypass() -> None:
    assert len(select(squeezenet("simple"), ["fire*.expand3x3"])) == 8
    assert "layers.fire3.fire.expand3x3" in select(squeezenet("simple"), ["fire*.expand3x3"])


def test_patterns_add_up_in_the_nets_order() -> None:
    assert list(select(squeezenet(), ["conv10", "conv1", "conv*"])) == ["layers.conv1", "layers.conv10"]


def test_one_text_is_one_pattern() -> None:
    assert list(select(squeezenet(), "conv10")) == ["layers.conv10"]


@pytest.mark.parametrize("patterns", [5, None, [5], [None], {5: 0.3}])
def test_what_is_no_name_is_one_line(patterns: Any) -> None:
    with pytest.raises(
        UserError, match=r"^compression.steps: layers=.*: give names of layers, such as \['fire\*', conv1\]$"
    ):
        select(squeezenet(), patterns)


def test_our_own_convolutions_count() -> None:
    with torch.device("meta"):
        net = MobileNetV1()
    assert len(select(net, ["conv_dw"])) == 13
    assert len(select(net, ["*"])) == 1 + 2 * 13 + 1


def test_a_pattern_that_fits_nothing_is_named_with_what_is_near() -> None:
    with pytest.raises(UserError) as error:
        select(squeezenet(), ["conv1", "fire2.expnd3x3"])
    (line,) = str(error.value).splitlines()
    assert line.startswith("compression.steps: layers=fire2.expnd3x3: fits no layer of SqueezeNet")
    assert "layers.fire2.expand3x3" in line


def test_no_pattern_is_an_error() -> None:
    with pytest.raises(UserError, match="names no layer"):
        select(squeezenet(), [])


def test_a_net_without_layers_is_an_error() -> None:
    with pytest.raises(UserError, match="fits no layer of ReLU; the nearest: it has none"):
        select(nn.ReLU(), ["*"])


def test_of_a_table_the_last_pattern_that_fits_counts() -> None:
    found = assign(squeezenet(), {"fire*": 0.5, "fire9.*": 0.25, "conv10": 1.0})
    assert found["layers.fire2.squeeze1x1"] == 0.5
    assert found["layers.fire9.squeeze1x1"] == found["layers.fire9.expand3x3"] == 0.25
    assert found["layers.conv10"] == 1.0
    assert "layers.conv1" not in found
    assert list(found) == [name for name in select(squeezenet(), ["*"]) if name != "layers.conv1"]


def test_a_pattern_that_decides_nothing_is_an_error() -> None:
    with pytest.raises(UserError, match=r"density=conv1: patterns below it fit all its layers"):
        assign(squeezenet(), {"conv1": 1.0, "*": 0.5}, "density")


def test_a_table_with_a_pattern_that_fits_nothing_is_an_error() -> None:
    with pytest.raises(UserError, match=r"quality=fc8: fits no layer"):
        assign(squeezenet(), {"*": 1.0, "fc8": 0.5}, "quality")
