"""SqueezeNet against the paper's numbers and against two independent implementations."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from pytorchcv.models.squeezenet import squeezeresnet_v1_0, squeezeresnet_v1_1
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import squeezenet1_0, squeezenet1_1

from lightning_modules.complexity import measure
from lightning_modules.errors import UserError
from lightning_modules.nets import SqueezeNet
from lightning_modules.nets.squeezenet import Bypass, fire_widths
from tests.nets.against import assert_same_outputs, count, maps, paper, randomised, transplant

PAPER = paper("squeezenet")
DERIVED = paper("derived_checks")["squeezenet"]
TABLE1 = PAPER["table1_architecture"]
MACS = [row for row in DERIVED["macs"] if row.get("conv10_pad") != 1 and row.get("pooling") != "floor"]


def shaped(**arguments: Any) -> nn.Module:
    """A net without numbers: its shapes cost nothing to compute."""
    with torch.device("meta"):
        return SqueezeNet(**arguments).eval()


# The signature and the paper's Table 1


def test_the_defaults_are_the_papers_network() -> None:
    defaults = {name: p.default for name, p in inspect.signature(SqueezeNet).parameters.items()}
    assert list(defaults)[:4] == ["version", "bypass", "num_classes", "in_channels"]
    meta = PAPER["metaparameters"]["squeezenet"]
    assert defaults == {
        "version": "1.0",
        "bypass": "none",
        "num_classes": 1000,
        "in_channels": 3,
        "base_e": meta["base_e"],
        "incr_e": meta["incr_e"],
        "pct3x3": meta["pct3x3"],
        "freq": meta["freq"],
        "squeeze_ratio": meta["SR"],
        "stem": "paper",
        "dropout": PAPER["training_recipe"]["dropout_after_fire9"],
    }


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, 1_248_424),
        ({}, TABLE1["total_params_before"]),
        ({"bypass": "simple"}, DERIVED["params_v1_0"]),
        ({"bypass": "complex"}, 1_589_672),
        ({"bypass": "complex"}, DERIVED["params_complex_bypass"]),
        ({"version": "1.1"}, 1_235_496),
        ({"version": "1.1"}, DERIVED["params_v1_1"]),
        ({"num_classes": 10, "in_channels": 1}, 1_248_424 - 990 * 513 - 2 * 49 * 96),
    ],
)
def test_parameters(arguments: dict[str, Any], expected: int) -> None:
    assert count(shaped(**arguments)) == expected


def test_the_complex_bypass_in_mib_is_not_what_the_paper_prints() -> None:
    mib = count(shaped(bypass="complex")) * 4 / 2**20
    assert round(mib, 2) == DERIVED["complex_bypass_mib"]
    assert round(mib, 1) != DERIVED["complex_bypass_mib_printed"]


@pytest.mark.parametrize("row", TABLE1["rows"], ids=lambda row: row["layer"])
def test_each_row_of_table_1(row: dict[str, Any]) -> None:
    net = shaped()
    layer: Any = net.get_submodule(f"layers.{row['layer']}")
    assert maps(net.get_submodule("layers"), 227)[row["layer"]] == (row["out_c"], row["out_hw"], row["out_hw"])
    assert count(layer) == row.get("params_before", 0)
    if "s1x1" in row:
        widths = (layer.squeeze1x1.out_channels, layer.expand1x1.out_channels, layer.expand3x3.out_channels)
        assert widths == (row["s1x1"], row["e1x1"], row["e3x3"])
        assert (layer.expand1x1.kernel_size, layer.expand3x3.kernel_size) == ((1, 1), (3, 3))
    elif isinstance(layer, nn.Conv2d):
        assert (layer.kernel_size, layer.stride) == ((row["kernel"],) * 2, (row["stride"],) * 2)
    elif isinstance(layer, nn.MaxPool2d):
        assert (layer.kernel_size, layer.stride) == (row["kernel"], row["stride"])


def test_the_rows_of_table_1_are_all_layers_with_parameters() -> None:
    named = [name for name, layer in shaped().get_submodule("layers").named_children() if count(layer)]
    assert named == [row["layer"] for row in TABLE1["rows"] if "params_before" in row]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_the_pools_and_the_first_layer_of_each_version(version: str) -> None:
    net, facts = shaped(version=version), PAPER["v1_1"]
    suffix = version.replace(".", "_")
    conv1 = facts["conv1" if version == "1.1" else "conv1_v1_0"]
    layer: Any = net.get_submodule("layers.conv1")
    found = {"filters": layer.out_channels, "kernel": layer.kernel_size[0], "stride": layer.stride[0]}
    assert found == conv1
    names = [name for name, _ in net.get_submodule("layers").named_children()]
    assert [int(name.removeprefix("maxpool")) for name in names if name.startswith("maxpool")] == facts[
        f"pools_v{suffix}"
    ]


# Multiply-adds


@pytest.mark.parametrize("row", MACS, ids=lambda row: f"{row['version']} at {row['input']}")
def test_multiply_adds(row: dict[str, Any]) -> None:
    shape = (3, row["input"], row["input"])
    assert measure(SqueezeNet(version=row["version"]), shape)["macs"] == row["macs"]
    assert maps(shaped(version=row["version"]).get_submodule("layers"), row["input"])["conv10"][1] == row["conv10_hw"]


@pytest.mark.parametrize("bypass", ["none", "simple", "complex"])
@pytest.mark.parametrize(("version", "size"), [("1.0", 227), ("1.0", 224), ("1.1", 227)])
def test_multiply_adds_are_half_of_torchs_own_count(version: Any, bypass: Any, size: int) -> None:
    with FlopCounterMode(display=False) as counter:
        shaped(version=version, bypass=bypass)(torch.zeros(1, 3, size, size, device="meta"))
    measured = measure(SqueezeNet(version=version, bypass=bypass), (3, size, size))
    assert measured["macs"] == counter.get_total_flops() / 2


def test_there_are_four_published_counts_of_multiply_adds_to_meet() -> None:
    assert [row["macs"] for row in MACS] == [832_667_936, 818_924_576, 387_747_520, 349_151_936]


# Metaparameters


@pytest.mark.parametrize("row", DERIVED["figure3a"], ids=lambda row: f"SR {row['SR']}")
def test_figure_3a(row: dict[str, Any]) -> None:
    params = count(shaped(squeeze_ratio=row["SR"]))
    assert params == row["params"]
    assert params * 4 / 2**20 == pytest.approx(row["mib"], abs=0.006)


@pytest.mark.parametrize("row", DERIVED["figure3b_SR_0_5"], ids=lambda row: f"{row['pct3x3']} %")
def test_figure_3b(row: dict[str, Any]) -> None:
    assert count(shaped(squeeze_ratio=0.5, pct3x3=row["pct3x3"] / 100)) == row["params"]


@pytest.mark.parametrize(
    ("arguments", "expand"),
    [
        ((128, 128, 0.5, 2, 0.125), [128, 128, 256, 256, 384, 384, 512, 512]),
        ((64, 32, 0.5, 1, 0.25), [64, 96, 128, 160, 192, 224, 256, 288]),
        ((64, 100, 0.25, 3, 0.5), [64, 64, 64, 164, 164, 164, 264, 264]),
        ((32, 0, 0.5, 8, 1.0), [32] * 8),
    ],
)
def test_fire_widths_follow_section_5_1(arguments: tuple[int, int, float, int, float], expand: list[int]) -> None:
    pct3x3, ratio = arguments[2], arguments[4]
    widths = fire_widths(*arguments)
    assert [e1x1 + e3x3 for _, e1x1, e3x3 in widths] == expand
    assert [e3x3 for _, _, e3x3 in widths] == [pct3x3 * e for e in expand]
    assert [s1x1 for s1x1, _, _ in widths] == [ratio * e for e in expand]


# Two independent implementations


@pytest.mark.parametrize("size", [224, 161])
@pytest.mark.parametrize(("version", "theirs"), [("1.0", squeezenet1_0), ("1.1", squeezenet1_1)])
def test_same_outputs_as_torchvision(version: Any, theirs: Callable[[], nn.Module], size: int) -> None:
    ours = randomised(SqueezeNet(version=version))
    assert_same_outputs(ours, transplant(ours, theirs()), size)


# pytorchcv's FireUnit has a ReLU on each expand layer, then adds the identity, with none behind the sum: the order
# of the authors' released network, and ours. Its last pool is 13 x 13, so it takes 224 px alone.
@pytest.mark.parametrize(("version", "theirs"), [("1.0", squeezeresnet_v1_0), ("1.1", squeezeresnet_v1_1)])
def test_simple_bypass_has_the_outputs_of_pytorchcv(version: Any, theirs: Callable[[], nn.Module]) -> None:
    ours = randomised(SqueezeNet(version=version, bypass="simple"))
    assert_same_outputs(ours, transplant(ours, theirs()), 224)


@pytest.mark.parametrize("bypass", ["simple", "complex"])
def test_bypass_is_the_sum_around_torchvisions_fire_modules(bypass: Any) -> None:
    ours = randomised(SqueezeNet(bypass=bypass))
    plain = SqueezeNet()
    shortcuts: dict[str, nn.Module] = {}
    for name, layer in ours.get_submodule("layers").named_children():
        if isinstance(layer, Bypass):
            shortcuts[name] = layer.shortcut
            layer = layer.fire
        if count(layer):
            plain.get_submodule(f"layers.{name}").load_state_dict(layer.state_dict())
    theirs = transplant(plain, squeezenet1_0())
    fires = {3: "fire2", 4: "fire3", 5: "fire4", 7: "fire5", 8: "fire6", 9: "fire7", 10: "fire8", 12: "fire9"}

    def composed(x: Tensor) -> Tensor:
        for index, part in enumerate(theirs.get_submodule("features").children()):
            shortcut = shortcuts.get(fires.get(index, ""))
            x = part(x) if shortcut is None else part(x) + shortcut(x)
        return theirs.get_submodule("classifier")(x).flatten(1)

    assert_same_outputs(ours, composed, 127)


# Figure 2

SIMPLE = ["fire3", "fire5", "fire7", "fire9"]


def bypasses(net: nn.Module) -> dict[str, nn.Module]:
    layers = net.get_submodule("layers").named_children()
    return {name: layer.shortcut for name, layer in layers if isinstance(layer, Bypass)}


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_where_the_bypasses_are(version: str) -> None:
    assert bypasses(shaped(version=version)) == {}
    simple = bypasses(shaped(version=version, bypass="simple"))
    assert list(simple) == SIMPLE
    assert all(isinstance(shortcut, nn.Identity) for shortcut in simple.values())
    complex_ = bypasses(shaped(version=version, bypass="complex"))
    assert list(complex_) == [f"fire{index}" for index in range(2, 10)]
    assert all(isinstance(complex_[name], nn.Identity) for name in SIMPLE)


def test_complex_bypass_has_1x1_convolutions_of_the_papers_widths() -> None:
    found = {}
    for name, shortcut in bypasses(shaped(bypass="complex")).items():
        if isinstance(shortcut, nn.Conv2d):
            assert (shortcut.kernel_size, shortcut.stride, shortcut.padding) == ((1, 1), (1, 1), (0, 0))
            found[name] = f"{shortcut.in_channels}->{shortcut.out_channels}"
    assert list(found) == ["fire2", "fire4", "fire6", "fire8"]
    assert f"({', '.join(found.values())})" in PAPER["table3_bypass"]["bypass_definition"]["complex"]


def test_a_bypass_around_a_silent_fire_module_passes_its_input_on() -> None:
    net = SqueezeNet(bypass="simple")
    fire3 = net.get_submodule("layers.fire3")
    for parameter in fire3.parameters():
        nn.init.zeros_(parameter)
    x = torch.randn(1, 128, 5, 5)
    assert torch.equal(fire3(x), x)  # negative numbers too: no ReLU behind the sum


# Initialisation


@pytest.mark.parametrize("bypass", ["none", "complex"])
def test_the_authors_initialisation(bypass: Any) -> None:
    torch.manual_seed(0)
    net = SqueezeNet(bypass=bypass)
    for name, module in net.named_modules():
        if not isinstance(module, nn.Conv2d):
            continue
        assert module.bias is not None
        assert not module.bias.any(), name
        weight, n = module.weight.detach(), module.weight.numel()
        if name.endswith("conv10"):
            assert PAPER["training_recipe"]["conv10_init"] == {"type": "gaussian", "std": 0.01}
            assert float(weight.std()) == pytest.approx(0.01, rel=5 / (2 * n) ** 0.5)
            assert abs(float(weight.mean())) < 5 * 0.01 / n**0.5
            assert float(weight.abs().max()) > 0.03  # no uniform distribution reaches three deviations
            continue
        limit = (3 / weight[0].numel()) ** 0.5  # Caffe's xavier: variance 1 / fan_in
        assert 0.98 * limit < float(weight.abs().max()) <= limit, name
        assert float(weight.var()) == pytest.approx(1 / weight[0].numel(), rel=5 * (0.8 / n) ** 0.5), name


def test_weights_follow_the_seed() -> None:
    def made(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return torch.cat([parameter.detach().flatten() for parameter in SqueezeNet(num_classes=10).parameters()])

    assert torch.equal(made(1), made(1))
    assert not torch.equal(made(1), made(2))


# Small images


@pytest.mark.parametrize(
    ("stem", "size", "expected"),
    [("small", 28, [14, 7, 3, 1]), ("paper", 32, [13, 6, 3, 1]), ("paper", 227, [111, 55, 27, 13])],
)
def test_map_sizes_of_the_stems(stem: Any, size: int, expected: list[int]) -> None:
    found = maps(shaped(stem=stem).get_submodule("layers"), size)
    assert [found[name][1] for name in ("conv1", "maxpool1", "maxpool4", "maxpool8")] == expected


def test_the_small_stem_pads_the_first_layer_of_version_1_1_too() -> None:
    assert maps(shaped(version="1.1", stem="small").get_submodule("layers"), 28)["conv1"] == (64, 14, 14)


def test_logits_of_small_grey_images() -> None:
    net = shaped(num_classes=10, in_channels=1)
    assert net(torch.zeros(3, 1, 32, 32, device="meta")).shape == (3, 10)


def test_dropout_is_the_share_asked_for() -> None:
    dropout: Any = shaped(dropout=0.3).get_submodule("layers.dropout9")
    assert dropout.p == 0.3


# Mistakes


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("version", "2.0"),
        ("version", 1.1),
        ("bypass", "both"),
        ("stem", "tiny"),
        ("freq", 0),
        ("freq", -1),
        ("base_e", 0),
        ("base_e", -128),
        ("incr_e", -128),
        ("pct3x3", 0.0),
        ("pct3x3", 1.0),
        ("pct3x3", 1.5),
        ("pct3x3", -0.5),
        ("pct3x3", float("nan")),
        ("squeeze_ratio", 0.0),
        ("squeeze_ratio", -0.125),
        ("squeeze_ratio", float("nan")),
        ("squeeze_ratio", float("inf")),
        ("dropout", 1.5),
        ("dropout", -0.1),
        ("num_classes", 0),
        ("in_channels", 0),
    ],
)
def test_a_wrong_argument_is_named(field: str, value: Any) -> None:
    with pytest.raises(UserError, match=field) as raised:
        SqueezeNet(**{field: value})
    assert "\n" not in str(raised.value)
