"""XNOR-Net: layers whose weights have one bit (BWN), or whose weights and inputs have one bit each (XNOR).

Rastegari et al., 2016, arXiv:1603.05279: section 3.1 (binary weights, Algorithm 1), section 3.2 (binary inputs, the
scale K, the order of a block), Table 3 (why that order). Where this differs from the authors' Torch code, it says so:

- sign(0) is +1, of weights and of inputs: a bit has no third value (Torch's, in their code, is 0).
- The real weights are neither clamped nor centred. Algorithm 1 does neither; their code does both before each step
  (to [-1, 1], and to mean zero over a filter's input channels).
- The gradient of a weight is the paper's. Their code multiplies it by n (1 - 1/c) for c input channels, a number a layer,
  which Adam's step does not notice and SGD's does.
- K has a gradient, as alpha has in the paper's rule. Their released code has no K at all; the paper finds it worth less
  than a point of accuracy.
- Groups: each filter sees its own group's channels, so K is a mean over these. In a depthwise convolution that is one
  channel: K is a box filter over |I|, and alpha the mean of the k x k weights of a channel.
- The first and the last layer stay real (section 4.1), and all biases.
- Both nets have a batch norm before each binary layer. The paper trains both with batch norm, AlexNet's having none of
  its own; so the two differ in the inputs' bits alone, whatever the net.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from lightning_modules.compression.forms import Binary, Dense
from lightning_modules.compression.selection import select
from lightning_modules.errors import UserError

NORM_EPS = 1e-4  # of the batch norm before a binary layer, in the authors' alexnetxnor.lua
FLOAT_BITS = 32


@dataclass(frozen=True)
class XnorOptions:
    """The options of a step. ``activations``: binary inputs, too (XNOR); without them it is BWN."""

    activations: bool = True

    def __post_init__(self):
        if not isinstance(self.activations, bool):
            raise UserError(f"compression.steps: activations={self.activations}: must be true or false")

    def layers_of(self, net: nn.Module) -> dict[str, nn.Module]:
        """Raises UserError: as ``hidden_layers``."""
        return hidden_layers(net)


def binary(weight: Tensor) -> Binary:
    """The binary filters nearest to real ones (equations 4 and 6): sign(W), and alpha = mean |W| of each filter."""
    return Binary(weight >= 0, weight.abs().mean(tuple(range(1, weight.ndim))))


class BinaryWeight(nn.Module):
    """A parametrization: real weights (out, ...) that are trained -> sign(W) * alpha, which the layer works with.

    Its gradient is the paper's (section 3.1): dC/dW = dC/dW~ * (1/n + alpha * [|W| <= 1]), n the weights of a filter.
    """

    def forward(self, original: Tensor) -> Tensor:
        return _BinaryWeight.apply(original)  # type: ignore[return-value]

    def form(self, original: Tensor) -> Binary:
        return binary(original.detach())


def sign(x: Tensor) -> Tensor:
    """+1 where x >= 0, else -1, of any shape; the gradient passes straight through where |x| <= 1 (section 3.1)."""
    return _Sign.apply(x)  # type: ignore[return-value]


def input_scale(x: Tensor, layer: nn.Module) -> Tensor:
    """K: the mean of |I| under a layer's kernel at each of its outputs (section 3.2), zeros for the padding.

    Of a convolution's input (N, C, H, W): (N, 1, h, w), and with groups (N, out_channels, h, w). Of a linear layer's
    (N, C): (N, 1).
    """
    if not isinstance(layer, nn.Conv2d):
        return x.abs().mean(1, keepdim=True)
    groups = layer.groups
    means = x.abs().unflatten(1, (groups, -1)).mean(2)  # the paper's A, for each group
    box = means.new_full((groups, 1, *layer.kernel_size), 1 / (layer.kernel_size[0] * layer.kernel_size[1]))
    scale = F.conv2d(means, box, None, layer.stride, layer.padding, layer.dilation, groups)
    return scale if groups == 1 else scale.repeat_interleave(layer.out_channels // groups, dim=1)


class XnorBlock(nn.Module):
    """Batch norm, sign, then a layer whose output is multiplied by K: the paper's B - A - C. Shapes are the layer's.

    The layer's bias moves here, behind K. What follows in the net (a ReLU, a pool, its own batch norm) stays where it
    is: section 3.2 allows a real activation such as ReLU behind a binary convolution, and the next block's batch norm
    centres what a ReLU made one-sided before its sign is taken.
    """

    def __init__(self, layer: nn.Conv2d | nn.Linear):
        super().__init__()
        self.norm = norm_before(layer)
        self.layer = layer
        bias: Any = layer.bias
        self.register_parameter("bias", bias)
        layer.register_parameter("bias", None)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        return self.scaled(self.layer(sign(x)), x)

    def scaled(self, y: Tensor, x: Tensor) -> Tensor:
        """The layer's answer ``y`` to the signs of ``x``, times K of ``x``, plus the bias."""
        y = y * input_scale(x, self.layer)
        bias: Any = self.bias
        return y if bias is None else y + bias.view(-1, *[1] * (y.ndim - 2))


def norm_before(layer: nn.Conv2d | nn.Linear) -> nn.BatchNorm1d | nn.BatchNorm2d:
    """The batch norm of what the layer reads."""
    conv = isinstance(layer, nn.Conv2d)
    norm = nn.BatchNorm2d(layer.in_channels, NORM_EPS) if conv else nn.BatchNorm1d(layer.in_features, NORM_EPS)
    return norm.to(layer.weight.device).train(layer.training)


def binarise(net: nn.Module, activations: bool) -> dict[str, Any]:
    """Makes all layers of ``net`` but the first and the last binary, in place. What ``restructure`` has to be told.

    Raises:
        UserError: there is no layer between the first and the last, or one of them is compressed already.
    """
    layers = hidden_layers(net)
    for name, layer in layers.items():
        if parametrize.is_parametrized(layer):
            raise UserError(f"compression.steps: xnor: {name} is compressed already; let xnor be the first such step")
    for layer in layers.values():
        parametrize.register_parametrization(layer, "weight", BinaryWeight())
    description = {"method": "xnor", "activations": activations}
    restructure(net, description)
    return description


def restructure(net: nn.Module, description: Mapping[str, Any]) -> None:
    """Gives a plain net, in place, the modules that ``binarise`` gave it. Weights are then loaded as plain numbers.

    Raises:
        UserError: ``description`` is none that ``binarise`` returns.
    """
    if dict(description) not in ({"method": "xnor", "activations": known} for known in (True, False)):
        raise UserError(f"{dict(description)}: not a structure of method xnor")
    for name, layer in hidden_layers(net).items():
        assert isinstance(layer, (nn.Conv2d, nn.Linear))
        if description["activations"]:
            block: nn.Module = XnorBlock(layer)
        else:
            block = nn.Sequential(OrderedDict(norm=norm_before(layer), layer=layer))
        parent, _, child = name.rpartition(".")
        setattr(net.get_submodule(parent), child, block)


def hidden_layers(net: nn.Module) -> dict[str, nn.Module]:
    """All convolutions and linear layers but the first and the last, by name. Raises UserError where there is none."""
    layers = list(select(net, "*").items())
    if len(layers) < 3:
        raise UserError(
            f"compression.steps: xnor: {type(net).__name__} has {len(layers)} layers; the first and the last stay real, "
            "so choose a net of at least 3"
        )
    return dict(layers[1:-1])


def memory_saving(forms: Iterable[Binary | Dense]) -> float:
    """How many times smaller tensors are than in 32 bits a number: a bit a binary weight, 32 a filter's alpha."""
    real = held = 0
    for form in forms:
        size = form.decoded().numel()
        real += FLOAT_BITS * size
        held += size + FLOAT_BITS * form.scale.numel() if isinstance(form, Binary) else FLOAT_BITS * size
    return real / held


class _BinaryWeight(torch.autograd.Function):
    @staticmethod
    def forward(weight: Tensor) -> Tensor:
        return binary(weight).decoded()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # type: ignore[override]
        (weight,) = ctx.saved_tensors
        alpha = binary(weight).scale.view(-1, *[1] * (weight.ndim - 1))
        return grad * (1 / weight[0].numel() + alpha * (weight.abs() <= 1))


class _Sign(torch.autograd.Function):
    """Compares straight into floats: bools in between, as large as a map, would take several times as long."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.ge(x, 0, out=torch.empty_like(x)).mul_(2).sub_(1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        return torch.le(x.abs(), 1, out=torch.empty_like(x)).mul_(grad)
