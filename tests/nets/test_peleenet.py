"""PeleeNet against the paper's tables, the authors' choices and two independent implementations."""

from typing import Any

import pytest
import torch
from pytorchcv.models.peleenet import peleenet
from torch import Tensor, nn
from torchvision.models import DenseNet

from lightning_modules.complexity import measure
from lightning_modules.errors import UserError
from lightning_modules.nets import PeleeNet
from lightning_modules.nets.blocks import PointwiseConv2d
from lightning_modules.nets.peleenet import DEEPER, SHALLOWER, DenseLayer
from tests.nets.against import assert_same_outputs, count, macs, paper, randomised, transplant

PAPER = paper("peleenet")
DERIVED = paper("derived_checks")["peleenet"]
TABLE1 = PAPER["table1_architecture"]
CHOICES = ("no_compression", "post_activation", "dynamic_bottleneck", "stem_block", "two_way", "deeper")
ABLATION = [{choice: row[choice] for choice in CHOICES} for row in PAPER["table2_ablation_dogs"]["rows"]]
BASELINE = ABLATION[0]


def shaped(**arguments: Any) -> nn.Module:
    """A net without numbers: its shapes cost nothing to compute."""
    with torch.device("meta"):
        return PeleeNet(**arguments).eval()


def maps(net: nn.Module, size: int, channels: int = 3) -> dict[str, tuple[int, ...]]:
    """The shape that each convolution, pool and dense layer makes of one image."""
    found: dict[str, tuple[int, ...]] = {}
    for name, module in net.named_modules():
        module.register_forward_hook(
            lambda module, inputs, output, name=name: found.__setitem__(name, tuple(output.shape[1:]))
        )
    net(torch.zeros(1, channels, size, size, device=next(net.parameters()).device))
    return {name.removeprefix("layers."): shape for name, shape in found.items()}


def costs(net: nn.Module, size: int = 224) -> dict[str, int]:
    """Multiply-adds by part, from the shapes of the convolutions' outputs."""
    found = maps(net, size)
    costs: dict[str, int] = {}
    for name, module in net.named_modules():
        name = name.removeprefix("layers.")
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            positions = found[name][1] * found[name][2] if isinstance(module, nn.Conv2d) else 1
            part = name.split(".")[0]
            costs[part] = costs.get(part, 0) + module.weight.numel() * positions
    return costs


# The paper's network


def test_parameters_and_multiply_adds() -> None:
    net = shaped()
    assert count(net) == DERIVED["params"]
    assert macs(net, 3, 224) / 1e6 == pytest.approx(DERIVED["mmacs"], abs=0.005)
    printed = next(row for row in PAPER["table3_imagenet"]["rows"] if row["model"] == "PeleeNet")
    assert round(macs(net, 3, 224) / 1e6) == printed["mflops"]
    assert round(count(net) / 1e6, 1) == printed["params_m"]


def test_both_counters_agree() -> None:
    net = PeleeNet(growth_rate=8, num_classes=10)
    assert measure(net, (3, 32, 32))["macs"] == macs(net, 3, 32) == sum(costs(net, 32).values())


def test_table_1() -> None:
    net = shaped()
    found = maps(net, 224)
    for row in TABLE1["stem"]:
        if row.get("op") == "conv":
            layer = net.get_submodule(f"layers.stem.{row['name']}")[0]  # type: ignore[index]
            assert layer.kernel_size == (row["kernel"],) * 2
            assert layer.stride == (row["stride"],) * 2
            assert found[f"stem.{row['name']}"] == (row["out_c"], row["out_hw"], row["out_hw"])
    pool = next(row for row in TABLE1["stem"] if row["name"] == "pool")
    assert found["stem.pool"] == (32, pool["out_hw"], pool["out_hw"])
    for row in TABLE1["stages"]:
        assert found[f"transition{row['stage']}"] == (row["out_c"], row["out_hw"], row["out_hw"])
        layers = [name for name in found if name.startswith(f"stage{row['stage']}_dense") and "." not in name]
        assert len(layers) == row["dense_layers"]


@pytest.mark.parametrize("stage", [1, 2, 3, 4])
def test_a_dense_layer_has_two_ways_of_the_stages_bottleneck(stage: int) -> None:
    k, factor = TABLE1["growth_rate"], TABLE1["bottleneck_width"][stage - 1]
    net = shaped()
    for layer in range(1, TABLE1["dense_layers"][stage - 1] + 1):
        branches = net.get_submodule(f"layers.stage{stage}_dense{layer}.branches")
        ways = [[m for m in branch.modules() if isinstance(m, nn.Conv2d)] for branch in branches.children()]
        assert [[c.kernel_size[0] for c in way] for way in ways] == [[1, 3], [1, 3, 3]]
        assert [[c.out_channels for c in way] for way in ways] == [
            [factor * k // 2, k // 2],
            [factor * k // 2] + [k // 2] * 2,
        ]


def test_the_default_switches_are_the_papers() -> None:
    assert ABLATION[-1] == dict.fromkeys(CHOICES, True)
    assert count(shaped(**ABLATION[-1])) == count(shaped())
    assert list(DEEPER) == TABLE1["dense_layers"]
    dropout: Any = shaped().get_submodule("layers.dropout")
    assert dropout.p == TABLE1["dropout_in_code"]


# pytorchcv concatenates the stem's convolutions before its pool, the authors' code the pool first: the same net with the
# inputs of stem3 in another order.
def test_same_outputs_as_pytorchcv() -> None:
    ours = randomised(PeleeNet())
    theirs = transplant(ours, peleenet())
    stem3 = theirs.get_submodule("features.init_block.last_conv.conv")
    assert isinstance(stem3, nn.Conv2d)
    with torch.no_grad():
        stem3.weight.copy_(stem3.weight.roll(32, dims=1))
    assert_same_outputs(ours, theirs)


# The ablation


def test_the_baseline_is_a_densenet_of_41_layers() -> None:
    assert dict.fromkeys(CHOICES, False) == BASELINE
    weighted = [m for m in shaped(**BASELINE).modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert len(weighted) == 41


def test_the_baseline_has_the_outputs_of_torchvisions_densenet() -> None:
    ours = randomised(PeleeNet(**BASELINE))
    theirs = DenseNet(growth_rate=32, block_config=SHALLOWER, num_init_features=24, bn_size=4)  # type: ignore[arg-type]
    theirs.features.conv0 = nn.Conv2d(3, 24, kernel_size=3, stride=2, padding=1, bias=False)
    assert_same_outputs(ours, transplant(ours, theirs))


def test_the_layers_of_the_baseline_are_those_of_figure_3() -> None:
    """It gives them away by the cost of the first four and by what their saving is of the whole network on dogs."""
    figure = PAPER["figure3_dynamic_bottleneck"]
    cost = figure["cost_first_4_layers"]
    uncompressed = {**BASELINE, "no_compression": True}
    by_layer = costs(shaped(**uncompressed))
    first = [value for name, value in by_layer.items() if "_dense" in name][:4]
    assert round(sum(first) / 1e6) == cost["fixed_4x"]
    whole = sum(costs(shaped(**{**uncompressed, "post_activation": True}, num_classes=120)).values()) / 1e6
    saved = 100 * (cost["fixed_4x"] - cost["dynamic"]) / whole
    assert saved == pytest.approx(figure["saving_pct_whole_network"], abs=0.05)


def test_each_choice_changes_what_it_says() -> None:
    found = {choice: shaped(**{**BASELINE, choice: True}) for choice in CHOICES}
    plain = maps(shaped(**BASELINE), 224)
    changed = {choice: maps(net, 224) for choice, net in found.items()}
    assert [plain[f"transition{stage}"][0] for stage in (1, 2, 3)] == [44, 70, 163]
    assert [changed["no_compression"][f"transition{stage}"][0] for stage in (1, 2, 3)] == [88, 184, 440]
    assert [type(m) for m in found["post_activation"].get_submodule("layers.transition1.0").children()] == [
        PointwiseConv2d, nn.BatchNorm2d, nn.ReLU,
    ]  # fmt: skip
    assert isinstance(found["post_activation"].get_submodule("layers.transition4.0"), nn.Conv2d)
    widths = {
        layer: changed["dynamic_bottleneck"][f"{layer}.branches.0.0"][0] for layer in ("stage1_dense1", "stage4_dense5")
    }
    assert widths == {"stage1_dense1": 24, "stage4_dense5": 128}
    assert plain["stage1_dense1.branches.0.0"][0] == 128
    assert plain["stem"] == (24, 56, 56)
    assert changed["stem_block"]["stem"] == (32, 56, 56)
    assert "stage1_dense1.branches.1" in changed["two_way"]
    assert sum(DEEPER) - sum(SHALLOWER) == 3
    assert changed["two_way"]["stage1_dense1"] == plain["stage1_dense1"] == (56, 56, 56)


def test_a_bottleneck_is_never_wider_than_its_input() -> None:
    for row in ABLATION:
        if row["dynamic_bottleneck"]:
            for module in shaped(**row).modules():
                if isinstance(module, DenseLayer):
                    firsts = [
                        next(m for m in branch.modules() if isinstance(m, nn.Conv2d)) for branch in module.branches
                    ]
                    assert sum(conv.out_channels for conv in firsts) <= firsts[0].in_channels


@pytest.mark.parametrize("row", [ABLATION[0], ABLATION[-1]], ids=["DenseNet-41", "PeleeNet"])
def test_half_the_growth_rate_is_half_the_width_everywhere(row: dict[str, bool]) -> None:
    full, half = (
        [conv.out_channels for conv in shaped(growth_rate=k, **row).modules() if isinstance(conv, nn.Conv2d)]
        for k in (32, 16)
    )
    assert half == [channels // 2 for channels in full]


def test_the_ablation_ends_cheaper_than_it_began() -> None:
    """Section 2.2: with a lower computational cost than DenseNet-41."""
    assert sum(costs(shaped()).values()) < sum(costs(shaped(**BASELINE)).values())


# Initialisation, small images, mistakes


def test_the_authors_initialisation() -> None:
    torch.manual_seed(0)
    net = PeleeNet()
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.out_channels * module.kernel_size[0] ** 2
            n = module.weight.numel()
            assert float(module.weight.detach().std()) == pytest.approx((2 / fan_out) ** 0.5, rel=5 / (2 * n) ** 0.5), (
                name
            )
        elif isinstance(module, nn.Linear):
            assert float(module.weight.detach().std()) == pytest.approx(0.01, rel=0.01)
            assert not module.bias.any()


@pytest.mark.parametrize("row", ABLATION, ids=lambda row: "+".join(c for c in CHOICES if row[c]) or "DenseNet-41")
def test_a_gradient_reaches_every_parameter(row: dict[str, bool]) -> None:
    net = PeleeNet(growth_rate=8, num_classes=7, in_channels=1, **row)
    logits: Tensor = net(torch.randn(3, 1, 64, 64))
    assert logits.shape == (3, 7)
    logits.square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


@pytest.mark.parametrize(("stem", "size"), [("paper", [16, 8, 8, 4, 2, 1, 1]), ("small", [32, 16, 16, 8, 4, 2, 2])])
@pytest.mark.parametrize("stem_block", [True, False])
def test_map_sizes_at_32_px(stem: Any, size: list[int], stem_block: bool) -> None:
    found = maps(shaped(stem=stem, stem_block=stem_block, in_channels=1), 32, channels=1)
    first = "stem.stem1" if stem_block else "stem.0"
    names = [first, "stem", "stage1_dense3", "transition1", "transition2", "transition3", "transition4"]
    assert [found[name][1] for name in names] == size


def test_odd_maps_fit_together() -> None:
    assert maps(shaped(), 225)["stem"] == (32, 57, 57)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("growth_rate", 0),
        ("growth_rate", -32),
        ("growth_rate", 30),
        ("stem", "tiny"),
        ("dropout", 1.0),
        ("dropout", float("nan")),
        ("num_classes", 0),
        ("in_channels", 0),
    ],
)
def test_a_wrong_argument_is_named(field: str, value: Any) -> None:
    with pytest.raises(UserError, match=field) as raised:
        PeleeNet(**{field: value})
    assert "\n" not in str(raised.value)
