"""What pruning keeps, how many, and that it stays so."""

import itertools
import math
from typing import Any, TypeVar

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from lightning_modules.classifier import ImageClassifier
from lightning_modules.compression.forms import Sparse
from lightning_modules.compression.pruning import (
    Masked,
    PruneOptions,
    density_in_round,
    largest,
    magnitude,
    mask_of,
    prune_round,
    set_mask,
    weight_of,
)
from lightning_modules.compression.selection import select
from lightning_modules.errors import UserError
from lightning_modules.nets.squeezenet import SqueezeNet
from tests import tiny
from tests.nets.against import paper

Net = TypeVar("Net", bound=nn.Module)


def net(seed: int = 0) -> nn.Sequential:
    """60, 200 and 60 weights, of three scales."""
    torch.manual_seed(seed)
    made = nn.Sequential(nn.Linear(6, 10), nn.ReLU(), nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 3))
    with torch.no_grad():
        for layer, scale in ((made[0], 3.0), (made[2], 1.0), (made[4], 0.3)):
            nn.init.normal_(layer.weight, std=scale)  # type: ignore[arg-type]
    return made


def pruned(made: Net, **options: Any) -> Net:
    """After all rounds, without any training."""
    chosen = PruneOptions(**options)
    for number in range(1, chosen.rounds + 1):
        prune_round(made, chosen, number)
    return made


def counts(made: nn.Module) -> list[int]:
    return [int(weight_of(layer).count_nonzero()) for layer in select(made, ["*"]).values()]


def test_the_largest_and_of_equal_ones_the_first() -> None:
    values = torch.tensor([1.0, 3.0, 2.0, 2.0, 0.0, 2.0])
    assert largest(values, 0).tolist() == [False] * 6
    assert largest(values, 1).nonzero().flatten().tolist() == [1]
    assert largest(values, 3).nonzero().flatten().tolist() == [1, 2, 3]
    assert largest(values, 5).nonzero().flatten().tolist() == [0, 1, 2, 3, 5]
    assert largest(values, 6).tolist() == [True] * 6


def test_the_largest_as_sorting_finds_them() -> None:
    values = torch.randint(0, 20, (500,), generator=torch.Generator().manual_seed(0)).float()
    order = sorted(range(500), key=lambda i: (-float(values[i]), i))
    for count in (1, 17, 250, 499):
        assert largest(values, count).nonzero().flatten().tolist() == sorted(order[:count])


def test_a_net_that_diverged_is_named() -> None:
    made = net()
    with torch.no_grad():
        made[0].weight[0, 0] = math.nan  # type: ignore[index]
    with pytest.raises(UserError, match="the net has diverged"):
        pruned(made, density=0.5)


@pytest.mark.parametrize("density", [0.1, 0.33, 0.5, 1.0])
def test_each_layer_keeps_exactly_its_share(density: float) -> None:
    made, before = net(), net()
    pruned(made, density=density)
    assert counts(made) == [round(density * n) for n in (60, 200, 60)]
    for name, layer in select(made, ["*"]).items():
        weight, old = weight_of(layer), weight_of(before.get_submodule(name))
        kept = weight != 0
        assert torch.equal(weight[kept], old[kept])
        assert kept.all() or old[~kept].abs().max() <= old[kept].abs().min()


def test_one_threshold_for_all_layers() -> None:
    made, before = net(), net()
    pruned(made, density=0.4, scope="global")
    assert sum(counts(made)) == round(0.4 * 320)
    old = torch.cat([weight_of(layer).flatten() for layer in select(before, ["*"]).values()])
    new = torch.cat([weight_of(layer).flatten() for layer in select(made, ["*"]).values()])
    threshold = old.abs().sort(descending=True).values[round(0.4 * 320) - 1]
    assert torch.equal(new, torch.where(old.abs() >= threshold, old, 0.0))
    assert counts(made)[0] / 60 > counts(made)[1] / 200 > counts(made)[2] / 60


def test_only_the_layers_chosen() -> None:
    made = pruned(net(), density=0.5, layers=["[04]"])
    assert counts(made) == [30, 200, 30]
    assert mask_of(made[2]) is None
    assert counts(pruned(net(), density=0.5, scope="global", layers=["2"])) == [60, 100, 60]


def test_a_table_of_densities() -> None:
    assert counts(pruned(net(), density={"*": 0.5, "4": 1.0})) == [30, 100, 60]
    assert counts(pruned(net(), density={"2": 0.25})) == [60, 50, 60]


def table1_densities() -> dict[str, float]:
    """The SqueezeNet paper's Table 1 by our names of layers."""
    table = {}
    for row in paper("squeezenet")["table1_architecture"]["rows"]:
        if "density" in row:
            table[row["layer"]] = row["density"]
        for ours, theirs in (("squeeze1x1", "s1x1"), ("expand1x1", "e1x1"), ("expand3x3", "e3x3")):
            if f"density_{theirs}" in row:
                table[f"{row['layer']}.{ours}"] = row[f"density_{theirs}"]
    return table


def test_squeezenet_at_the_papers_densities_has_the_papers_parameters() -> None:
    """Table 1, "after pruning": our exact counts and the biases; conv1 to fire7, fire9, conv10 to one a layer.

    Of fire8 the printed 0.33 contradicts the printed count, which is that of 0.30 (the note in conf/paper).
    """
    rows = {row["layer"]: row for row in paper("squeezenet")["table1_architecture"]["rows"]}
    torch.manual_seed(0)
    made = SqueezeNet()
    pruned(made, density=table1_densities())
    for name, row in rows.items():
        if "params_after" not in row or name == "fire8":
            continue
        layers = select(made, f"{name}.*" if name.startswith("fire") else name)
        kept = sum(int(weight_of(layer).count_nonzero()) + len(layer.bias) for layer in layers.values())  # type: ignore[arg-type]
        assert abs(kept - row["params_after"]) <= len(layers), name


def test_a_quality_is_a_threshold_in_standard_deviations() -> None:
    made, before = net(), net()
    pruned(made, quality={"0": 0.5, "2": 1.0})
    for layer, old, quality in ((made[0], before[0], 0.5), (made[2], before[2], 1.0)):
        weights = weight_of(old)
        deviation = (weights - weights.mean()).square().mean().sqrt()
        assert torch.equal(weight_of(layer), torch.where(weights.abs() >= quality * deviation, weights, 0.0))
    assert 0 < counts(made)[1] < counts(made)[0] / 60 * 200
    assert mask_of(made[4]) is None


def test_a_quality_that_leaves_nothing_is_an_error() -> None:
    with pytest.raises(UserError, match="quality=9: no weight of 0 is that many"):
        pruned(net(), quality=9)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("linear", [0.775, 0.55, 0.325, 0.1]), ("geometric", [10**-0.25, 10**-0.5, 10**-0.75, 0.1])],
)
def test_densities_of_the_rounds(schedule: str, expected: list[float]) -> None:
    found = [density_in_round(0.1, number, 4, schedule) for number in (1, 2, 3, 4)]
    assert found == pytest.approx(expected)
    assert found[-1] == 0.1
    assert density_in_round(1.0, 1, 3, schedule) == 1.0


@pytest.mark.parametrize(
    "options",
    [
        {"density": 0.2, "scope": "global"},
        {"density": 0.2, "schedule": "linear"},
        {"density": {"*": 0.3, "4": 0.7}},
        {"quality": 1.0},
    ],
)
def test_what_is_pruned_stays_pruned_in_later_rounds(options: dict[str, Any]) -> None:
    """Retraining here makes all small weights large: only the mask knows that they are gone."""
    made = net()
    seen: list[list[Tensor]] = []
    for number in (1, 2, 3):
        prune_round(made, PruneOptions(rounds=3, **options), number)
        seen.append([weight_of(layer) != 0 for layer in select(made, ["*"]).values()])
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.copy_(parameter.sign() / (parameter.abs() + 0.1))
    for earlier, later in itertools.pairwise(seen):
        assert all((new <= old).all() for old, new in zip(earlier, later, strict=True))
        assert sum(int(new.sum()) for new in later) < sum(int(old.sum()) for old in earlier)
    if isinstance(options.get("density"), float):
        assert sum(counts(made)) == round(0.2 * 320)


def test_a_weight_that_became_zero_by_itself_is_not_pruned_for_that() -> None:
    made = nn.Sequential(nn.Linear(4, 1, bias=False))
    with torch.no_grad():
        made[0].weight.copy_(torch.tensor([[4.0, 3.0, 2.0, 1.0]]))  # type: ignore[operator]
    pruned(made, density=0.75)
    with torch.no_grad():
        made[0].parametrizations.weight.original[0, :3] = 0.0  # type: ignore[index,union-attr]
    pruned(made, density=0.5)
    mask = mask_of(made[0])
    assert mask is not None
    assert mask.tolist() == [[True, True, False, False]]


def test_a_layer_cant_become_denser() -> None:
    made = pruned(net(), density=0.25)
    with pytest.raises(UserError, match=r"density=0.5: 0 is at 0.25 already"):
        pruned(made, density=0.5)
    assert counts(pruned(made, density=0.25)) == [15, 50, 15]


def test_the_form_is_what_the_layer_computes_with() -> None:
    made = pruned(net(), density=0.3)
    held = made[2].parametrizations.weight  # type: ignore[union-attr]
    form = held[0].form(held.original)  # type: ignore[operator,index,union-attr]
    assert isinstance(form, Sparse)
    assert len(form.values) == len(form.positions) == 60
    assert (form.positions.diff() > 0).all()
    decoded, weight = form.decoded(), weight_of(made[2])
    assert torch.equal(decoded.view(torch.int32), weight.view(torch.int32))  # no zero is negative


def test_the_form_of_a_channels_last_weight_is_in_the_tensors_own_order() -> None:
    layer = nn.Conv2d(4, 6, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pruned(nn.Sequential(layer), density=0.4)
    held = layer.parametrizations.weight  # type: ignore[union-attr]
    assert torch.equal(held[0].form(held.original).decoded(), weight_of(layer))  # type: ignore[operator,index,union-attr]
    assert weight_of(layer).is_contiguous(memory_format=torch.channels_last)


def test_gradients_of_pruned_weights_are_zero() -> None:
    made = pruned(net(), density=0.3)
    made(torch.randn(5, 6)).square().sum().backward()
    for layer in select(made, ["*"]).values():
        gradient, mask = layer.parametrizations.weight.original.grad, mask_of(layer)  # type: ignore[union-attr]
        assert isinstance(gradient, Tensor) and mask is not None
        assert not gradient[~mask].any()
        assert gradient[mask].any()


@pytest.mark.parametrize(
    "recipe",
    [
        {"optimizer": "adamw", "lr": 0.05, "weight_decay": 0.1},
        {"optimizer": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        {"optimizer": "rmsprop", "lr": 0.01, "momentum": 0.9, "weight_decay": 0.1},
    ],
)
def test_pruned_weights_stay_zero_while_the_rest_is_trained(recipe: dict[str, Any]) -> None:
    """Also weights with momentum from before: they are pruned in the middle of the net's training."""
    module = tiny.module(**recipe)
    fit(module)
    pruned(module.net, density=0.4)
    before = {name: weight_of(layer).clone() for name, layer in select(module.net, ["*"]).items()}
    fit(module)
    for name, layer in select(module.net, ["*"]).items():
        weight, mask = weight_of(layer), mask_of(layer)
        assert mask is not None
        assert int(mask.sum()) == round(0.4 * mask.numel())
        assert not weight[~mask].any()
        assert (weight[mask] != before[name][mask]).all()
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
        assert torch.equal(weight_of(layer), weight)


def fit(module: ImageClassifier) -> None:
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False, limit_val_batches=0,
    )  # fmt: skip
    trainer.fit(module, tiny.data())


def test_a_pruned_net_is_saved_and_loaded() -> None:
    made, other = pruned(net(0), density=0.3), pruned(net(1), density=0.3)
    other.load_state_dict(made.state_dict())
    for name, layer in select(made, ["*"]).items():
        assert torch.equal(weight_of(layer), weight_of(other.get_submodule(name)))


def test_magnitudes_are_those_that_the_layer_computes_with() -> None:
    made = pruned(net(), density=0.3)
    found = magnitude(made, select(made, ["2"]))
    assert list(found) == ["2"]
    assert torch.equal(found["2"], weight_of(made[2]).abs())
    assert int(found["2"].count_nonzero()) == 60


class Doubled(nn.Module):
    def forward(self, original: Tensor) -> Tensor:
        return 2 * original


def test_what_another_step_holds_is_not_pruned() -> None:
    made = net()
    parametrize.register_parametrization(made[0], "weight", Doubled())
    assert mask_of(made[0]) is None
    with pytest.raises(UserError, match="comes before the steps that share or quantize"):
        pruned(made, density=0.5)


def test_a_mask_can_be_replaced() -> None:
    layer = nn.Linear(3, 2)
    weight = weight_of(layer).clone()
    masks = [torch.tensor([[True, False, True]] * 2), torch.tensor([[True, False, False]] * 2)]
    for mask in masks:
        set_mask(layer, mask)
        assert torch.equal(weight_of(layer), torch.where(mask, weight, 0.0))
    assert isinstance(layer.parametrizations.weight[0], Masked)  # type: ignore[index,union-attr]
    assert len(layer.parametrizations.weight) == 1  # type: ignore[arg-type,union-attr]


def test_the_first_of_two_rounds() -> None:
    made = net()
    prune_round(made, PruneOptions(density=0.25, rounds=2), 1)
    assert counts(made) == [30, 100, 30]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give either a density or a quality"),
        ({"density": 0.5, "quality": 1.0}, "give either a density or a quality"),
        ({"density": 0}, "density=0: must be a number above 0"),
        ({"density": 1.5}, "density=1.5: is the share of weights to keep"),
        ({"density": True}, "density=True: must be a number"),
        ({"density": "much"}, "density=much: must be a number"),
        ({"density": math.nan}, "density=nan: must be a number"),
        ({"density": {"conv*": 0.5, "fc": 2}}, r"density\[fc\]=2: is the share"),
        ({"quality": -1.0}, "quality=-1.0: must be a number above 0"),
        ({"density": 0.5, "rounds": 0}, "rounds=0: must be a whole number"),
        ({"density": 0.5, "rounds": 1.5}, "rounds=1.5: must be a whole number"),
        ({"density": 0.5, "scope": "net"}, "scope=net: choose one of layer, global"),
        ({"density": 0.5, "saliency": "obs"}, "saliency=obs: choose one of magnitude, obd"),
        ({"density": 0.5, "schedule": "cosine"}, "schedule=cosine: choose one of geometric, linear"),
        ({"density": {"*": 0.5}, "scope": "global"}, "scope=global: needs a single density"),
        ({"quality": 0.5, "scope": "global"}, "scope=global: needs a single density"),
        ({"density": {"*": 0.5}, "layers": ["conv1"]}, "the table of density names the layers"),
        ({"quality": 0.5, "saliency": "obd"}, "saliency=obd: needs a density"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        PruneOptions(**options)
    assert str(error.value).startswith("compression.steps: ")
    assert "\n" not in str(error.value)


def test_a_pattern_that_fits_nothing_is_an_error() -> None:
    with pytest.raises(UserError, match="layers=conv1: fits no layer"):
        pruned(net(), density=0.5, layers=["conv1"])
    with pytest.raises(UserError, match="density=conv1: fits no layer"):
        pruned(net(), density={"conv1": 0.5})
