"""Min-max quantization: the seed's example, half a step, exact zeros, gradients, whole nets."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from lightning_modules.compression.forms import Affine
from lightning_modules.compression.quantization import (
    FakeQuantised,
    InputQuantiser,
    Quantization,
    affine,
    calibrate,
    levels,
    plain,
    quantise,
    rounded,
)
from lightning_modules.errors import UserError
from lightning_modules.flat_parameters import flatten
from lightning_modules.optimization import build_optimizer
from tests.tiny import Net, module


def weights(*shape: int, seed: int = 0) -> Tensor:
    """Each output channel with a spread and a centre of its own."""
    generator = torch.Generator().manual_seed(seed)
    each = (-1,) + (1,) * (len(shape) - 1)
    spread = torch.rand(shape[0], generator=generator).view(each) + 0.1
    return (torch.randn(shape, generator=generator) + 0.5) * spread


def worst(form: Affine, weight: Tensor) -> Tensor:
    """The largest error of each range, in its steps."""
    rows = (form.decoded() - weight).reshape(len(form.scale), -1)
    return rows.abs().amax(1) / form.scale


def original(layer: nn.Module) -> Tensor:
    """The weight behind the rounded one."""
    return layer.get_parameter("parametrizations.weight.original")


def reads(layer: nn.Module) -> tuple[float, float]:
    """The range of what a layer reads."""
    quantiser: Any = layer.input_quantiser
    assert isinstance(quantiser, InputQuantiser)
    return float(quantiser.smallest), float(quantiser.largest)


def test_the_seeds_example() -> None:
    """From -3 to 6: code 0 is -3, 255 is 6, 128 about 1.5; zero is code 85 exactly."""
    form = affine(torch.tensor([-3.0, 6.0, 1.5, 0.0]))
    assert form.codes.tolist() == [0, 255, 127, 85]
    assert form.zero_point.item() == 85
    value = Affine(torch.tensor([128], dtype=torch.uint8), form.scale, form.zero_point).decoded()
    assert float(value) == pytest.approx(1.5, abs=0.5 * 9 / 255 + 1e-6)
    assert form.decoded()[3] == 0
    torch.testing.assert_close(form.decoded()[:2], torch.tensor([-3.0, 6.0]))


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("shape", [(8, 4, 3, 3), (16, 1, 3, 3), (10, 40)])
def test_half_a_step_at_most(shape: tuple[int, ...], per_channel: bool) -> None:
    weight = weights(*shape)
    form = affine(weight, per_channel)
    assert form.codes.dtype == form.zero_point.dtype == torch.uint8
    assert form.codes.shape == weight.shape
    assert len(form.scale) == len(form.zero_point) == (shape[0] if per_channel else 1)
    assert float(worst(form, weight).max()) <= 0.5 + 1e-4
    codes, rows = (t.reshape(len(form.scale), -1) for t in (form.codes, weight))
    assert (codes.amax(1) - codes.amin(1) >= 254)[(rows.amin(1) < 0) & (rows.amax(1) > 0)].all()


def test_against_numpys_integers() -> None:
    """The formula in float64, code by code."""
    weight = weights(8, 4, 3, 3).double()
    low, high = min(0.0, float(weight.min())), max(0.0, float(weight.max()))
    step = (high - low) / 255
    expected = (weight / step).round() + round(-low / step)
    found = affine(weight.float()).codes.double()
    assert (found != expected.clamp(0, 255)).float().mean() < 0.01  # float32 may tip a tie
    assert (found - expected).abs().max() <= 1


@pytest.mark.parametrize("per_channel", [False, True])
def test_rounding_twice_is_rounding_once(per_channel: bool) -> None:
    """So a file's weights, quantized anew elsewhere, are the same codes."""
    for seed in range(20):
        form = affine(weights(8, 4, 3, 3, seed=seed), per_channel)
        again = affine(form.decoded(), per_channel)
        assert torch.equal(again.codes, form.codes)
        assert torch.equal(again.zero_point, form.zero_point)


def test_a_range_for_each_channel_is_finer() -> None:
    weight = weights(8, 4, 3, 3)
    per_tensor, per_channel = (affine(weight, each).decoded().sub(weight).pow(2).mean() for each in (False, True))
    assert per_channel < 0.5 * per_tensor


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize(
    "weight",
    [
        torch.zeros(4, 3),
        torch.full((4, 3), 0.7),
        torch.full((4, 3), -0.7),
        torch.rand(4, 3) + 5,
        torch.full((4, 3), 1e-42),
        torch.tensor([[3e38, -3e38], [1.0, 2.0]]),
    ],
)
def test_odd_ranges(weight: Tensor, per_channel: bool) -> None:
    """All zeros, one sign, one number, numbers at the ends of float32: the range holds zero, nothing overflows."""
    form = affine(weight, per_channel)
    assert form.decoded().isfinite().all()
    assert (form.scale > 0).all()
    assert float(worst(form, weight).max()) <= 0.5 + 1e-4
    if not weight.any():
        assert not form.decoded().any()


def test_symmetric_levels_lie_around_zero() -> None:
    weight = weights(8, 4, 3, 3, seed=0)
    form = affine(weight, per_channel=True, symmetric=True)
    assert (form.zero_point == 128).all() and form.codes.min() >= 1
    for channel, scale in zip(weight, form.scale, strict=True):
        assert float(scale) == pytest.approx(float(channel.abs().max()) / 127)
    assert (form.decoded() - weight).abs().amax(dim=(1, 2, 3)).le(form.scale / 2 * 1.001).all()
    one = FakeQuantised(per_channel=True, symmetric=True)
    assert torch.equal(one(weight), one.form(weight).decoded())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": ("0",)}, "activations=true: is for all layers; leave layers out"),
        ({"per_channel": True}, "integers need symmetric levels; add symmetric: true"),
        ({"symmetric": 1}, "symmetric=1: must be true or false"),
    ],
)
def test_what_integers_cannot_be_made_of(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Quantization(activations=True, **options)


@pytest.mark.parametrize("per_channel", [False, True])
def test_zeros_stay_zeros(per_channel: bool) -> None:
    weight = weights(8, 4, 3, 3) * (weights(8, 4, 3, 3, seed=1) > 0.5)
    assert (affine(weight, per_channel).decoded()[weight == 0] == 0).all()


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("shape", [(8, 4, 3, 3), (10, 40)])
def test_the_file_holds_the_weight_that_the_net_uses(shape: tuple[int, ...], per_channel: bool) -> None:
    weight = weights(*shape)
    one = FakeQuantised(per_channel)
    assert torch.equal(one(weight), one.form(weight).decoded())


def test_the_gradient_goes_straight_through_and_ends_at_the_range() -> None:
    x = torch.tensor([-2.0, -0.5, 0.1, 0.9, 3.0], requires_grad=True)
    scale, zero_point = levels(torch.tensor([-1.0]), torch.tensor([1.0]))
    (rounded(x, scale, zero_point) * torch.arange(1.0, 6.0)).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 2, 3, 4, 0]


@pytest.mark.parametrize("per_channel", [False, True])
def test_all_weights_get_their_gradient(per_channel: bool) -> None:
    weight = weights(8, 4, 3, 3).requires_grad_()
    upstream = weights(8, 4, 3, 3, seed=2)
    (FakeQuantised(per_channel)(weight) * upstream).sum().backward()
    assert weight.grad is not None
    assert torch.equal(weight.grad, upstream)


def test_ranges_follow_the_weights_in_training() -> None:
    layer = nn.Linear(6, 3)
    quantise(layer_net := nn.Sequential(layer), Quantization())
    optimizer = torch.optim.SGD(layer_net.parameters(), lr=0.5)
    before = layer.weight.detach().clone()
    layer_net(torch.ones(2, 6)).pow(2).sum().backward()
    optimizer.step()
    assert not torch.equal(layer.weight, before)
    assert torch.equal(layer.weight, affine(original(layer)).decoded())
    assert float(affine(original(layer)).scale) != float(affine(before).scale)


def test_a_whole_net() -> None:
    torch.manual_seed(0)
    net = Net().eval()
    float_net, images = copy.deepcopy(net), torch.randn(4, 1, 8, 8)
    done = quantise(net, Quantization(layers=("conv", "output")))
    assert done.layers == ("conv", "output")
    assert done.simulated
    with torch.no_grad():
        found, expected = net(images), float_net(images)
    assert 0 < float((found - expected).abs().max()) < 0.05
    assert len(net.conv.weight.unique()) <= 256
    assert not parametrize.is_parametrized(net.norm)


def test_activations_are_rounded_within_what_calibration_saw() -> None:
    torch.manual_seed(0)
    net, batches = Net(), [torch.randn(4, 1, 8, 8), 3 * torch.randn(4, 1, 8, 8)]
    net.train()
    done = quantise(net, Quantization(activations=True), batches)
    assert done.activations
    assert net.training
    assert reads(net.conv) == (min(float(b.min()) for b in batches), max(float(b.max()) for b in batches))
    assert reads(net.output)[0] == 0  # behind a ReLU
    seen = []
    net.conv.register_forward_hook(lambda layer, inputs, output: seen.append(inputs[0]))
    net.eval()(batches[1])
    step = (reads(net.conv)[1] - reads(net.conv)[0]) / 255
    assert 0 < float((seen[0] - batches[1]).abs().max()) <= step * 0.5001
    assert len(seen[0].unique()) <= 256
    calibrate(net, batches[:1])
    assert reads(net.conv)[1] == float(batches[0].max())


def test_a_copy_has_ranges_of_its_own() -> None:
    net = Net()
    quantise(net, Quantization(activations=True), [torch.ones(2, 1, 8, 8)])
    other = copy.deepcopy(net)
    calibrate(other, [5 * torch.ones(2, 1, 8, 8)])
    assert reads(net.conv) == (0, 1)
    assert reads(other.conv) == (0, 5)


class Halved(nn.Module):
    """Stands for any other parametrization that has zeros."""

    def forward(self, original: Tensor) -> Tensor:
        return original * (original > 0)


def test_a_pruned_weight_remains_pruned_while_it_is_trained() -> None:
    layer = nn.Linear(20, 10)
    parametrize.register_parametrization(layer, "weight", Halved())
    used = layer.weight.detach().clone()
    net = nn.Sequential(layer)
    quantise(net, Quantization())
    assert len(layer.parametrizations.weight) == 1  # type: ignore[union-attr]
    assert torch.equal(layer.weight, affine(used).decoded())
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    for _ in range(2):
        F.cross_entropy(net(torch.randn(8, 20)), torch.randint(10, (8,))).backward()
        optimizer.step()
    assert not torch.equal(layer.weight, affine(used).decoded())
    assert (layer.weight[used == 0] == 0).all()
    form = layer.parametrizations.weight[0].form(original(layer))  # type: ignore[union-attr, operator]
    assert torch.equal(form.decoded(), layer.weight)


def test_plain_is_the_net_without_what_simulates() -> None:
    torch.manual_seed(0)
    net, images = Net().eval(), torch.randn(4, 1, 8, 8)
    quantise(net, Quantization(), [images])
    expected = net(images)
    quantise(net, Quantization(activations=True), [images])
    found = plain(net)
    assert set(dict(found.named_parameters())) == set(dict(Net().named_parameters()))
    assert type(found.conv) is nn.Conv2d
    assert torch.equal(found(images), expected)
    assert parametrize.is_parametrized(net.conv)
    assert not torch.equal(net(images), expected)


def test_quantization_aware_training_in_lightnings_module() -> None:
    """The classifier's optimiser, which sees all parameters as one vector, moves the weights behind the rounded ones."""
    classifier = module()
    images, labels = torch.randn(8, 1, 8, 8), torch.arange(8) % 6
    quantise(classifier.net, Quantization(activations=True, per_channel=True, symmetric=True), [images])
    optimizer = build_optimizer(classifier.recipe, classifier.net.parameters())
    (flat,) = flatten(optimizer)
    conv = classifier.net.get_submodule("conv")
    before = original(conv).detach().clone()
    losses = []
    for _ in range(20):
        loss = classifier.loss(images, classifier(images), labels)
        loss.backward()
        flat.gather()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert not torch.equal(before, original(conv))
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_mistakes_are_one_line() -> None:
    with pytest.raises(UserError, match=r"^compression.steps: .*fire9"):
        quantise(Net(), Quantization(layers=("fire9",)))
    with pytest.raises(UserError, match="per_channel=2: must be true or false"):
        Quantization(per_channel=2)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="activations=true: needs at least one batch"):
        quantise(Net(), Quantization(activations=True))
    net = Net()
    net.conv.weight.data[0] = float("nan")
    with pytest.raises(UserError, match="conv has a weight that is no finite number"):
        quantise(net, Quantization())
    assert not parametrize.is_parametrized(net.conv)
