"""Second derivatives against exact ones, and saliencies against the loss that is measured."""

import itertools
from collections.abc import Callable, Sequence
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.functional import hessian, jacobian
from torch.func import functional_call
from torch.nn import functional as F

from lightning_modules.compression.batch_norm_folding import fold
from lightning_modules.compression.obd import cross_entropy_curvature, curvature, saliency
from lightning_modules.compression.pruning import PruneOptions, mask_of, prune_round, weight_of
from lightning_modules.compression.selection import select
from lightning_modules.errors import UserError
from lightning_modules.nets.alexnet import AlexNet
from lightning_modules.nets.blocks import DepthwiseConv2d, PointwiseConv2d
from lightning_modules.nets.mobilenet_v1 import MobileNetV1
from lightning_modules.nets.mobilenet_v2 import MobileNetV2
from lightning_modules.nets.peleenet import PeleeNet
from lightning_modules.nets.shufflenet_v1 import ShuffleNetV1
from lightning_modules.nets.shufflenet_v2 import ShuffleNetV2
from lightning_modules.nets.squeezenet import SqueezeNet
from tests.nets.against import randomised, settled


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def of_all(net: nn.Module, *batches: Tensor, at_output: Callable[[Tensor], Tensor] | None = None) -> dict[str, Tensor]:
    return curvature(net, select(net, ["*"]), batches, at_output or cross_entropy_curvature)


def exact(net: nn.Module, name: str, loss: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The diagonal of the Hessian by one layer's weights, by differentiating twice."""
    weight = weight_of(net.get_submodule(name))

    def by_weight(vector: Tensor) -> Tensor:
        return loss(functional_call(net, {f"{name}.weight": vector.view(weight.shape)}, x))

    found: Tensor = hessian(by_weight, weight.flatten())  # type: ignore[assignment]
    return found.diag().view(weight.shape)


def mlp(seed: int = 0, *widths: int) -> nn.Sequential:
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1]).double()


def test_with_one_hidden_layer_and_squared_error_the_recursion_is_exact() -> None:
    """The paper's case: E = (d - x)^2 has 2 as second derivative at each linear output, and no other."""
    net, x, wanted = mlp(0, 5, 7, 3), drawn(9, 5), drawn(9, 3, seed=1)
    found = of_all(net, x, at_output=lambda outputs: torch.full_like(outputs, 2.0))
    for name in ("0", "2"):
        expected = exact(net, name, lambda outputs: (outputs - wanted).square().sum() / len(x), x)
        torch.testing.assert_close(found[name], expected)
        assert expected.max() > 0.1


@pytest.mark.parametrize(
    "net",
    [
        nn.Sequential(nn.Flatten(), nn.Linear(3 * 36, 4)),
        nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4)),
    ],
)
def test_of_the_last_layer_it_is_exact_for_cross_entropy(net: nn.Sequential) -> None:
    net = deepcopy(net).double()
    x, labels = drawn(8, 3, 6, 6), torch.arange(8) % 4
    name = str(len(net) - 1)
    expected = exact(net, name, lambda logits: F.cross_entropy(logits, labels), x)
    torch.testing.assert_close(of_all(net, x)[name], expected)
    assert (expected > 0).any()


def by_jacobians(stages: Sequence[nn.Module], x: Tensor) -> dict[str, Tensor]:
    """The recursion written out for one image (1, ...): each stage's whole Jacobian, squared number by number."""
    inputs = [x]
    for stage in stages:
        inputs.append(stage(inputs[-1]).detach())
    h, found = cross_entropy_curvature(inputs[-1]), {}
    for index in reversed(range(len(stages))):
        stage, at = stages[index], inputs[index]
        if isinstance(stage, (nn.Conv2d, nn.Linear)):
            by_weight = jacobian(lambda w, s=stage, a=at: functional_call(s, {"weight": w}, a), stage.weight)
            found[str(index)] = torch.tensordot(h, by_weight.square(), h.ndim)  # type: ignore[union-attr]
        by_input = jacobian(stage, at)
        h = torch.tensordot(h, by_input.square(), h.ndim)  # type: ignore[union-attr]
    return found


CLASSIFIER = [nn.Flatten(), nn.LazyLinear(3)]


@pytest.mark.parametrize(
    "stages",
    [
        [nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)],
        [nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(6, 4, 2, groups=2), *CLASSIFIER],
        [nn.Conv2d(4, 4, 1), nn.ReLU6(), DepthwiseConv2d(4), nn.BatchNorm2d(4), nn.ReLU(), *CLASSIFIER],
        [
            PointwiseConv2d(4, 6),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.ReLU(),
            DepthwiseConv2d(6, stride=2),
            *CLASSIFIER,
        ],
        [nn.Conv2d(4, 6, 3, dilation=2), nn.BatchNorm2d(6), nn.ChannelShuffle(3), *CLASSIFIER],
        [nn.Conv2d(4, 3, 3), nn.AvgPool2d(3, 2, padding=1), nn.ReLU(), *CLASSIFIER],
        [nn.Conv2d(4, 3, 3), nn.AdaptiveAvgPool2d((2, 3)), nn.ReLU(), *CLASSIFIER],
        [nn.Conv2d(4, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()],
        [nn.Conv2d(4, 6, 6), nn.AdaptiveAvgPool2d(3), nn.Dropout(0.5), *CLASSIFIER],
    ],
    ids=lambda stages: "-".join(type(stage).__name__ for stage in stages),
)
def test_each_kind_of_layer_against_its_squared_jacobian(stages: list[nn.Module]) -> None:
    torch.manual_seed(0)
    net = deepcopy(nn.Sequential(*stages)).double()
    x = drawn(3, 6) if isinstance(net[0], nn.Linear) else drawn(3, 4, 7, 7)
    net(x)  # makes the classifier
    randomised(net)
    expected = [by_jacobians(list(net), image[None]) for image in x]
    found = of_all(net, x)
    assert set(found) == set(expected[0])
    for name, h in found.items():
        torch.testing.assert_close(h, torch.stack([one[name] for one in expected]).mean(0))
        assert h.shape == weight_of(net.get_submodule(name)).shape
        assert h.max() > 0


class Joined(nn.Module):
    """A sum of two ways that are then concatenated with the input."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 5)
        self.left, self.right = nn.Linear(5, 5), nn.Linear(5, 5)
        self.last = nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        return self.last(torch.cat([self.left(x) + self.right(x), x], dim=1))


def test_ways_that_meet_add_up() -> None:
    net, x = Joined().double(), drawn(6, 4)
    a = net.first(x).detach()
    hidden, h = a.relu(), cross_entropy_curvature(net(x).detach())
    squares = {name: weight_of(layer).square() for name, layer in select(net, ["*"]).items()}
    h_joined = h @ squares["last"]
    h_sum = h_joined[:, :5]
    h_hidden = h_joined[:, 5:] + h_sum @ squares["left"] + h_sum @ squares["right"]
    found = of_all(net, x)
    torch.testing.assert_close(found["left"], h_sum.T @ hidden.square() / 6)
    torch.testing.assert_close(found["right"], found["left"])
    torch.testing.assert_close(found["first"], (h_hidden * (a > 0)).T @ x.square() / 6)


def small() -> nn.Sequential:
    """Convolutions, batch norm, pooling and a classifier: 108, 324 and 18 weights."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(6, 6, 3, padding=1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3),
    )  # fmt: skip
    return net.double()


def test_images_add_up() -> None:
    net, x = small(), drawn(7, 2, 6, 6)
    parts = [of_all(net, image[None]) for image in x]
    for name, h in of_all(net, x[:2], x[2:]).items():
        torch.testing.assert_close(h, torch.stack([part[name] for part in parts]).mean(0))


def test_deeper_it_orders_weights_much_as_the_exact_diagonal_does() -> None:
    """An approximation there, the rougher the farther from the output: terms between units and between pixels are left
    out. What is pruned depends on the order alone."""
    net, x, labels = small(), drawn(32, 2, 6, 6), torch.arange(32) % 3
    found = of_all(net, x)
    net.eval()
    for name, least in (("4", 0.8), ("0", 0.4)):
        expected = exact(net, name, lambda logits: F.cross_entropy(logits, labels), x)
        ranks = torch.stack([found[name].flatten().argsort().argsort(), expected.flatten().argsort().argsort()])
        assert torch.corrcoef(ranks.double())[0, 1] > least, name


def test_saliency_is_the_rise_of_the_loss() -> None:
    """Of a twentieth of a weight, once taken and once added: so the gradient, nothing at a minimum, cancels."""
    net, x, labels = mlp(0, 5, 6, 4), drawn(64, 5), torch.arange(64) % 4
    found = saliency(net, select(net, ["2"]), [x])["2"]
    weight = net[2].weight.data  # type: ignore[union-attr]

    def loss() -> float:
        with torch.no_grad():
            return float(F.cross_entropy(net(x), labels))

    before = loss()
    for index in ((0, 0), (1, 3), (3, 5)):
        held, share = float(weight[index]), 0.05  # type: ignore[index]
        measured = 0.0
        for sign in (-1, 1):
            weight[index] = held * (1 + sign * share)  # type: ignore[index]
            measured += (loss() - before) / 2
        weight[index] = held  # type: ignore[index]
        assert measured == pytest.approx(float(found[index]) * share**2, rel=0.01)


def test_a_layer_that_is_certain_of_its_class_still_has_second_derivatives() -> None:
    h = cross_entropy_curvature(torch.tensor([[20.0, 0.0, 0.0]]))
    expected = 2 * torch.tensor(-20.0).exp()
    torch.testing.assert_close(h[0, 0], expected, rtol=1e-5, atol=0.0)


def test_deleting_by_saliency_costs_less_than_by_magnitude() -> None:
    """The paper's Figure 1, on a net trained for a moment on inputs of many scales."""
    generator = torch.Generator().manual_seed(0)
    scales = torch.logspace(-1.5, 1, 12, dtype=torch.float64)
    x = torch.randn(400, 12, generator=generator, dtype=torch.float64) * scales
    labels = ((x / scales) @ torch.randn(12, 3, generator=generator, dtype=torch.float64)).argmax(1)
    net = mlp(0, 12, 16, 3)
    optimizer = torch.optim.Adam(net.parameters(), 0.02)
    for _ in range(300):
        optimizer.zero_grad()
        F.cross_entropy(net(x), labels).backward()
        optimizer.step()

    @torch.no_grad()
    def loss_of(made: nn.Module) -> float:
        return float(F.cross_entropy(made(x), labels))

    def rise(kind: str) -> float:
        made = deepcopy(net)
        prune_round(made, PruneOptions(density=0.6, scope="global", saliency=kind), 1, [x])  # type: ignore[arg-type]
        assert sum(int(weight_of(layer).count_nonzero()) for layer in (made[0], made[2])) == round(0.6 * 240)
        return loss_of(made) - loss_of(net)

    assert 0 < rise("obd") < 0.5 * rise("magnitude")


def test_in_later_rounds_what_is_pruned_stays_pruned() -> None:
    net, x = mlp(0, 6, 8, 3), drawn(20, 6)
    masks: list[Tensor] = []
    for number in (1, 2):
        prune_round(net, PruneOptions(density=0.25, layers=["0"], saliency="obd", rounds=2), number, [x])
        mask = mask_of(net[0])
        assert mask is not None
        masks.append(mask)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.add_(drawn(*parameter.shape, seed=number))
    assert [int(mask.sum()) for mask in masks] == [24, 12]
    assert (masks[1] <= masks[0]).all()


def test_batch_norm_counts_as_folded() -> None:
    """Saliencies of the net as it is are those of the net with batch norm folded into its convolutions."""
    net = settled(MobileNetV1(width=0.25, num_classes=5)).double()
    images = drawn(2, 3, 64, 64)
    folded = deepcopy(net)
    assert len(fold(folded)) == 27
    expected = saliency(folded, select(folded, ["*"]), [images])
    for name, found in saliency(net, select(net, ["*"]), [images]).items():
        torch.testing.assert_close(found, expected[name], rtol=1e-6, atol=0.0)
        assert found.max() > 0


@pytest.mark.parametrize(
    "make",
    [
        SqueezeNet,
        lambda: SqueezeNet(bypass="complex"),
        AlexNet,
        MobileNetV1,
        MobileNetV2,
        ShuffleNetV1,
        ShuffleNetV2,
        PeleeNet,
        lambda: PeleeNet(no_compression=False, post_activation=False, stem_block=False, two_way=False),
    ],
)
def test_our_nets_have_no_operation_it_does_not_know(make: Callable[[], nn.Module]) -> None:
    with torch.device("meta"):
        net, images = make(), torch.zeros(2, 3, 64, 64)
    layers = select(net, ["*"])
    found = saliency(net, layers, [images])
    assert {name: h.shape for name, h in found.items()} == {
        name: weight_of(layer).shape for name, layer in layers.items()
    }


@pytest.mark.parametrize(
    ("between", "named"),
    [
        (nn.Sigmoid(), "Sigmoid"),
        (nn.LocalResponseNorm(3), r"\w+"),
        (nn.ConvTranspose2d(4, 4, 3), "Convolution"),
        (nn.GELU(), "Gelu"),
    ],
)
def test_an_operation_that_it_does_not_know_is_named(between: nn.Module, named: str) -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), between, nn.Flatten())
    with pytest.raises(UserError, match=f"saliency=obd: knows no second derivatives of {named} in Sequential"):
        of_all(net, torch.randn(1, 1, 6, 6))


@pytest.mark.parametrize("pool", [nn.AvgPool2d(2, ceil_mode=True), nn.AvgPool2d(3, 1, 1, count_include_pad=False)])
def test_average_pooling_with_windows_of_several_sizes_is_refused(pool: nn.Module) -> None:
    with pytest.raises(UserError, match="windows of one size"):
        of_all(nn.Sequential(nn.Conv2d(1, 2, 1), pool, nn.Flatten()), torch.randn(1, 1, 5, 5))


def test_no_images_are_an_error() -> None:
    with pytest.raises(UserError, match="got no images"):
        of_all(mlp(0, 2, 2))


def test_the_net_is_left_as_it_was() -> None:
    net, x = small().train(), drawn(2, 2, 6, 6)
    net[1].eval()
    state = {name: value.clone() for name, value in net.state_dict().items()}
    of_all(net, x)
    assert [module.training for module in net] == [name != 1 for name in range(len(net))]
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())
    logits = net(x)
    assert not any(module._forward_hooks for module in net.modules())
    assert "Squares" not in str(logits.grad_fn)


def test_only_the_layers_asked_for() -> None:
    net, x = mlp(0, 5, 7, 3), drawn(9, 5)
    found = curvature(net, select(net, ["0"]), [x])
    assert list(found) == ["0"]
    torch.testing.assert_close(found["0"], of_all(net, x)["0"])
