"""ShuffleNet V1 against the paper's numbers, the authors' repository and pytorchcv."""

from functools import cache
from typing import Any

import pytest
import torch
from pytorchcv.models import shufflenet as peer
from torch import Tensor, nn

from lightning_modules.complexity import measure
from lightning_modules.errors import UserError
from lightning_modules.nets import ShuffleNetV1
from lightning_modules.nets.shufflenet_v1 import ShuffleUnit, bottleneck, conv1_channels, stage_channels
from tests.nets.against import assert_same_outputs, count, macs, maps, paper, randomised, settled, transplant

PAPER = paper("shufflenet_v1")
DERIVED = paper("derived_checks")["shufflenet_v1"]
TABLE1 = PAPER["table1_architecture"]
REPOSITORY = PAPER["author_repo_results"]
GROUPS = [row["g"] for row in TABLE1["rows"]]
STAGES = ("stage2", "stage3", "stage4")


def shaped(**arguments: Any) -> nn.Module:
    """A net without numbers: its shapes cost nothing to compute."""
    with torch.device("meta"):
        return ShuffleNetV1(**arguments).eval()


def units(net: nn.Module) -> list[ShuffleUnit]:
    return [module for module in net.modules() if isinstance(module, ShuffleUnit)]


@cache
def cost(groups: int, scale: float) -> tuple[int, int, int]:
    """Parameters, multiply-adds, and multiply-adds without those of the classifier."""
    net: Any = shaped(groups=groups, scale=scale)
    whole = macs(net, 3, 224)
    return count(net), whole, whole - net.fc.weight.numel()


# Table 1


@pytest.mark.parametrize("row", TABLE1["rows"], ids=lambda row: f"g={row['g']}")
def test_each_column_of_table_1(row: dict[str, Any]) -> None:
    net = shaped(groups=row["g"])
    found = maps(net, 224)
    for stage in STAGES:
        hw = TABLE1["stages"][stage]["out_hw"]
        assert found[stage] == (row[f"{stage}_c"], hw, hw)
    stem = TABLE1["stem"]
    assert found["conv1"] == (stem["conv1"]["out_c"], stem["conv1"]["out_hw"], stem["conv1"]["out_hw"])
    assert found["maxpool"][1] == stem["maxpool"]["out_hw"]
    assert [len(list(net.get_submodule(stage).children())) for stage in STAGES] == TABLE1["units_per_stage"]


@pytest.mark.parametrize("groups", GROUPS)
def test_the_first_pointwise_convolution_alone_is_not_grouped(groups: int) -> None:
    found = units(shaped(groups=groups))
    assert PAPER["unit_rules"]["stage2_first_pointwise_grouped"] is False
    assert [unit.gconv1.groups for unit in found] == [1] + [groups] * 15
    assert [unit.gconv2.groups for unit in found] == [groups] * 16


@pytest.mark.parametrize("groups", GROUPS)
def test_the_bottleneck_is_a_quarter_of_the_units_output(groups: int) -> None:
    for unit in units(shaped(groups=groups)):
        out = unit.gconv2.out_channels + (unit.gconv1.in_channels if unit.avgpool else 0)
        assert unit.gconv1.out_channels == PAPER["unit_rules"]["bottleneck_ratio"] * out
        assert unit.dwconv.groups == unit.dwconv.in_channels == unit.gconv1.out_channels


@pytest.mark.parametrize(("channels", "groups", "expected"), [(136, 4, 36), (50, 2, 12), (68, 4, 16), (12, 8, 8)])
def test_a_quarter_that_the_groups_do_not_divide_becomes_their_nearest_multiple(
    channels: int, groups: int, expected: int
) -> None:
    assert bottleneck(channels, groups) == expected


# Parameters and multiply-adds


@pytest.mark.parametrize("row", DERIVED["rows_1x"], ids=lambda row: f"g={row['g']}")
def test_cost_at_1x(row: dict[str, Any]) -> None:
    params, whole, without_fc = cost(row["g"], 1.0)
    assert params == row["params"]
    assert round(whole / 1e6, 2) == row["mmacs_with_fc"]
    assert round(without_fc / 1e6, 2) == row["mmacs_without_fc"]
    printed = next(printed["mflops"] for printed in TABLE1["rows"] if printed["g"] == row["g"])
    assert abs(without_fc / 1e6 - printed) <= 0.505  # to the unit; Table 1 is without the classifier (D19)


@pytest.mark.parametrize(
    "row",
    [row for row in DERIVED["rows_other"] if row["g"] == 3 and row["conv1"] == conv1_channels(3, row["scale"])],
    ids=lambda row: f"{row['scale']}x",
)
def test_cost_at_other_scales(row: dict[str, Any]) -> None:
    """The two other rows of 3 groups scale conv1 uniformly, which misses the paper's count: D20."""
    params, whole, without_fc = cost(3, row["scale"])
    assert params == row.get("params", params)
    if "mmacs_without_fc" in row:
        assert round(without_fc / 1e6, 2) == row["mmacs_without_fc"]
        assert round(without_fc / 1e6) == row["printed"]
    else:
        assert round(whole / 1e6, 2) == row["mmacs"]
        assert round(whole / 1e6) == row["printed"]


def test_the_derived_net_of_4_groups_has_a_bottleneck_that_they_do_not_divide() -> None:
    """At 0.5x a quarter of stage 2 is 34 channels; ours are 36."""
    row = next(row for row in DERIVED["rows_other"] if row["g"] == 4)
    per_channel = 56 * 56 * 12 + 28 * 28 * (9 + (136 - 12) / 4) + 3 * 28 * 28 * (136 / 4 + 9 + 136 / 4)
    assert round((cost(4, 0.5)[1] - 2 * per_channel) / 1e6, 2) == row["mmacs"]


def test_the_derived_net_of_8_groups_has_12_filters_in_conv1_and_leaves_180_to_them() -> None:
    """The authors' code has 16, as ours."""
    row = next(row for row in DERIVED["rows_other"] if row["g"] == 8)
    params, whole, _ = cost(8, 0.5)
    extra, middle = REPOSITORY["channels"]["g8"]["0.5x"][0] - row["conv1"], 48
    residual = middle // 8  # of the first unit: a filter less for each that conv1 has more
    assert params - extra * (27 + 2 + middle - residual - 2) == row["params"]
    more = 112 * 112 * 27 + 56 * 56 * middle - 28 * 28 * residual
    assert round((whole - extra * more) / 1e6, 2) == row["mmacs"]


@pytest.mark.parametrize("row", REPOSITORY["rows"], ids=lambda row: row["model"])
def test_the_nets_of_the_authors_repository(row: dict[str, Any]) -> None:
    name, g = row["model"].split(" g=")
    groups, scale = int(g), float(name.removesuffix("x"))
    channels = REPOSITORY["channels"][f"g{g}"][name]
    assert [conv1_channels(groups, scale), *stage_channels(groups, scale)] == channels
    params, whole, _ = cost(groups, scale)
    assert PAPER["training_recipe"]["author_code"]["fc_bias"] is False
    assert round((params - 1000) / 1e6, 1) == row["params_m"]
    assert abs(whole / 1e6 - row["mflops"]) < 0.55  # to the unit; 138 of 1.0x g=3 is 137.46


@pytest.mark.parametrize("groups", GROUPS)
@pytest.mark.parametrize(("scale", "mflops"), [(row["scale"], row["mflops"]) for row in PAPER["table2_groups"]["rows"]])
def test_every_net_of_table_2_costs_about_what_it_prints(groups: int, scale: float, mflops: int) -> None:
    """One figure for all groups: D19. The largest distances are those of 8 groups, whose conv1 can't have 12 filters."""
    assert cost(groups, scale)[1] / 1e6 == pytest.approx(mflops, rel=0.07)


def test_parameters_of_the_independent_implementation() -> None:
    peers = {row["model"]: row["params"] for row in paper("peers")["pytorchcv"]["rows"]}
    for groups in GROUPS:
        assert cost(groups, 1.0)[0] == peers[f"ShuffleNet x1.0 (g={groups})"]
    for groups in (1, 3):
        assert cost(groups, 0.5)[0] == peers[f"ShuffleNet x0.5 (g={groups})"]


@pytest.mark.parametrize("groups", [3, 8])
def test_shuffling_costs_nothing(groups: int) -> None:
    net = shaped(groups=groups, scale=0.25, shuffle=False)
    assert (count(net), macs(net, 3, 224)) == cost(groups, 0.25)[:2]


@pytest.mark.parametrize("groups", [1, 8])
def test_both_counters_agree(groups: int) -> None:
    assert measure(ShuffleNetV1(groups=groups, scale=0.25), (3, 224, 224))["macs"] == cost(groups, 0.25)[1]


# An independent implementation

# pytorchcv scales conv1 too (6 filters at 0.25x) and cuts a quarter's fraction off, so the nets where its groups then
# divide no bottleneck can't be built there. It gets our conv1 here.
NETS = [(g, 1.0) for g in GROUPS] + [(1, 0.25), (3, 0.25), (8, 0.25), (3, 0.5), (8, 0.5), (3, 1.5), (8, 2.0)]


@pytest.mark.parametrize(("groups", "scale"), NETS)
def test_same_outputs_as_pytorchcv(groups: int, scale: float) -> None:
    ours = settled(ShuffleNetV1(groups=groups, scale=scale))
    widths = zip(stage_channels(groups, scale), TABLE1["units_per_stage"], strict=True)
    theirs = peer.ShuffleNet([[width] * number for width, number in widths], conv1_channels(groups, scale), groups)
    assert_same_outputs(ours, transplant(ours, theirs))


@pytest.mark.parametrize(
    ("name", "groups", "scale"),
    [
        *((f"shufflenet_g{g}_w1", g, 1.0) for g in GROUPS),
        ("shufflenet_g1_wd2", 1, 0.5),
        ("shufflenet_g3_wd2", 3, 0.5),
    ],
)
def test_its_ready_nets_have_our_layers(name: str, groups: int, scale: float) -> None:
    with torch.device("meta"):
        theirs = getattr(peer, name)()
    ours = shaped(groups=groups, scale=scale)
    assert [p.shape for p in ours.parameters()] == [p.shape for p in theirs.parameters()]


@pytest.mark.parametrize("groups", [3, 8])
def test_without_shuffle_it_is_pytorchcvs_net_without_its_shuffles(groups: int) -> None:
    ours = settled(ShuffleNetV1(groups=groups, shuffle=False))
    theirs = transplant(ours, getattr(peer, f"shufflenet_g{groups}_w1")())
    for module in theirs.modules():
        if isinstance(module, peer.ShuffleUnit):
            module.add_module("c_shuffle", nn.Identity())
    assert_same_outputs(ours, theirs)


# The shuffle


def test_the_authors_shuffle_behind_the_depthwise_convolution_is_the_papers_with_its_filters_renumbered() -> None:
    """D21: theirs and ours are one function of differently numbered filters."""
    groups = 3
    ours: Any = randomised(ShuffleUnit(60, 60, 1, groups, groups, shuffle=True))
    x = torch.randn(2, 60, 6, 6, generator=torch.Generator().manual_seed(0))
    order = torch.arange(15).view(groups, -1).t().flatten()  # where the shuffle takes each channel from
    with torch.no_grad():
        expected = ours(x)
        y = torch.relu(ours.bn1(ours.gconv1(x)))
        for tensor in (*ours.dwconv.parameters(), *ours.bn2.parameters(), *ours.bn2.buffers()):
            if tensor.dim():
                tensor[order] = tensor.clone()
        y = ours.bn2(ours.dwconv(y))[:, order]
        assert torch.allclose(torch.relu(x + ours.bn3(ours.gconv2(y))), expected, atol=1e-6)


@pytest.mark.parametrize("shuffle", [True, False])
def test_without_shuffle_a_group_sees_its_own_channels_alone(shuffle: bool) -> None:
    unit = randomised(ShuffleUnit(48, 48, 1, 3, 3, shuffle))
    x = torch.randn(1, 48, 5, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (unit(x) - x).pow(2)[:, :16].sum().backward()
    assert isinstance(x.grad, Tensor)
    assert bool(x.grad[:, 16:].any()) is shuffle


# Initialisation, training, small images


def test_the_authors_initialisation() -> None:
    torch.manual_seed(0)
    net = ShuffleNetV1(groups=2)
    for name, module in net.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            assert torch.all(module.weight == 1), name
            assert torch.all(module.bias == 0.0001), name
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            weight = module.weight.detach()
            std = 0.01 if name in ("conv1.0", "fc") else 1 / weight.shape[1]
            assert float(weight.std()) == pytest.approx(std, rel=5 / (2 * weight.numel()) ** 0.5), name
    assert not net.fc.bias.any()


def test_weights_follow_the_seed() -> None:
    def made(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return ShuffleNetV1(scale=0.25, num_classes=10).stage3[0].gconv1.weight

    assert torch.equal(made(1), made(1))
    assert not torch.equal(made(1), made(2))


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_gradient_reaches_every_parameter(shuffle: bool) -> None:
    torch.manual_seed(0)
    net = ShuffleNetV1(groups=8, scale=0.25, shuffle=shuffle, num_classes=10, in_channels=1, stem="small")
    net(torch.randn(4, 1, 32, 32)).logsumexp(1).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


@pytest.mark.parametrize(
    ("stem", "size", "expected"),
    [("small", 32, [32, 16, 8, 4, 2]), ("paper", 32, [16, 8, 4, 2, 1]), ("paper", 224, [112, 56, 28, 14, 7])],
)
def test_map_sizes_of_the_stems(stem: str, size: int, expected: list[int]) -> None:
    found = maps(shaped(stem=stem), size)
    assert [found[name][1] for name in ("conv1", "maxpool", *STAGES)] == expected


def test_other_classes_and_channels() -> None:
    net = shaped(num_classes=10, in_channels=1)
    assert net(torch.zeros(3, 1, 32, 32, device="meta")).shape == (3, 10)


# Mistakes


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("groups", 5),
        ("groups", 0),
        ("groups", -3),
        ("groups", 2.5),
        ("scale", 0.0),
        ("scale", -1.0),
        ("scale", float("nan")),
        ("scale", float("inf")),
        ("scale", 0.33),
        ("scale", 0.05),
        ("shuffle", "no"),
        ("stem", "tiny"),
        ("num_classes", 0),
        ("in_channels", 0),
    ],
)
def test_a_wrong_argument_is_named(field: str, value: Any) -> None:
    with pytest.raises(UserError, match=field) as raised:
        ShuffleNetV1(**{field: value})
    assert "\n" not in str(raised.value)


def test_groups_that_do_not_divide_a_stage_are_told_what_to_do() -> None:
    with pytest.raises(
        UserError, match=r"arch.scale=0.55: stage2 would have 211.2 .* arch.groups=8; the paper's scales"
    ):
        ShuffleNetV1(groups=8, scale=0.55)
    with pytest.raises(UserError, match=r"arch.scale=0.02: stage2 would have 4.8 channels"):
        ShuffleNetV1(groups=3, scale=0.02)
    assert stage_channels(8, 0.375) == [144, 288, 576]
