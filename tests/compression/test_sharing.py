"""Shared weights: what is shared, what training sees of it, and what comes of its gradient."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from lightning_modules.compression.forms import Shared
from lightning_modules.compression.pruning import Masked
from lightning_modules.compression.sharing import (
    SharedWeights,
    ShareOptions,
    compression_rate,
    hold,
    share,
)
from lightning_modules.errors import UserError
from lightning_modules.flat_parameters import FlatParameters
from tests.nets.against import images, paper


def net() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 5)).eval()


def layer(net: nn.Module, name: str) -> Any:
    return net.get_submodule(name)


def held(net: nn.Module, name: str) -> SharedWeights:
    return layer(net, name).parametrizations.weight[0]


def form(net: nn.Module, name: str) -> Shared:
    return held(net, name).form(layer(net, name).parametrizations.weight.original)


def prune(layer: nn.Module, density: float) -> Tensor:
    """Masks a layer at random; its mask."""
    weight: Tensor = layer.weight  # type: ignore[assignment]
    mask = torch.rand(weight.shape, generator=torch.Generator().manual_seed(1)) < density
    parametrize.register_parametrization(layer, "weight", Masked(mask))
    return mask


FORM = Shared((2, 3), torch.tensor([0, 1, 1, 2, 0, 1]), torch.tensor([-1.0, 0.5, 2.0]))
PRUNED = Shared((2, 3), torch.tensor([1, 0, 1]), torch.tensor([-1.0, 0.5]), torch.tensor([0, 2, 5]))


@pytest.mark.parametrize(
    ("held", "weight"),
    [(FORM, [[-1.0, 0.5, 0.5], [2.0, -1.0, 0.5]]), (PRUNED, [[0.5, 0.0, -1.0], [0.0, 0.0, 0.5]])],
)
def test_the_weight_is_what_the_form_decodes_to(held: Shared, weight: list[list[float]]) -> None:
    linear = nn.Linear(3, 2)
    hold(linear, held)
    assert linear.weight.tolist() == weight
    assert torch.equal(linear.weight, held.decoded())


@pytest.mark.parametrize(
    ("held", "gradient"), [(FORM, [1.0 + 50.0, 2.0 + 3.0 + 600.0, 40.0]), (PRUNED, [3.0, 1.0 + 600.0])]
)
def test_an_entry_gets_the_sum_of_its_weights_gradients(held: Shared, gradient: list[float]) -> None:
    """Equation 3, by hand: the gradient of the weight is [[1, 2, 3], [40, 50, 600]]."""
    linear = nn.Linear(3, 2)
    hold(linear, held)
    (linear.weight * torch.tensor([[1.0, 2.0, 3.0], [40.0, 50.0, 600.0]])).sum().backward()
    codebook: Any = linear.parametrizations.weight.original  # type: ignore[union-attr]
    assert codebook.grad.tolist() == gradient


def test_a_step_of_training_moves_the_weights_of_an_entry_together() -> None:
    """One step of gradient descent, against the dense net's gradient summed over each cluster, as in Figure 3."""
    shared = net()
    prune(layer(shared, "3"), 0.5)
    share(shared, ShareOptions(conv_bits=3, linear_bits=2))
    dense = net()
    for name in ("0", "3"):
        layer(dense, name).weight.data = form(shared, name).decoded()
        layer(dense, name).bias.data = layer(shared, name).bias.detach().clone()
    optimizer = torch.optim.SGD(shared.parameters(), lr=0.1)
    for one in (shared, dense):
        one(images(6)).square().sum().backward()
    before = {name: form(shared, name) for name in ("0", "3")}
    optimizer.step()
    for name, old in before.items():
        gradient = layer(dense, name).weight.grad.flatten()
        if old.positions is not None:
            gradient = gradient[old.positions]
        summed = torch.stack([gradient[old.codes == entry].sum() for entry in range(len(old.codebook))])
        new = form(shared, name)
        torch.testing.assert_close(new.codebook, old.codebook - 0.1 * summed, atol=1e-5, rtol=1e-5)
        assert torch.equal(new.codes, old.codes)
        assert not torch.equal(new.codebook, old.codebook)
    pruned = form(shared, "3")
    assert pruned.positions is not None
    zero = torch.ones(5 * 128, dtype=torch.bool)
    zero[pruned.positions] = False
    assert zero.sum() > 200
    assert (layer(shared, "3").weight.flatten()[zero] == 0).all()


def test_training_sees_codebooks_and_biases_alone() -> None:
    made = net()
    share(made, ShareOptions(conv_bits=4, linear_bits=3))
    assert {name: tuple(value.shape) for name, value in made.named_parameters()} == {
        "0.bias": (8,),
        "0.parametrizations.weight.original": (16,),
        "3.bias": (5,),
        "3.parametrizations.weight.original": (8,),
    }
    assert all(parameter.requires_grad for parameter in made.parameters())
    assert {name: tuple(value.shape) for name, value in made.state_dict().items() if "codes" in name} == {
        "0.parametrizations.weight.0.codes": (8, 3, 3, 3),
        "3.parametrizations.weight.0.codes": (5, 128),
    }


def test_the_codebook_is_one_of_the_flat_parameters() -> None:
    made = net()
    share(made, ShareOptions(conv_bits=4, linear_bits=3))
    before = {name: form(made, name) for name in ("0", "3")}
    flat = FlatParameters(made.parameters())
    assert flat.vector.shape == (8 + 16 + 5 + 8,)
    flat.vector.data.mul_(2)
    for name, old in before.items():
        assert torch.equal(layer(made, name).weight, 2 * old.decoded())


def test_a_copy_and_a_state_dict_carry_all() -> None:
    made = net()
    prune(layer(made, "0"), 0.4)
    share(made, ShareOptions(conv_bits=4, linear_bits=3))
    copied = copy.deepcopy(made)
    with torch.no_grad():
        layer(made, "3").parametrizations.weight.original.add_(1)
    assert not torch.equal(layer(made, "3").weight, layer(copied, "3").weight)
    copied.load_state_dict(made.state_dict())
    assert torch.equal(copied(images(6)), made(images(6)))


def test_what_is_pruned_takes_no_entry_and_stays_pruned() -> None:
    made = net()
    mask = prune(layer(made, "3"), 0.25)
    before = layer(made, "3").weight.detach().clone()
    rows = share(made, ShareOptions(linear_bits=2, layers=["3"]))
    found = form(made, "3")
    assert found.positions is not None
    assert torch.equal(found.positions, mask.flatten().nonzero().flatten())
    assert (found.codebook != 0).all()
    after = layer(made, "3").weight.detach()
    assert torch.equal(after == 0, ~mask)
    assert rows["3"]["weights"] == int(mask.sum())
    assert rows["3"]["error"] == pytest.approx(float((before - after).square().sum() / before.square().sum()), rel=1e-4)
    assert not parametrize.is_parametrized(layer(made, "0"))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(8, 3, 3, 3), (8, 1, 3, 3), (8, 3, 1, 1), (8, 1, 1, 1)])
@pytest.mark.parametrize("shared_first", [True, False])
def test_the_weight_has_the_strides_of_the_nets_memory_format(
    shape: tuple[int, ...], memory_format: torch.memory_format, shared_first: bool
) -> None:
    """A convolution's output takes the format of its weight: with another one the layers behind it are slow."""
    torch.manual_seed(0)
    filters, channels, size, _ = shape
    plain = nn.Conv2d(channels, filters, size)
    made = copy.deepcopy(plain)
    if not shared_first:
        made.to(memory_format=memory_format)  # type: ignore[call-overload]
    prune(made, 0.7)
    share(nn.ModuleDict({"conv": made}), ShareOptions(conv_bits=2))
    shared = form(nn.ModuleDict({"conv": made}), "conv")
    for one in (made, plain):
        one.to(memory_format=memory_format)  # type: ignore[call-overload]
    assert made.weight.stride() == plain.weight.stride()
    assert torch.equal(made.weight, shared.decoded())
    plain.weight.data.copy_(shared.decoded())
    for one in (made, plain):
        one(images(6, channels=channels)).square().sum().backward()
    assert plain.weight.grad is not None and shared.positions is not None
    gradient = plain.weight.grad.flatten()[shared.positions]
    summed = torch.stack([gradient[shared.codes == entry].sum() for entry in range(len(shared.codebook))])
    codebook: Any = made.parametrizations.weight.original  # type: ignore[union-attr]
    torch.testing.assert_close(codebook.grad, summed, atol=1e-3, rtol=1e-4)


def test_a_mask_that_keeps_all_needs_no_positions() -> None:
    made = net()
    prune(layer(made, "3"), 2.0)
    share(made, ShareOptions(layers=["3"]))
    assert form(made, "3").positions is None


def test_a_layer_that_is_pruned_whole_is_zero() -> None:
    made = net()
    prune(layer(made, "3"), 0.0)
    rows = share(made, ShareOptions(layers=["3"]))
    assert not layer(made, "3").weight.any()
    assert rows["3"] == {"bits": 5, "entries": 1, "weights": 0, "error": 0.0}
    layer(made, "3").weight.sum().backward()
    assert layer(made, "3").parametrizations.weight.original.grad.tolist() == [0.0]


def test_shared_weights_can_be_shared_by_fewer_values() -> None:
    made = net()
    mask = prune(layer(made, "3"), 0.5)
    share(made, ShareOptions(linear_bits=5, layers=["3"]))
    rows = share(made, ShareOptions(linear_bits=2, layers=["3"]))
    assert rows["3"]["entries"] == 3  # zero is the fourth
    assert torch.equal(layer(made, "3").weight == 0, ~mask)
    assert layer(made, "3").parametrizations.weight.original.shape == (3,)


def test_a_weight_that_is_given_is_shared_as_near_as_it_can_be() -> None:
    linear = nn.Linear(3, 2)
    hold(linear, PRUNED)
    linear.weight = torch.tensor([[1.0, 9.0, 2.0], [9.0, 9.0, 4.0]])  # type: ignore[assignment]
    assert linear.weight.tolist() == [[2.5, 0.0, 2.0], [0.0, 0.0, 2.5]]


def test_bits_are_those_of_the_kind_but_for_the_exceptions() -> None:
    made = nn.ModuleDict({"first": nn.Conv2d(1, 1, 1), "second": nn.Conv2d(1, 1, 1), "output": nn.Linear(1, 1)})
    options = ShareOptions(conv_bits=6, linear_bits=4, bits={"second": 2})
    assert options.layers_of(made) == {"first": 6, "second": 2, "output": 4}
    assert ShareOptions(layers=["first", "output"]).layers_of(made) == {"first": 8, "output": 5}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"conv_bits": 0}, "conv_bits=0: must be a whole number from 1 to 16"),
        ({"linear_bits": 17}, "linear_bits=17"),
        ({"linear_bits": 2.5}, r"linear_bits=2\.5"),
        ({"conv_bits": True}, "conv_bits=True"),
        ({"bits": {"fire*": 40}}, r"bits\[fire\*\]=40"),
        ({"bits": 6}, "bits=6: is a table of bits by pattern"),
        ({"init": "best"}, "init=best: choose one of linear, density, random"),
    ],
)
def test_wrong_options_are_one_line(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        ShareOptions(**fields)
    assert "\n" not in str(error.value)


def test_a_pattern_that_fits_nothing_is_refused() -> None:
    for options in (ShareOptions(layers=["fire*"]), ShareOptions(bits={"fire*": 3})):
        with pytest.raises(UserError, match=r"fire\*"):
            share(net(), options)
    with pytest.raises(UserError, match="gives bits to 3, which is not among layers"):
        share(net(), ShareOptions(layers=["0"], bits={"3": 4}))


def test_a_weight_that_diverged_is_named() -> None:
    made = net()
    layer(made, "3").weight.data[0, 0] = float("nan")
    with pytest.raises(UserError, match=r"^3: a weight is not a finite number"):
        share(made, ShareOptions())


class Doubled(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return weight * 2


def test_what_is_held_otherwise_is_refused() -> None:
    made = net()
    parametrize.register_parametrization(layer(made, "3"), "weight", Doubled())
    with pytest.raises(UserError, match="3 is held as Doubled; only plain or pruned weights are shared"):
        share(made, ShareOptions())


def test_the_same_seed_shares_alike() -> None:
    options = ShareOptions(conv_bits=3, linear_bits=3, init="random")
    first, again, other = net(), net(), net()
    for made, seed in ((first, 1), (again, 1), (other, 2)):
        share(made, options, seed)
    assert torch.equal(form(first, "3").codebook, form(again, "3").codebook)
    assert not torch.equal(form(first, "3").codebook, form(other, "3").codebook)


def test_the_papers_compression_rate() -> None:
    given = paper("deep_compression")["pipeline"]["worked_example"]
    assert compression_rate(given["connections"], given["clusters"], given["bits"]) == given["ratio"]
