"""XNOR-Net: binary weights, their gradient, binary inputs with K, and which layers of our nets become so."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from lightning_modules.classifier import ImageClassifier
from lightning_modules.compression.forms import Binary, Dense
from lightning_modules.compression.xnor import (
    BinaryWeight,
    XnorBlock,
    XnorOptions,
    binarise,
    binary,
    hidden_layers,
    input_scale,
    memory_saving,
    restructure,
    sign,
)
from lightning_modules.errors import UserError
from lightning_modules.nets.alexnet import AlexNet
from lightning_modules.nets.blocks import DepthwiseConv2d
from lightning_modules.nets.mobilenet_v1 import MobileNetV1
from lightning_modules.nets.squeezenet import SqueezeNet
from lightning_modules.training import train_and_test
from tests import tiny
from tests.nets.against import paper, randomised


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def plain_net() -> nn.Sequential:
    """Four layers, of which two are between the first and the last; as our nets: with a bias, and with batch norm."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(inplace=True),
        DepthwiseConv2d(8), nn.BatchNorm2d(8), nn.ReLU(inplace=True),
        nn.Flatten(), nn.Linear(8 * 4 * 4, tiny.CLASSES),
    )  # fmt: skip


# Weights


def test_a_filter_is_its_signs_times_its_mean_absolute_weight() -> None:
    weight = torch.tensor([[[[1.0, -3.0]]], [[[0.0, -0.5]]]])
    form = binary(weight)
    assert form.positive.flatten().tolist() == [True, False, True, False]  # sign(0) is +1
    assert form.scale.tolist() == [2.0, 0.25]
    assert form.decoded().flatten().tolist() == [2.0, -2.0, 0.25, -0.25]


def test_no_other_binary_filter_is_nearer() -> None:
    weight = normal(5, 2, 3, 3)
    form = binary(weight)

    def distance(held: Binary) -> Tensor:
        return (held.decoded() - weight).square().sum((1, 2, 3))

    least = distance(form)
    for factor in (0.98, 1.02):
        assert bool((distance(Binary(form.positive, form.scale * factor)) > least).all())
    for tap in range(form.positive[0].numel()):
        flipped = form.positive.clone()
        flipped.view(5, -1)[:, tap] ^= True
        assert bool((distance(Binary(flipped, form.scale)) > least).all())


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_layer_works_with_what_the_file_holds(layout: torch.memory_format) -> None:
    layer = nn.Conv2d(5, 7, 3).to(memory_format=layout)
    real = layer.weight.detach().clone()
    parametrization = BinaryWeight()
    parametrize.register_parametrization(layer, "weight", parametrization)
    original: Any = layer.parametrizations.weight.original  # type: ignore[union-attr]
    assert torch.equal(original, real)
    form = parametrization.form(original)
    assert torch.equal(form.decoded(), layer.weight)
    assert not form.scale.requires_grad


def test_the_gradient_is_the_papers() -> None:
    """dC/dW = dC/dW~ (1/n + alpha where |W| <= 1)."""
    weight = torch.tensor([[0.5, -1.5], [1.0, 0.0], [-3.0, 2.0]], requires_grad=True)
    into = torch.tensor([[2.0, 2.0], [1.0, -1.0], [4.0, 4.0]])
    BinaryWeight()(weight).backward(into)
    assert weight.grad is not None
    expected = [[2 * (0.5 + 1), 2 * 0.5], [0.5 + 0.5, -(0.5 + 0.5)], [4 * 0.5, 4 * 0.5]]
    assert weight.grad.tolist() == expected


# Inputs


def test_the_sign_and_its_gradient() -> None:
    x = torch.tensor([-2.0, -1.0, -0.3, -0.0, 0.0, 0.7, 1.0, 1.1], requires_grad=True)
    y = sign(x)
    assert y.tolist() == [-1, -1, -1, 1, 1, 1, 1, 1]
    y.backward(torch.arange(1.0, 9.0))
    assert x.grad is not None
    assert x.grad.tolist() == [0, 2, 3, 4, 5, 6, 7, 0]


LAYERS = {
    "3x3": nn.Conv2d(6, 4, 3, padding=1),
    "1x1": nn.Conv2d(6, 4, 1),
    "strided": nn.Conv2d(6, 4, (3, 2), stride=(2, 1), padding=(1, 0)),
    "dilated": nn.Conv2d(6, 4, 3, padding=2, dilation=2),
    "grouped": nn.Conv2d(6, 4, 3, padding=1, groups=2),
    "depthwise": DepthwiseConv2d(6, stride=2),
}


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_k_is_the_mean_of_absolute_inputs_that_a_filter_sees(layer: nn.Conv2d) -> None:
    """Against a filter of equal weights over them, which is independent of the box filter and of its groups."""
    x = normal(2, 6, 7, 5)
    expected = F.conv2d(
        x.abs(), torch.full_like(layer.weight, 1 / layer.weight[0].numel()), None,
        layer.stride, layer.padding, layer.dilation, layer.groups,
    )  # fmt: skip
    found = input_scale(x, layer)
    assert found.shape[1] == (1 if layer.groups == 1 else layer.out_channels)
    torch.testing.assert_close(found.expand_as(expected), expected)


def test_k_of_a_linear_layer_is_the_examples_mean() -> None:
    x = torch.tensor([[1.0, -3.0], [0.0, 0.5]])
    assert input_scale(x, nn.Linear(2, 9)).tolist() == [[2.0], [0.25]]


def test_where_all_are_alike_but_for_their_signs_the_block_is_the_float_convolution() -> None:
    """|I| = 0.7 and |W| = 0.2 everywhere, without padding: K and alpha lose nothing."""
    layer = nn.Conv2d(6, 4, 3)
    with torch.no_grad():
        layer.weight.copy_(sign(layer.weight) * 0.2)
        x = sign(normal(2, 6, 7, 5)) * 0.7
        expected = layer(x)
    parametrize.register_parametrization(layer, "weight", BinaryWeight())
    block = XnorBlock(layer)
    block.norm = nn.Identity()  # type: ignore[assignment]
    torch.testing.assert_close(block(x), expected)


def test_a_block_is_norm_then_sign_then_layer_then_k_then_bias() -> None:
    layer = nn.Conv2d(6, 4, 3, padding=1)
    bias = layer.bias.detach().clone()  # type: ignore[union-attr]
    parametrize.register_parametrization(layer, "weight", BinaryWeight())
    block = XnorBlock(layer)
    randomised(block)
    with torch.no_grad():
        block.bias.copy_(bias)  # type: ignore[union-attr]
    seen: list[Tensor] = []
    layer.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
    x = normal(2, 6, 5, 5)
    found = block(x)
    normed = block.norm(x)
    assert torch.equal(seen[0], torch.where(normed >= 0, 1.0, -1.0))
    box = F.avg_pool2d(normed.abs().mean(1, keepdim=True), 3, stride=1, padding=1)
    signs = F.conv2d(seen[0], torch.where(layer.weight >= 0, 1.0, -1.0), padding=1)
    alpha = layer.parametrizations.weight.original.abs().mean((1, 2, 3))[:, None, None]  # type: ignore[union-attr]
    torch.testing.assert_close(found, signs * box * alpha + bias[:, None, None])
    assert block.norm.weight.shape == (6,)


# Nets


def test_all_but_the_first_and_the_last_layer_of_squeezenet() -> None:
    with torch.device("meta"):
        net = SqueezeNet(bypass="complex")
    names = [name for name, module in net.named_modules() if isinstance(module, nn.Conv2d)]
    assert (names[0], names[-1], len(names)) == ("layers.conv1", "layers.conv10", 30)
    assert list(hidden_layers(net)) == names[1:-1]
    binarise(net, activations=False)
    binary_layers = [name for name, module in net.named_modules() if parametrize.is_parametrized(module)]
    assert binary_layers == [f"{name}.layer" for name in names[1:-1]]
    assert not any(isinstance(module, XnorBlock) for module in net.modules())


def test_both_nets_have_the_same_batch_norm_before_each_binary_layer() -> None:
    nets = [plain_net(), plain_net()]
    for net, activations in zip(nets, (False, True), strict=True):
        binarise(net, activations)
    shapes = [
        {name: tuple(tensor.shape) for name, tensor in net.state_dict().items() if ".norm." in name} for net in nets
    ]
    assert shapes[0] == shapes[1] and shapes[0]
    x = normal(4, 1, 8, 8)
    seen: list[Tensor] = []
    block = next(module for module in nets[0].modules() if isinstance(getattr(module, "norm", None), nn.BatchNorm2d))
    block.layer.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))  # type: ignore[union-attr]
    nets[0](x)  # in training
    torch.testing.assert_close(seen[0].mean((0, 2, 3)), torch.zeros(seen[0].shape[1]), atol=1e-5, rtol=0)
    assert len(seen[0].unique()) > 2, "its inputs are real numbers"


def test_linear_layers_between_are_binary_and_the_first_and_last_are_not() -> None:
    with torch.device("meta"):
        net = AlexNet()
    first, *between, last = [module for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    binarise(net, activations=True)
    assert any(isinstance(layer, nn.Linear) for layer in between)
    assert all(parametrize.is_parametrized(layer) for layer in between)
    assert not parametrize.is_parametrized(first) and not parametrize.is_parametrized(last)
    assert net(torch.zeros(2, 3, 227, 227, device="meta")).shape == (2, 1000)


@pytest.mark.parametrize("net_class", [SqueezeNet, MobileNetV1])
def test_every_binary_layer_of_a_net_sees_signs_and_has_two_weights_a_filter(net_class: type[nn.Module]) -> None:
    torch.manual_seed(0)
    narrow: dict[str, Any] = {"width": 0.25} if net_class is MobileNetV1 else {"base_e": 16, "incr_e": 16}
    net = net_class(num_classes=4, stem="small", **narrow).eval()
    plain = list(hidden_layers(net))
    binarise(net, activations=True)
    blocks = {name: module for name, module in net.named_modules() if isinstance(module, XnorBlock)}
    assert list(blocks) == plain
    inputs: dict[str, set[float]] = {}

    def note(name: str) -> Callable[..., None]:
        return lambda layer, given: inputs.__setitem__(name, set(given[0].unique().tolist()))

    for name, block in blocks.items():
        block.layer.register_forward_pre_hook(note(name))
    with torch.no_grad():
        assert net(normal(2, 3, 32, 32)).shape == (2, 4)
    assert list(inputs) == plain
    for name, block in blocks.items():
        assert inputs[name] <= {-1.0, 1.0}
        size = block.layer.weight.flatten(1).abs()  # type: ignore[union-attr,operator]
        assert torch.equal(size.amin(1), size.amax(1))
    if net_class is MobileNetV1:
        assert sum(isinstance(block.layer, DepthwiseConv2d) for block in blocks.values()) == 13


@pytest.mark.parametrize("activations", [False, True])
def test_a_plain_net_rebuilt_and_given_the_decoded_weights_is_the_same(activations: bool) -> None:
    torch.manual_seed(0)
    net = plain_net()
    bare = copy.deepcopy(net)
    description = binarise(net, activations)
    net(normal(16, 1, 8, 8))  # statistics of batch norm
    net.eval()
    assert description == {"method": "xnor", "activations": activations}
    held = {
        name.replace(".parametrizations", "").removesuffix(".original"): tensor
        for name, tensor in net.state_dict().items()
    }
    for name, layer in net.named_modules():
        if parametrize.is_parametrized(layer):
            chain = layer.parametrizations.weight  # type: ignore[union-attr]
            held[f"{name}.weight"] = chain[0].form(chain.original).decoded()  # type: ignore[operator,index]
    restructure(bare, description)
    bare.eval().load_state_dict(held)
    x = normal(4, 1, 8, 8, seed=1)
    with torch.no_grad():
        assert torch.equal(bare(x), net(x))


@pytest.mark.parametrize("activations", [False, True])
def test_training_moves_the_real_weights_and_keeps_the_binary_ones_binary(activations: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = plain_net()
    binarise(net, activations)
    before = {name: parameter.detach().clone() for name, parameter in net.named_parameters()}
    module = ImageClassifier(net, tiny.recipe(lr=0.02), tiny.CLASSES, "channels_last", 0)
    outcome = train_and_test(module, tiny.data(), 1, None, tiny.WHERE, tmp_path, None, lambda progress: None)
    assert outcome.status == "done"
    assert all(not torch.equal(parameter, before[name]) for name, parameter in net.named_parameters())
    for layer in net.modules():
        if parametrize.is_parametrized(layer):
            size = layer.weight.flatten(1).abs()  # type: ignore[union-attr,operator]
            assert torch.equal(size.amin(1), size.amax(1))


# Mistakes


def test_a_net_without_a_layer_between() -> None:
    with pytest.raises(UserError, match=r"xnor: Net has 2 layers; the first and the last stay real"):
        binarise(tiny.Net(), activations=True)


def test_a_compressed_layer_is_refused_before_anything_is_changed() -> None:
    net = plain_net()
    parametrize.register_parametrization(net[5], "weight", nn.Identity())
    with pytest.raises(UserError, match=r"xnor: 5 is compressed already; let xnor be the first such step"):
        binarise(net, activations=True)
    assert not parametrize.is_parametrized(net[3]) and not isinstance(net[3], XnorBlock)


@pytest.mark.parametrize(
    "description", [{}, {"method": "xnor"}, {"method": "svd"}, {"method": "xnor", "activations": 3}]
)
def test_a_structure_that_is_not_ours(description: dict[str, object]) -> None:
    with pytest.raises(UserError, match="not a structure of method xnor"):
        restructure(plain_net(), description)


def test_an_option_that_is_neither_true_nor_false() -> None:
    assert XnorOptions().activations is True
    with pytest.raises(UserError, match=r"compression.steps: activations=2: must be true or false"):
        XnorOptions(activations=2)  # type: ignore[arg-type]


# Memory


def test_memory_falls_about_32_times() -> None:
    """Less by what the filters' alphas take: 32 bits for c N_W weights of one bit."""
    published = paper("xnor_net")["efficiency"]
    channels, area = published["default_setting"]["c"], published["default_setting"]["n_w"]
    form = binary(normal(16, channels, 3, 3))
    assert form.positive[0].numel() == channels * area
    found = memory_saving([form])
    assert found == pytest.approx(32 / (1 + 32 / (channels * area)))
    assert 0.98 * published["memory_saving"] < found < published["memory_saving"]
    assert memory_saving([Dense(torch.zeros(5))]) == 1
    assert memory_saving([form, Dense(form.decoded())]) == pytest.approx(2 / (1 + 1 / found))
