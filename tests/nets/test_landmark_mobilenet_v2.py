"""The landmark net: the article's sizes, and what its arguments may be."""

import pytest
import torch

from lightning_modules.complexity import measure
from lightning_modules.errors import UserError
from lightning_modules.nets import LandmarkMobileNetV2, classes
from lightning_modules.nets.build import build_net

# By layer of the article's Table: a stage is two blocks of expansion, depthwise, projection and their batch norms.
STAGES = {"stage1": 5136 + 8832, "stage2": 10000 + 14848, "stage3": 21056 + 54272}


def params(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_article_s_parameters() -> None:
    net = LandmarkMobileNetV2()
    assert params(net) == 264_890
    assert {name: params(net.get_submodule(name)) for name in STAGES} == STAGES
    assert params(net.fc1) == 576 * 256 + 256 and params(net.fc2) == 2570
    assert params(LandmarkMobileNetV2(last_t=3)) == 237_818


def test_multiply_adds_are_those_of_the_layers() -> None:
    maps = {"conv1": 3 * 16 * 9 * 24**2, "fc": 576 * 256 + 256 * 10}
    blocks = [(16, 24, 24, 12), (24, 24, 12, 12), (24, 32, 12, 6), (32, 32, 6, 6), (32, 64, 6, 3), (64, 64, 3, 3)]
    for before, after, large, small in blocks:
        wide = 6 * before
        maps[f"{before}-{after}-{large}"] = before * wide * large**2 + 9 * wide * small**2 + wide * after * small**2
    found = measure(LandmarkMobileNetV2(), (3, 48, 48))
    assert found["macs"] == sum(maps.values()) == 4_957_312


def test_maps_are_24_12_6_3() -> None:
    net, sizes = LandmarkMobileNetV2().eval(), []
    for name in ("conv1", "stage1", "stage2", "stage3"):
        net.get_submodule(name).register_forward_hook(lambda _, __, y: sizes.append(y.shape[-1]))
    assert net(torch.zeros(1, 3, 48, 48)).shape == (1, 10)
    assert sizes == [24, 12, 6, 3]


def test_the_pool_changes_nothing_at_48_px_and_keeps_the_parameters_at_96() -> None:
    net = LandmarkMobileNetV2().eval()
    x = torch.randn(2, 64, 3, 3)
    assert torch.equal(net.pool(x), x)
    assert net(torch.zeros(2, 3, 96, 96)).shape == (2, 10)


def test_activations_are_relu_and_projections_linear() -> None:
    net = LandmarkMobileNetV2()
    assert not [m for m in net.modules() if isinstance(m, torch.nn.ReLU6)]
    assert [type(m).__name__ for m in net.stage1[1].projection] == ["PointwiseConv2d", "BatchNorm2d"]  # type: ignore[index]
    assert [block.residual for stage in (net.stage1, net.stage2, net.stage3) for block in stage] == [False, True] * 3


def test_points_of_other_markups() -> None:
    assert LandmarkMobileNetV2(num_classes=136)(torch.zeros(2, 3, 48, 48)).shape == (2, 136)


@pytest.mark.parametrize(("field", "value"), [("t", 1), ("last_t", 4), ("dropout", 1.0), ("dropout", -0.1)])
def test_an_argument_out_of_range(field: str, value: float) -> None:
    with pytest.raises(UserError, match=f"arch.{field}={value}: "):
        LandmarkMobileNetV2(**{field: value})  # type: ignore[arg-type]


def test_it_is_found_by_its_name() -> None:
    assert classes()["LandmarkMobileNetV2"] == "landmark_mobilenet_v2"
    arch = {
        "name": "l",
        "net": "LandmarkMobileNetV2",
        "paper_input": [3, 48, 48],
        "memory_format": "contiguous",
        "last_t": 3,
    }
    assert params(build_net(arch, 10, 3)) == 237_818
