"""Min-max quantization: a layer's smallest and largest weight are stored, and each weight as one of 256 levels between them.

The levels are an affine map of 8-bit codes, real = scale * (code - zero_point) (Jacob et al., 2018, arXiv:1712.05877,
equation 1). The range is extended to hold zero, and zero is exactly one of the levels (section 2.1 there): padding and
pruned weights stay zeros. So 0 and 255 stand for the smallest and the largest weight but for half a step. A whole tensor
has one range, or each output channel its own (Krishnamoorthi, 2018, arXiv:1806.08342, section 2).

A quantized net computes with rounded numbers in float32: quantization is *simulated* here, as training needs it. Real
integers are what ONNX Runtime computes with (lightning_modules/onnx_files.py).
"""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from lightning_modules.compression.forms import Affine
from lightning_modules.compression.selection import select
from lightning_modules.errors import UserError

HIGHEST, MIDDLE = 255, 128  # codes; the lowest is 0
# The smallest step. One over anything smaller is no float32, and a tensor of zeros has any step.
SMALLEST = torch.finfo(torch.float32).tiny


def weight_range(weight: Tensor, per_channel: bool) -> tuple[Tensor, Tensor]:
    """The smallest and the largest number, or zero where that lies beyond: each (1,), or (C,) for a weight (C, ...)."""
    rows = weight.detach().flatten(1) if per_channel else weight.detach().reshape(1, -1)
    smallest, largest = rows.aminmax(dim=1)
    return smallest.clamp(max=0), largest.clamp(min=0)


def levels(smallest: Tensor, largest: Tensor, symmetric: bool = False) -> tuple[Tensor, Tensor]:
    """The affine map of ranges that hold zero: steps (n,) float32 and the codes of zero, (n,) int32 in [0, 255].

    ``symmetric``: zero has code 128, and the farther end of the range is 127 steps away (Krishnamoorthi, 2018, section
    2.2): integer arithmetic with a range a channel has no other zero points.
    """
    if symmetric:
        scale = (torch.maximum(-smallest, largest) / (HIGHEST - MIDDLE)).clamp(min=SMALLEST)
        return scale, torch.full_like(scale, MIDDLE, dtype=torch.int32)
    scale = (largest / HIGHEST - smallest / HIGHEST).clamp(min=SMALLEST)
    return scale, (-smallest / scale).round().int().clamp(0, HIGHEST)


def rounded(x: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:
    """``x`` to the nearest level, within the range; scale and zero point (1,), or (C,) for an ``x`` (C, ...).

    The gradient is straight-through (Bengio et al., 2013, arXiv:1308.3432): rounding counts as the identity; zero where
    ``x`` lies outside of the range.
    """
    if len(scale) == 1:
        return torch.fake_quantize_per_tensor_affine(x, scale, zero_point, 0, HIGHEST)
    return torch.fake_quantize_per_channel_affine(x, scale, zero_point, 0, 0, HIGHEST)


def affine(weight: Tensor, per_channel: bool = False, symmetric: bool = False) -> Affine:
    """Its 8-bit form, of any shape; each number is at most half a step off."""
    scale, zero_point = levels(*weight_range(weight, per_channel), symmetric)
    each = (-1,) + (1,) * (weight.ndim - 1)
    steps = (
        rounded(weight.detach(), scale, zero_point) / scale.view(each)
    ).round()  # whole but for float32's last bits
    return Affine((steps + zero_point.view(each)).to(torch.uint8), scale, zero_point.to(torch.uint8))


class FakeQuantised(nn.Module):
    """A parametrization: the weight that a layer uses is the rounded one, with the range of the weight as it is now.

    ``kept``, of the weight's shape: where it is false the weight is zero and remains so.
    """

    kept: Tensor | None

    def __init__(self, per_channel: bool = False, symmetric: bool = False, kept: Tensor | None = None):
        super().__init__()
        self.per_channel, self.symmetric = per_channel, symmetric
        self.register_buffer("kept", kept)

    def forward(self, original: Tensor) -> Tensor:
        weight = self._kept(original)
        return rounded(weight, *levels(*weight_range(weight, self.per_channel), self.symmetric))

    def form(self, original: Tensor) -> Affine:
        """How the file holds it: decoded, it is bit for bit what ``forward`` gives."""
        return affine(self._kept(original), self.per_channel, self.symmetric)

    def unpruned(self) -> Tensor | None:
        return self.kept

    def _kept(self, original: Tensor) -> Tensor:
        return original if self.kept is None else original * self.kept


class InputQuantiser(nn.Module):
    """What a layer reads, rounded to 256 levels of the range that was seen while it was ``observing``; any shape."""

    smallest: Tensor
    largest: Tensor

    def __init__(self, device: torch.device):
        super().__init__()
        self.register_buffer("smallest", torch.zeros(1, device=device))
        self.register_buffer("largest", torch.zeros(1, device=device))
        self.observing = False

    def forward(self, x: Tensor) -> Tensor:
        if not self.observing:
            return rounded(x, *levels(self.smallest, self.largest))
        smallest, largest = x.detach().aminmax()
        self.smallest, self.largest = torch.minimum(self.smallest, smallest), torch.maximum(self.largest, largest)
        return x


@dataclass(frozen=True)
class Quantization:
    """A step ``{method: quantize, ...}`` of conf/compression.

    Args:
        layers: patterns of the layers' names (``selection.select``).
        per_channel: a range for each output channel, not one for the layer.
        symmetric: the weights' levels lie symmetrically around zero.
        activations: what the layers read is rounded, too, so that the net can be computed in integers.

    Raises:
        UserError: an option is of another type; ``activations`` of some layers alone, or with levels of channels that are
            not symmetric, which ONNX Runtime does not compute in integers.
    """

    layers: tuple[str, ...] = ("*",)
    per_channel: bool = False
    symmetric: bool = False
    activations: bool = False

    def __post_init__(self) -> None:
        for name in ("per_channel", "symmetric", "activations"):
            if not isinstance(getattr(self, name), bool):
                raise UserError(f"compression.steps: {name}={getattr(self, name)}: must be true or false")
        if self.activations and tuple(self.layers) != ("*",):
            raise UserError("compression.steps: activations=true: is for all layers; leave layers out")
        if self.activations and self.per_channel and not self.symmetric:
            raise UserError(
                "compression.steps: activations=true: with per_channel, integers need symmetric levels; add symmetric: true"
            )

    def layers_of(self, net: nn.Module) -> dict[str, nn.Module]:
        """Raises UserError: as ``select``."""
        return select(net, self.layers)


@dataclass(frozen=True)
class Quantised:
    """What was quantized. ``simulated``: the net computes with rounded numbers in float32, not with integers."""

    layers: tuple[str, ...]
    per_channel: bool
    activations: bool
    simulated: bool = True


def quantise(net: nn.Module, options: Quantization, batches: Iterable[Tensor] = ()) -> Quantised:
    """Rounds the weights of the selected layers from now on, in training as well; biases and batch norm stay float32.

    A weight that another parametrization made is taken as it is, and its zeros remain zeros: pruned ones do in training.

    Args:
        net: changed in place. Where it will be run in integers, its batch norm should be folded before: the folded
            weights are those that have to be on the levels.
        batches: images (B, C, H, W) as the net gets them, to find the ranges of the activations; else unused.

    Raises:
        UserError: no layer is selected, a weight is no finite number, or ``activations`` got no batch.
    """
    layers = options.layers_of(net)
    for name, layer in layers.items():
        weight: Any = layer.weight
        if not weight.isfinite().all():
            raise UserError(f"compression.steps: quantize: {name} has a weight that is no finite number; train it anew")
    for layer in layers.values():
        _quantise_weight(layer, options)
    if options.activations:
        for layer in layers.values():
            _quantise_input(layer)
        calibrate(net, batches)
    return Quantised(tuple(layers), options.per_channel, options.activations)


def calibrate(net: nn.Module, batches: Iterable[Tensor]) -> None:
    """Sets the range of each rounded activation to what ``batches``, images (B, C, H, W), lead to in evaluation mode.

    The ranges stay fixed until it is called again: training adapts to them, and beyond them the gradient is zero.

    Raises:
        UserError: there is no batch.
    """
    quantisers = [module for module in net.modules() if isinstance(module, InputQuantiser)]
    was_training = net.training
    for quantiser in quantisers:
        quantiser.smallest, quantiser.largest = (
            torch.zeros_like(quantiser.smallest),
            torch.zeros_like(quantiser.largest),
        )
        quantiser.observing = True
    net.eval()
    seen = 0
    try:
        with torch.no_grad():
            for images in batches:
                net(images)
                seen += 1
    finally:
        net.train(was_training)
        for quantiser in quantisers:
            quantiser.observing = False
    if not seen:
        raise UserError("compression.steps: activations=true: needs at least one batch to find their ranges")


def restructure(net: nn.Module, description: Mapping[str, Any]) -> None:
    """Lets the layers of a plain net that ``quantise`` gave rounded inputs have them; the ranges are to be loaded.

    Raises:
        UserError: ``description`` names a layer that the net has not got.
    """
    layers = select(net, "*")
    for name in description["layers"]:
        if not isinstance(name, str) or name not in layers:
            raise UserError(f"quantize: {type(net).__name__} has no layer {name}")
        _quantise_input(layers[name])


def plain(net: nn.Module) -> nn.Module:
    """A copy whose weights are ordinary parameters with the values that are used now, and whose activations are not rounded.

    That is the net to export. Works for any parametrization.
    """
    net = copy.deepcopy(net)
    for module in list(net.modules()):
        if parametrize.is_parametrized(module):
            _unparametrise(module)
        if hasattr(module, "input_quantiser"):
            module.input_quantiser = nn.Identity()
    return net


def _unparametrise(module: nn.Module) -> None:
    """As ``parametrize.remove_parametrizations``, which changes the class, and that a copied module shares."""
    parametrizations: Any = module.parametrizations
    tensors = {name: (getattr(module, name).detach(), one.original) for name, one in parametrizations.items()}
    kind = parametrize.type_before_parametrizations(module)
    del module.parametrizations
    module.__class__ = kind
    for name, (tensor, original) in tensors.items():
        setattr(module, name, nn.Parameter(tensor, requires_grad=original.requires_grad))


def _quantise_weight(layer: nn.Module, options: Quantization) -> None:
    kept = None
    if parametrize.is_parametrized(layer, "weight"):
        _unparametrise(layer)
        kept = layer.weight.detach() != 0  # type: ignore[operator]
    parametrize.register_parametrization(layer, "weight", FakeQuantised(options.per_channel, options.symmetric, kept))


def _quantise_input(layer: nn.Module) -> None:
    if not hasattr(layer, "input_quantiser"):
        layer.register_forward_pre_hook(_round_input)
    layer.input_quantiser = InputQuantiser(next(layer.parameters()).device)


def _round_input(layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """A hook: a function without state of its own, so that a copied net has copied ranges."""
    quantiser: Any = layer.input_quantiser
    return (quantiser(inputs[0]), *inputs[1:])
