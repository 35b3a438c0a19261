"""ShuffleNet V2 against the paper's numbers, the authors' repository and torchvision."""

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from lightning_modules.complexity import measure
from lightning_modules.errors import UserError
from lightning_modules.nets import ShuffleNetV2
from lightning_modules.nets.shufflenet_v2 import ShuffleUnit
from tests.nets.against import assert_same_outputs, count, macs, maps, paper, randomised, settled, transplant

PAPER = paper("shufflenet_v2")
DERIVED = paper("derived_checks")["shufflenet_v2"]["rows"]
TABLE5 = PAPER["table5_architecture"]
SCALES = [row["scale"] for row in TABLE5["rows"]]
STAGES = ("stage2", "stage3", "stage4")


def shaped(**arguments: Any) -> nn.Module:
    """A net without numbers: its shapes cost nothing to compute."""
    with torch.device("meta"):
        return ShuffleNetV2(**arguments).eval()


@cache
def cost(scale: float) -> tuple[int, int]:
    """Parameters and multiply-adds."""
    net = shaped(scale=scale)
    return count(net), macs(net, 3, 224)


# Table 5


@pytest.mark.parametrize("row", TABLE5["rows"], ids=lambda row: f"{row['scale']}x")
def test_each_column_of_table_5(row: dict[str, Any]) -> None:
    net = shaped(scale=row["scale"])
    found = maps(net, 224)
    stem = TABLE5["stem"]
    assert found["conv1"] == (stem["conv1"]["out_c"], stem["conv1"]["out_hw"], stem["conv1"]["out_hw"])
    assert found["maxpool"][1] == stem["maxpool"]["out_hw"]
    assert [found[stage] for stage in STAGES] == [
        (row[f"{stage}_c"], hw, hw) for stage, hw in zip(STAGES, (28, 14, 7), strict=True)
    ]
    assert found["conv5"][0] == row["conv5_c"]
    assert [len(list(net.get_submodule(stage).children())) for stage in STAGES] == TABLE5["units_per_stage"]


def test_half_of_the_channels_passes_a_unit_unchanged_and_is_shuffled() -> None:
    assert (TABLE5["split"], TABLE5["shuffle_groups"]) == (0.5, 2)
    unit = randomised(ShuffleUnit(8, 8, stride=1))
    x = torch.randn(1, 8, 5, 5, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(unit(x)[:, 0::2], x[:, :4])
        assert not torch.isclose(unit(x)[:, 1::2], x[:, 4:]).any()


# Parameters and multiply-adds


@pytest.mark.parametrize("row", DERIVED, ids=lambda row: f"{row['scale']}x")
def test_cost(row: dict[str, Any]) -> None:
    """What the paper prints is 0.8 to 1.3 percent above the count of its convolutions: D23."""
    params, multiply_adds = cost(row["scale"])
    assert params == row["params"]
    assert round(params / 1e6, 1) == row["printed_params_m"]
    assert round(multiply_adds / 1e6, 2) == row["mmacs"]
    assert 1.007 < row["printed_mmacs"] / (multiply_adds / 1e6) < 1.014
    printed = next(printed for printed in TABLE5["rows"] if printed["scale"] == row["scale"])
    assert (printed["mflops"], printed["params_m"]) == (row["printed_mmacs"], row["printed_params_m"])


@pytest.mark.parametrize(
    "row",
    [row for row in paper("peers")["torchvision"]["rows"] if row["model"].startswith("ShuffleNet_V2")],
    ids=lambda row: row["model"],
)
def test_cost_that_torchvision_publishes(row: dict[str, Any]) -> None:
    params, multiply_adds = cost(float(row["model"].removeprefix("ShuffleNet_V2_X").replace("_", ".")))
    assert params == row["params"]
    assert round(multiply_adds / 1e9, 3) == row["gmacs"]


def test_parameters_of_pytorchcv_where_its_channels_are_the_papers() -> None:
    """Its 1.5x and 2x have others (D25)."""
    peers = {row["model"]: row["params"] for row in paper("peers")["pytorchcv"]["rows"]}
    assert [cost(scale)[0] == peers[f"ShuffleNetV2 x{scale}"] for scale in SCALES] == [True, True, False, False]


@pytest.mark.parametrize("row", PAPER["author_repo_results"]["rows"], ids=lambda row: f"{row['scale']}x")
def test_parameters_of_the_authors_repository(row: dict[str, Any]) -> None:
    assert PAPER["training_recipe"]["fc_bias_in_code"] is False
    assert round((cost(row["scale"])[0] - 1000) / 1e6, 1) == row["params_m"]


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_both_counters_agree(scale: float) -> None:
    assert measure(ShuffleNetV2(scale=scale), (3, 224, 224))["macs"] == cost(scale)[1]


# An independent implementation


@pytest.mark.parametrize("scale", SCALES)
def test_same_outputs_as_torchvision(scale: float) -> None:
    ours = settled(ShuffleNetV2(scale=scale))
    theirs = getattr(models, f"shufflenet_v2_x{scale}".replace(".", "_"))()
    assert_same_outputs(ours, transplant(ours, theirs))


# Initialisation, training, small images


def test_the_authors_initialisation() -> None:
    torch.manual_seed(0)
    net = ShuffleNetV2()
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
        return ShuffleNetV2(scale=0.5, num_classes=10).fc.weight

    assert torch.equal(made(1), made(1))
    assert not torch.equal(made(1), made(2))


def test_a_gradient_reaches_every_parameter() -> None:
    torch.manual_seed(0)
    net = ShuffleNetV2(scale=0.5, num_classes=10, in_channels=1, stem="small")
    net(torch.randn(4, 1, 32, 32)).logsumexp(1).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


@pytest.mark.parametrize(
    ("stem", "size", "expected"),
    [("small", 32, [32, 16, 8, 4, 2]), ("paper", 32, [16, 8, 4, 2, 1]), ("paper", 224, [112, 56, 28, 14, 7])],
)
def test_map_sizes_of_the_stems(stem: str, size: int, expected: list[int]) -> None:
    found = maps(shaped(scale=0.5, stem=stem), size)
    assert [found[name][1] for name in ("conv1", "maxpool", *STAGES)] == expected


def test_other_classes_and_channels() -> None:
    net = shaped(num_classes=10, in_channels=1)
    assert net(torch.zeros(3, 1, 32, 32, device="meta")).shape == (3, 10)


# Mistakes


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("scale", 0.0),
        ("scale", -1.0),
        ("scale", 0.25),
        ("scale", 3),
        ("scale", float("nan")),
        ("scale", float("inf")),
        ("stem", "tiny"),
        ("num_classes", 0),
        ("in_channels", 0),
    ],
)
def test_a_wrong_argument_is_named(field: str, value: Any) -> None:
    with pytest.raises(UserError, match=field) as raised:
        ShuffleNetV2(**{field: value})
    assert "\n" not in str(raised.value)
