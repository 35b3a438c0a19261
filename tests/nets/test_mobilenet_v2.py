"""MobileNetV2 against the paper's numbers and against two independent implementations."""

import inspect
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import mobilenet_v2

from lightning_modules.complexity import measure
from lightning_modules.errors import UserError
from lightning_modules.nets import MobileNetV2
from lightning_modules.nets.blocks import DepthwiseConv2d
from lightning_modules.nets.mobilenet_v2 import BOTTLENECKS, FIRST, LAST, Bottleneck, scaled
from tests.nets.against import assert_same_outputs, count, macs, paper, randomised, transplant

PAPER = paper("mobilenet_v2")
DERIVED = paper("derived_checks")["mobilenet_v2"]["rows"]
RELEASED = PAPER["released_checkpoints"]["rows"]
MXNET = {row["model"]: row["params"] for row in paper("peers")["mxnet_operation_counter"]["rows"]}


def shaped(**arguments: Any) -> nn.Module:
    """A net without numbers: its shapes cost nothing to compute."""
    with torch.device("meta"):
        return MobileNetV2(**arguments).eval()


def normalised(net: nn.Module) -> int:
    """Parameters of batch norm, which the authors leave out of their counts."""
    return sum(count(module) for module in net.modules() if isinstance(module, nn.BatchNorm2d))


def test_table_2() -> None:
    rows = [row for row in PAPER["table2_architecture"]["rows"] if row["op"] != "avgpool_7x7"]
    first, *bottlenecks, last, _ = rows
    assert tuple((row["t"], row["c"], row["n"], row["s"]) for row in bottlenecks) == BOTTLENECKS
    assert (first["c"], last["c"]) == (FIRST, LAST)
    net, shapes = shaped(), []
    for _, layer in net.named_children():
        layer.register_forward_pre_hook(lambda module, inputs: shapes.append(tuple(inputs[0].shape[1:])))
    net(torch.zeros(1, 3, 224, 224, device="meta"))
    assert shapes[:9] == [(row["in_c"], row["in_hw"], row["in_hw"]) for row in rows[:9]]
    assert shapes[9] == (1280, 7, 7)


@pytest.mark.parametrize("t", [1, 6])
@pytest.mark.parametrize(("stride", "out_channels"), [(1, 8), (1, 16), (2, 8)])
def test_table_1(t: int, stride: int, out_channels: int) -> None:
    """A bottleneck's multiply-adds are the paper's formula (without its expansion where t = 1); its residual, the rule."""
    with torch.device("meta"):
        block = Bottleneck(8, out_channels, stride, t)
    h = w = 6
    expansion = h * w * 8 * 8 * t if t > 1 else 0
    rest = h * w // stride**2 * 8 * t * (9 + out_channels)
    assert macs(block, 8, h, w) == expansion + rest
    if stride == 1:
        assert expansion + rest == h * w * 8 * t * ((8 if t > 1 else 0) + 9 + out_channels)
    assert block.residual == (stride == 1 and out_channels == 8)


def test_a_residual_is_the_input_and_the_projection_is_linear() -> None:
    block = Bottleneck(8, 8, 1, 6).eval()
    x = torch.randn(2, 8, 4, 4)
    assert bool((block(x) - x < 0).any())  # no ReLU6 behind the projection
    nn.init.zeros_(block.projection[1].weight)  # type: ignore[arg-type]
    assert torch.equal(block(x), x)


@pytest.mark.parametrize("row", DERIVED, ids=lambda row: row["width"])
def test_parameters_and_multiply_adds_of_each_width(row: dict[str, Any]) -> None:
    net = shaped(width=row["width"])
    assert count(net) == row["params"]
    assert round(macs(net, 3, row["input"]) / 1e6, 2) == row["mmacs"]
    if "params_without_bn" in row:
        assert count(net) - normalised(net) == row["params_without_bn"]


@pytest.mark.parametrize("row", RELEASED, ids=lambda row: f"{row['width']}-{row['resolution']}")
def test_the_authors_released_checkpoints(row: dict[str, Any]) -> None:
    """They count no batch norm (discrepancies, D17 and D18); multiply-adds are printed in whole millions."""
    net = shaped(width=row["width"])
    assert round((count(net) - normalised(net)) / 1e6, 2) == row["params_m"]
    assert macs(net, 3, row["resolution"]) / 1e6 == pytest.approx(row["mult_adds_m"], abs=1)


def test_the_papers_table_4() -> None:
    printed = {row["model"]: row for row in PAPER["table4_imagenet"]["rows"]}
    net, wide = shaped(), shaped(width=1.4)
    row = printed["MobileNetV2"]
    assert round(macs(net, 3, 224) / 1e6, -1) == row["mult_adds_m"]
    assert (count(net) - normalised(net)) / 1e6 == pytest.approx(row["params_m"], abs=0.08)  # 3.47, printed 3.4 (D18)
    row = printed["MobileNetV2 1.4"]
    assert macs(wide, 3, 224) / 1e6 == pytest.approx(row["mult_adds_m"], rel=0.005)
    assert count(wide) / 1e6 < row["params_m"] - 0.7  # 6.11; the printed 6.9 can't be reproduced (D17)


def test_mxnets_count() -> None:
    """It has the running statistics too, an expansion in the first bottleneck, and no bias in its classifier."""
    net = shaped()
    statistics = sum(buffer.numel() for buffer in net.buffers() if buffer.dim())
    expansion = 32 * 32 + 4 * 32
    assert MXNET["MobileNet v2 1.0"] == count(net) + statistics + expansion - 1000


def test_the_peers_sizes() -> None:
    peers = paper("peers")
    torchvisions = {row["params"] for row in peers["torchvision"]["rows"] if row["model"] == "MobileNet_V2"}
    assert torchvisions == {count(shaped())}
    rows = peers["timm"]["rows"] + peers["timm"]["speed_rows"]
    for code, width in (("035", 0.35), ("050", 0.5), ("075", 0.75), ("100", 1.0), ("140", 1.4)):
        timms = {row["params_m"] for row in rows if row["model"].split(".")[0] == f"mobilenetv2_{code}"}
        assert timms == {round(count(shaped(width=width)) / 1e6, 2)}


def test_two_counters_agree() -> None:
    net = MobileNetV2()
    cost = measure(net, (3, 96, 96))
    assert cost["macs"] == macs(net, 3, 96)
    assert cost["params"] == count(net)
    assert [row["layer"] for row in cost["by_layer"]][::8] == ["conv1", "conv2"]


@pytest.mark.parametrize("width", [1.0, 0.35])
def test_outputs_equal_torchvisions(width: float) -> None:
    ours = randomised(MobileNetV2(width=width))
    assert_same_outputs(ours, transplant(ours, mobilenet_v2(width_mult=width)))


def test_outputs_equal_timms() -> None:
    ours = randomised(MobileNetV2())
    assert_same_outputs(ours, transplant(ours, timm.create_model("mobilenetv2_100")))


@pytest.mark.parametrize(
    ("channels", "width", "expected"),
    [
        (32, 1.0, 32),
        (32, 0.75, 24),
        (24, 0.5, 16),  # 12 lies in the middle: up
        (32, 0.35, 16),  # 11.2 is nearer to 8, which is more than a tenth below
        (24, 0.35, 8),  # 8.4: 8 is within a tenth
        (16, 0.25, 8),  # never below 8
        (16, 1.4, 24),
        (1280, 1.4, 1792),
    ],
)
def test_how_widths_are_rounded(channels: int, width: float, expected: int) -> None:
    assert scaled(channels, width) == expected


@pytest.mark.parametrize(("width", "expected"), [(0.35, 1280), (1.0, 1280), (1.4, 1792)])
def test_the_last_convolution_narrows_never(width: float, expected: int) -> None:
    assert PAPER["hyperparameters"]["width_below_one_rule"] == "not applied to the last 1x1 convolution"
    assert shaped(width=width).get_submodule("classifier").in_features == expected


@pytest.mark.parametrize(
    ("stem", "expected"), [("paper", [16, 16, 8, 4, 2, 2, 1, 1]), ("small", [32, 32, 16, 8, 4, 4, 2, 2])]
)
def test_maps_of_a_32_px_image(stem: Any, expected: list[int]) -> None:
    net, sizes = shaped(stem=stem), []
    for name, layer in net.named_children():
        if name.startswith(("conv1", "bottleneck")):
            layer.register_forward_hook(lambda module, inputs, output: sizes.append(output.shape[-1]))
    net(torch.zeros(1, 3, 32, 32, device="meta"))
    assert sizes == expected


def test_the_authors_initialisation() -> None:
    torch.manual_seed(0)
    net = MobileNetV2(num_classes=10)
    for name, module in net.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            weight, n = module.weight.detach(), module.weight.numel()
            assert float(weight.abs().max()) <= 0.18, name
            assert float(weight.std()) == pytest.approx(0.09 * 0.8796, rel=5 / (2 * n) ** 0.5), (
                name
            )  # of the cut normal
            assert module.bias is None or not module.bias.any(), name


def test_gradients_reach_every_parameter() -> None:
    net = MobileNetV2(width=0.35, num_classes=10, in_channels=1)
    depthwise = [module for module in net.modules() if isinstance(module, nn.Conv2d) and module.groups > 1]
    assert len(depthwise) == 17
    assert all(isinstance(module, DepthwiseConv2d) for module in depthwise)
    logits = net(torch.randn(4, 1, 32, 32))
    assert logits.shape == (4, 10)
    F.cross_entropy(logits, torch.tensor([1, 2, 3, 4])).backward()
    for name, parameter in net.named_parameters():
        gradient: Tensor | None = parameter.grad
        assert gradient is not None, name
        assert bool(gradient.any()), name


def test_the_defaults_are_the_papers_network() -> None:
    defaults = {name: parameter.default for name, parameter in inspect.signature(MobileNetV2).parameters.items()}
    assert defaults == {"width": 1.0, "num_classes": 1000, "in_channels": 3, "stem": "paper", "dropout": 0.2}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("width", 0),
        ("width", -1.0),
        ("width", float("nan")),
        ("width", float("inf")),
        ("stem", "tiny"),
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("num_classes", 0),
        ("in_channels", 0),
    ],
)
def test_a_wrong_argument_is_named(field: str, value: Any) -> None:
    with pytest.raises(UserError, match=f"{field}={value}: ") as raised:
        MobileNetV2(**{field: value})
    assert "\n" not in str(raised.value)
