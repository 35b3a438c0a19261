"""Folded nets compute what they did."""

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from lightning_modules.compression.batch_norm_folding import fold, foldable
from lightning_modules.compression.pruning import PruneOptions, mask_of, prune_round
from lightning_modules.errors import UserError
from lightning_modules.nets.mobilenet_v1 import MobileNetV1
from lightning_modules.nets.mobilenet_v2 import MobileNetV2
from lightning_modules.nets.peleenet import PeleeNet
from lightning_modules.nets.shufflenet_v1 import ShuffleNetV1
from lightning_modules.nets.shufflenet_v2 import ShuffleNetV2
from lightning_modules.nets.squeezenet import SqueezeNet
from tests.nets.against import images, randomised, settled


def norms(net: nn.Module) -> list[str]:
    return [name for name, module in net.named_modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]


def outputs(net: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        return net.eval()(x)


@pytest.mark.parametrize(
    "make",
    [
        lambda: MobileNetV1(width=0.25, num_classes=10),
        lambda: MobileNetV2(width=0.35, num_classes=10),
        lambda: ShuffleNetV1(scale=0.5, num_classes=10),
        lambda: ShuffleNetV2(scale=0.5, num_classes=10),
        lambda: PeleeNet(growth_rate=8, num_classes=10),
    ],
    ids=["mobilenet_v1", "mobilenet_v2", "shufflenet_v1", "shufflenet_v2", "peleenet"],
)
def test_our_nets_compute_the_same_without_batch_norm(make: Callable[[], nn.Module]) -> None:
    """In double precision; in single within 1e-5 of that, relative to the largest logit."""
    net, x = settled(make()).double(), images(64, seed=1).double()
    single = randomised(make())
    expected, expected_single = outputs(net, x), outputs(deepcopy(single).double(), x)
    had, layers = norms(net), dict(net.named_modules())
    folded = fold(net)
    assert sorted(folded.values()) == sorted(had)
    assert len(had) > 20
    assert norms(net) == []
    assert list(dict(net.named_modules())) == list(layers)
    torch.testing.assert_close(outputs(net, x), expected, rtol=1e-9, atol=1e-9)
    assert float(expected.std()) > 0.01
    fold(single)
    error = (outputs(single, x.float()) - expected_single).abs().max()
    assert float(error) < 1e-5 * float(expected_single.abs().max())


def test_what_comes_before_its_convolution_stays() -> None:
    """DenseNet-41: batch norm, ReLU, convolution; some norms read a convolution all the same, that of two in a way."""
    torch.manual_seed(0)
    made = PeleeNet(growth_rate=8, post_activation=False, stem_block=False, two_way=False, num_classes=10)
    net, x = settled(made).double(), images(64, seed=1).double()
    expected, had = outputs(net, x), norms(net)
    folded = fold(net)
    assert 0 < len(folded) < len(had)
    assert set(norms(net)) == set(had) - set(folded.values())
    torch.testing.assert_close(outputs(net, x), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("layer", "norm", "shape"),
    [
        (nn.Linear(6, 4), nn.BatchNorm1d(4), (5, 6)),
        (nn.Conv1d(6, 4, 3), nn.BatchNorm1d(4), (5, 6, 8)),
        (nn.Conv2d(6, 4, 3, groups=2, bias=False), nn.BatchNorm2d(4, affine=False), (5, 6, 8, 8)),
    ],
)
def test_other_layers(layer: nn.Module, norm: nn.Module, shape: tuple[int, ...]) -> None:
    net, x = nn.Sequential(layer, norm), torch.randn(shape)
    norm.running_mean.uniform_(-1, 1)  # type: ignore[operator,union-attr]
    norm.running_var.uniform_(0.5, 2)  # type: ignore[operator,union-attr]
    expected = outputs(net, x)
    assert fold(net) == {"0": "1"}
    torch.testing.assert_close(outputs(net, x), expected, rtol=1e-5, atol=1e-5)


class Twice(nn.Module):
    """Batch norm is not the only one to read the convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return self.bn(x) + x


class Again(Twice):
    """One convolution, called twice."""

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(self.conv(x)))


@pytest.mark.parametrize("kind", [Twice, Again])
def test_a_convolution_with_other_readers_is_left_alone(kind: type[Twice]) -> None:
    net = kind()
    assert foldable(net) == {}
    assert fold(net) == {}
    assert isinstance(net.bn, nn.BatchNorm2d)


def test_without_running_statistics_it_is_left_alone() -> None:
    assert foldable(nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2, track_running_stats=False))) == {}


def test_a_net_without_batch_norm() -> None:
    assert fold(SqueezeNet()) == {}


def test_a_pruned_layer_stays_pruned() -> None:
    net, x = settled(MobileNetV1(width=0.25, num_classes=10)).double(), images(64).double()
    prune_round(net, PruneOptions(density=0.5), 1)
    masks = {name: mask_of(module) for name, module in net.named_modules() if mask_of(module) is not None}
    expected = outputs(net, x)
    fold(net)
    assert norms(net) == []
    for name, mask in masks.items():
        found = mask_of(net.get_submodule(name))
        assert found is not None and mask is not None
        assert torch.equal(found, mask)
    torch.testing.assert_close(outputs(net, x), expected, rtol=1e-9, atol=1e-9)


class Doubled(nn.Module):
    def forward(self, original: Tensor) -> Tensor:
        return 2 * original


def test_a_weight_of_another_form_is_not_folded_into() -> None:
    net = nn.Sequential(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2))
    parametrize.register_parametrization(net[0], "weight", Doubled())
    before = deepcopy(net.state_dict())
    with pytest.raises(UserError, match="0: batch norm can't be folded into weights that are shared or quantized"):
        fold(net)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
