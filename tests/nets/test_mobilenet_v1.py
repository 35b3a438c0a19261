"""MobileNet against the paper's tables and against two independent implementations."""

from collections import Counter
from typing import Any

import pytest
import timm
import torch
from pytorchcv.models.common.conv import conv3x3_block
from pytorchcv.models.mobilenet import MobileNet, mobilenet_w1, mobilenet_w3d4, mobilenet_wd2, mobilenet_wd4
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.complexity import measure
from lightning_modules.errors import UserError
from lightning_modules.nets import MobileNetV1
from lightning_modules.nets.blocks import DepthwiseConv2d
from tests.nets.against import assert_same_outputs, count, macs, paper, randomised, transplant

PAPER = paper("mobilenet_v1")
DERIVED = paper("derived_checks")["mobilenet_v1"]
WIDTHS = [1.0, 0.75, 0.5, 0.25]


def shaped(**arguments: Any) -> nn.Module:
    """A net without numbers: its shapes cost nothing to compute."""
    with torch.device("meta"):
        return MobileNetV1(**arguments).eval()


def peers(table: str, prefix: str) -> dict[float, dict[str, Any]]:
    """By width, a table's rows whose name is the prefix and a width."""
    rows = {row["model"]: row for row in paper("peers")[table]["rows"]}
    return {width: rows[f"{prefix}{width}"] for width in WIDTHS}


def layers(net: nn.Module, channels: int, size: int) -> list[tuple[nn.Module, tuple[int, ...], tuple[int, ...]]]:
    """Convolutions, the pool and the classifier, in order, each with the shape of what it gets and gives."""
    found: list[tuple[nn.Module, tuple[int, ...], tuple[int, ...]]] = []

    def note(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        found.append((module, tuple(inputs[0].shape[1:]), tuple(output.shape[1:])))

    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.AdaptiveAvgPool2d, nn.Linear)):
            module.register_forward_hook(note)
    net(torch.zeros(1, channels, size, size, device="meta"))
    return found


def kind(module: nn.Module) -> str:
    """In the words of Table 2."""
    if not isinstance(module, nn.Conv2d):
        return "fully_connected" if isinstance(module, nn.Linear) else "pool"
    if module.groups > 1:
        return "conv_dw_3x3"
    return "conv_1x1" if module.kernel_size == (1, 1) else "conv_3x3"


# The paper's tables


def table_1() -> list[dict[str, Any]]:
    """Its rows, with the repeated pair written out."""
    rows = [row for row in PAPER["table1_body"]["rows"] if row["op"] != "softmax"]
    start = next(index for index, row in enumerate(rows) if "repeat" in row)
    return rows[:start] + rows[start : start + 2] * rows[start]["repeat"] + rows[start + 2 :]


def test_table_1_row_by_row() -> None:
    found = layers(shaped(), 3, 224)
    for (module, shape, output), row in zip(found, table_1(), strict=True):
        assert shape[0] == row["in_c"]
        if isinstance(module, nn.Conv2d):
            stride = row.get("stride_effective", row["stride"])
            assert kind(module) == {"conv": "conv_3x3", "dw": "conv_dw_3x3", "pw": "conv_1x1"}[row["op"]]
            assert (shape[1], output[0]) == (row["in_hw"], row["out_c"])
            assert (module.kernel_size, module.stride) == ((row["kernel"],) * 2, (stride,) * 2)
            assert module.bias is None
        elif isinstance(module, nn.Linear):
            assert (row["op"], output) == ("fc", (row["out_c"],))
        else:
            assert (row["op"], shape[1], output[1:]) == ("avgpool", row["kernel"], (1, 1))


def test_each_convolution_is_followed_by_batch_norm_and_relu() -> None:
    for arguments in ({}, {"convolution": "full"}):
        modules = [m for m in shaped(**arguments).modules() if not list(m.children())]
        body = modules[: next(i for i, m in enumerate(modules) if isinstance(m, nn.AdaptiveAvgPool2d))]
        for conv, norm, relu in zip(body[::3], body[1::3], body[2::3], strict=True):
            assert isinstance(conv, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            assert type(relu) is nn.ReLU


def test_table_2_shares() -> None:
    computed, weights = Counter[str](), Counter[str]()
    for module, _, output in layers(shaped(), 3, 224):
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            pixels = output[1] * output[2] if len(output) == 3 else 1
            computed[kind(module)] += module.weight.numel() * pixels
            weights[kind(module)] += module.weight.numel()
    for row in PAPER["table2_resource_share"]["rows"]:
        # The printed share of the first convolution has its digits transposed (D11).
        printed = row.get("recomputed_mult_adds_pct", row["mult_adds_pct"])
        assert round(100 * computed[row["type"]] / computed.total(), 2) == printed
        assert round(100 * weights[row["type"]] / weights.total(), 2) == row["params_pct"]
    assert set(computed) == {row["type"] for row in PAPER["table2_resource_share"]["rows"]}


def test_table_4_full_convolutions() -> None:
    printed, derived = PAPER["table4_full_vs_separable"]["rows"][0], DERIVED["full_convolution_version"]
    net = shaped(convolution="full")
    assert count(net) == derived["params"]
    assert round(count(net) / 1e6, 1) == printed["params_m"] == derived["printed_params_m"]
    assert round(macs(net, 3, 224) / 1e6, 1) == derived["mmacs"]
    assert abs(macs(net, 3, 224) / 1e6 - printed["mult_adds_m"]) < 2  # 4866 is printed, 4867.3 follow from Table 1


def test_table_5_shallow() -> None:
    printed = PAPER["table5_narrow_vs_shallow"]["rows"][1]
    net = shaped(shallow=True)
    assert round(count(net) / 1e6, 1) == printed["params_m"]
    assert round(macs(net, 3, 224) / 1e6) == printed["mult_adds_m"]
    kept = [output for module, _, output in layers(net, 3, 224) if kind(module) == "conv_1x1"]
    assert kept.count((512, 14, 14)) == 1  # that of the layer that leads to 14 x 14
    assert count(shaped()) - count(net) == 5 * count(shaped().get_submodule("layers.conv7"))


@pytest.mark.parametrize("row", PAPER["table6_width"]["rows"], ids=lambda row: row["alpha"])
def test_table_6_widths(row: dict[str, Any]) -> None:
    net = shaped(width=row["alpha"])
    assert round(count(net) / 1e6, 1) == row["params_m"]
    assert round(macs(net, 3, 224) / 1e6) == row["mult_adds_m"]


@pytest.mark.parametrize("row", PAPER["table7_resolution"]["rows"], ids=lambda row: row["resolution"])
def test_table_7_resolutions(row: dict[str, Any]) -> None:
    # 290.68 is printed as 290, and 291 by the authors' own release.
    assert abs(macs(shaped(), 3, row["resolution"]) / 1e6 - row["mult_adds_m"]) < 0.7


@pytest.mark.parametrize("row", DERIVED["rows"], ids=lambda row: f"{row['alpha']} at {row['input']}")
def test_parameters_and_multiply_adds(row: dict[str, Any]) -> None:
    net = shaped(width=row["alpha"])
    assert count(net) == row["params"]
    assert round(macs(net, 3, row["input"]) / 1e6, 2) == row["mmacs"]


@pytest.mark.parametrize("width", WIDTHS)
def test_parameters_of_the_peers(width: float) -> None:
    net = shaped(width=width)
    assert count(net) == peers("pytorchcv", "MobileNet x")[width]["params"]
    statistics = sum(buffer.numel() for buffer in net.buffers() if buffer.is_floating_point())
    assert count(net) + statistics == peers("mxnet_operation_counter", "MobileNet v1 ")[width]["params"]


@pytest.mark.parametrize(
    ("arguments", "size"),
    [({}, 96), ({"width": 0.25}, 224), ({"width": 0.25, "convolution": "full"}, 64), ({"shallow": True}, 96)],
)
def test_fvcores_count_is_half_of_torchs_own(arguments: dict[str, Any], size: int) -> None:
    measured = measure(MobileNetV1(**arguments), (3, size, size))
    assert measured["macs"] == macs(shaped(**arguments), 3, size)
    assert [layer["layer"] for layer in measured["by_layer"]][:2] == ["conv0", "conv1"]


# Two independent implementations. timm's has ReLU6, of later code of the authors; the paper's has ReLU, as pytorchcv's.


def test_same_outputs_as_timm() -> None:
    ours = randomised(MobileNetV1())
    assert_same_outputs(ours, transplant(ours, timm.create_model("mobilenetv1_100", act_layer=nn.ReLU)))


@pytest.mark.parametrize(
    ("width", "theirs"), [(1.0, mobilenet_w1), (0.75, mobilenet_w3d4), (0.5, mobilenet_wd2), (0.25, mobilenet_wd4)]
)
def test_same_outputs_as_pytorchcv(width: float, theirs: Any) -> None:
    ours = randomised(MobileNetV1(width))
    assert_same_outputs(ours, transplant(ours, theirs()))


def test_shallow_has_the_outputs_of_pytorchcv_without_five_units() -> None:
    ours = randomised(MobileNetV1(shallow=True))
    theirs = MobileNet([[32], [64], [128, 128], [256, 256], [512], [1024, 1024]], first_stage_stride=False)
    assert_same_outputs(ours, transplant(ours, theirs))


def test_full_convolutions_are_those_of_pytorchcv_in_the_place_of_its_separable_units() -> None:
    ours, theirs = randomised(MobileNetV1(0.25, "full")), mobilenet_wd4()
    for stage in theirs.get_submodule("features").children():
        for name, unit in list(stage.named_children()):
            if name.startswith("unit"):
                wide, narrow = unit.get_submodule("dw_conv.conv"), unit.get_submodule("pw_conv.conv")
                assert isinstance(wide, nn.Conv2d)
                assert isinstance(narrow, nn.Conv2d)
                full = conv3x3_block(
                    in_channels=wide.in_channels, out_channels=narrow.out_channels, stride=wide.stride[0]
                )
                stage.add_module(name, full)
    assert_same_outputs(ours, transplant(ours, theirs))


# Initialisation


def test_the_authors_initialisation() -> None:
    torch.manual_seed(0)
    for name, module in MobileNetV1().named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            weight = module.weight.detach()
            assert float(weight.abs().max()) <= 0.18, name
            # Cut at two deviations, a normal distribution keeps 0.8796 of its own.
            assert float(weight.std()) == pytest.approx(0.09 * 0.8796, rel=5 / (2 * weight.numel()) ** 0.5), name
            assert module.bias is None or not module.bias.any()


def test_the_other_initialisation() -> None:
    torch.manual_seed(0)
    for name, module in MobileNetV1(init="he").named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            weight = module.weight.detach()
            kernel = weight[0, 0].numel() if weight.dim() == 4 else 1
            fan = kernel * (1 if isinstance(module, DepthwiseConv2d) else weight.shape[0])
            assert float(weight.std()) == pytest.approx((2 / fan) ** 0.5, rel=5 / (2 * weight.numel()) ** 0.5), name
            assert module.bias is None or not module.bias.any()


# Small images, other classes


@pytest.mark.parametrize(
    ("stem", "size", "expected"),
    [("paper", 32, [16, 8, 4, 2, 1]), ("small", 32, [32, 16, 8, 4, 2]), ("paper", 224, [112, 56, 28, 14, 7])],
)
def test_map_sizes_of_the_stems(stem: str, size: int, expected: list[int]) -> None:
    sides = [output[1] for module, _, output in layers(shaped(stem=stem), 3, size) if isinstance(module, nn.Conv2d)]
    assert sorted(set(sides), reverse=True) == expected
    assert sides == sorted(sides, reverse=True)


@pytest.mark.parametrize("convolution", ["separable", "full"])
def test_gradient_reaches_every_parameter(convolution: Any) -> None:
    torch.manual_seed(0)
    net = MobileNetV1(0.25, convolution, num_classes=7, in_channels=1)
    logits = net(torch.randn(4, 1, 64, 64))
    assert logits.shape == (4, 7)
    F.cross_entropy(logits, torch.arange(4)).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


def test_no_layer_of_a_narrow_net_has_fewer_than_eight_channels() -> None:
    widths = {module.out_channels for module in shaped(width=0.01).modules() if isinstance(module, nn.Conv2d)}
    assert widths == {8, 10}


# Mistakes


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("width", 0.0),
        ("width", -0.5),
        ("width", float("nan")),
        ("width", float("inf")),
        ("convolution", "grouped"),
        ("shallow", "deep"),
        ("stem", "tiny"),
        ("init", "zero"),
        ("num_classes", 0),
        ("in_channels", 0),
    ],
)
def test_a_wrong_argument_is_named(field: str, value: Any) -> None:
    with pytest.raises(UserError, match=f"{field}={value}: ") as raised:
        MobileNetV1(**{field: value})
    assert "\n" not in str(raised.value)
