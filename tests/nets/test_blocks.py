"""Convolutions of tiny maps against nn.Conv2d, the channel shuffle by hand, the checks of arguments."""

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.utils.flop_counter import FlopCounterMode

from lightning_modules.errors import UserError
from lightning_modules.nets import tiny_maps
from lightning_modules.nets.blocks import (
    DepthwiseConv2d,
    PointwiseConv2d,
    channel_shuffle,
    check_multiplier,
    check_sizes,
)

LAYOUTS = [torch.channels_last, torch.contiguous_format]
SIZES = [(1, 1), (2, 2), (3, 3), (4, 4), (1, 2), (2, 1), (1, 3), (2, 7), (5, 2)]


def plain(convolution: nn.Conv2d) -> nn.Conv2d:
    """PyTorch's, with the same weights."""
    twin = copy.deepcopy(convolution)
    twin.__class__ = nn.Conv2d
    return twin


def results(convolution: nn.Conv2d, x: Tensor) -> dict[str, Tensor]:
    """The output and all gradients, for an output gradient that differs in each place."""
    x = x.detach().requires_grad_()
    y = convolution(x)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    names = ["x", *(name for name, _ in convolution.named_parameters())]
    found = torch.autograd.grad((y * weights).sum(), [x, *convolution.parameters()])
    return {"y": y.detach(), **dict(zip(names, found, strict=True))}


def assert_same(convolution: nn.Conv2d, x: Tensor) -> None:
    found, expected = results(convolution, x), results(plain(convolution), x)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].shape == value.shape
        assert bool(value.any()), name
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-5, msg=lambda text, name=name: name + text)


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("kernel_size", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_depthwise_is_pytorchs(
    size: tuple[int, int], stride: int, kernel_size: int, layout: torch.memory_format
) -> None:
    convolution = DepthwiseConv2d(8, kernel_size, stride, bias=True)
    assert_same(convolution, noise(4, 8, *size).contiguous(memory_format=layout))


@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise_outputs_and_input_gradients_are_pytorchs_to_the_bit(stride: int) -> None:
    convolution, x = DepthwiseConv2d(16, stride=stride), noise(4, 16, 2, 2)
    found, expected = results(convolution, x), results(plain(convolution), x)
    assert torch.equal(found["y"], expected["y"])
    assert torch.equal(found["x"], expected["x"])


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_pointwise_is_pytorchs(size: tuple[int, int], bias: bool, layout: torch.memory_format) -> None:
    assert_same(PointwiseConv2d(6, 10, bias=bias), noise(4, 6, *size).contiguous(memory_format=layout))


def test_both_keep_the_layout() -> None:
    for convolution in (DepthwiseConv2d(8), PointwiseConv2d(8, 8)):
        y = convolution(noise(4, 8, 2, 2).contiguous(memory_format=torch.channels_last))
        assert y.is_contiguous(memory_format=torch.channels_last)
        assert not y.is_contiguous()


@pytest.mark.parametrize(("size", "stride"), [(1, 1), (2, 1), (1, 2), (3, 2)])
def test_depthwise_can_be_differentiated_twice(size: int, stride: int) -> None:
    convolution = DepthwiseConv2d(2, stride=stride).double()

    def output(x: Tensor, weight: Tensor) -> Tensor:
        return torch.func.functional_call(convolution, {"weight": weight}, (x,))

    inputs = (torch.randn(2, 2, size, size).double().requires_grad_(), convolution.weight)
    assert gradcheck(output, inputs)
    assert gradgradcheck(output, inputs)


def test_a_frozen_weight_or_an_input_without_gradient() -> None:
    convolution = DepthwiseConv2d(4)
    convolution(noise(2, 4, 2, 2)).sum().backward()
    assert convolution.weight.grad is not None
    frozen = DepthwiseConv2d(4).requires_grad_(False)
    x = noise(2, 4, 2, 2).requires_grad_()
    frozen(x).sum().backward()
    assert x.grad is not None
    assert frozen.weight.grad is None


def test_same_parameters_and_initialisation_as_pytorchs() -> None:
    pairs = [
        (lambda: DepthwiseConv2d(8, stride=2), lambda: nn.Conv2d(8, 8, 3, 2, 1, groups=8, bias=False)),
        (lambda: PointwiseConv2d(8, 4), lambda: nn.Conv2d(8, 4, 1, bias=False)),
    ]
    for ours, theirs in pairs:
        made = []
        for make in (ours, theirs):
            torch.manual_seed(0)
            made.append(make())
        assert isinstance(made[0], nn.Conv2d)
        assert list(made[0].state_dict()) == list(made[1].state_dict()) == ["weight"]
        assert torch.equal(made[0].weight, made[1].weight)


@pytest.mark.parametrize(("stride", "tiny", "larger"), [(1, 2, 3), (2, 3, 4)])
def test_the_maps_size_alone_chooses_the_form(
    stride: int, tiny: int, larger: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[int] = []
    own = tiny_maps.weight_gradient
    monkeypatch.setattr(tiny_maps, "weight_gradient", lambda x, *rest: used.append(x.shape[2]) or own(x, *rest))
    for size in (tiny, larger):
        DepthwiseConv2d(4, stride=stride)(noise(2, 4, size, size)).sum().backward()
    assert used == [tiny]


@pytest.mark.parametrize("form", [DepthwiseConv2d(4), PointwiseConv2d(4, 4)], ids=["depthwise", "pointwise"])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_the_flop_counter_sees_the_convolution(form: nn.Conv2d, device: str) -> None:
    form, x = copy.deepcopy(form).to(device), torch.zeros(3, 4, 2, 2, device=device)
    with FlopCounterMode(display=False) as ours:
        form(x)
    with FlopCounterMode(display=False) as theirs:
        plain(form)(x)
    assert ours.get_total_flops() == theirs.get_total_flops() > 0


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:.*torch.jit:FutureWarning")
@pytest.mark.parametrize("form", [DepthwiseConv2d(4), PointwiseConv2d(4, 4)], ids=["depthwise", "pointwise"])
def test_a_traced_or_exported_graph_has_a_plain_convolution(form: nn.Conv2d) -> None:
    x = noise(2, 4, 2, 2).contiguous(memory_format=torch.channels_last)
    traced: Any = torch.jit.trace(form, x)
    assert "aten::_convolution" in str(traced.inlined_graph)
    assert "permute" not in str(traced.inlined_graph)
    targets = [str(node.target) for node in torch.export.export(form, (x,)).graph.nodes if node.op == "call_function"]
    assert targets == ["aten.conv2d.default"]


@pytest.mark.parametrize("form", [DepthwiseConv2d(4), PointwiseConv2d(4, 4)], ids=["depthwise", "pointwise"])
def test_mixed_precision_is_pytorchs(form: nn.Conv2d) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        found, expected = form(noise(2, 4, 2, 2)), plain(form)(noise(2, 4, 2, 2))
    found.float().sum().backward()
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, expected)


def test_channel_shuffle_deals_the_groups_out() -> None:
    x = torch.arange(6.0).view(1, 6, 1, 1).expand(2, 6, 3, 2)
    assert channel_shuffle(x, 2)[1, :, 2, 0].tolist() == [0, 3, 1, 4, 2, 5]
    assert channel_shuffle(x, 3)[0, :, 0, 1].tolist() == [0, 2, 4, 1, 3, 5]
    assert torch.equal(channel_shuffle(channel_shuffle(x, 2), 3), x)


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_a_multiplier_must_be_a_number_above_0(value: float) -> None:
    check_multiplier("arch.width", 0.01)
    with pytest.raises(UserError, match=rf"^arch\.width={value}: must be a number above 0$"):
        check_multiplier("arch.width", value)


def test_sizes_must_be_1_or_more() -> None:
    check_sizes(1, 1)
    with pytest.raises(UserError, match=r"^num_classes=0: must be 1 or more$"):
        check_sizes(0, 1)
    with pytest.raises(UserError, match=r"^in_channels=-1: must be 1 or more$"):
        check_sizes(1, -1)
