"""Weight sharing: a layer's weights take a few values, found by k-means and then trained.

Deep Compression (Han et al., 2016, arXiv:1510.00149), section 3: the codebook (3.1, 3.2) and its gradient (3.3).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from lightning_modules.compression.forms import Shared
from lightning_modules.compression.kmeans import INITS, kmeans
from lightning_modules.compression.pruning import mask_of
from lightning_modules.compression.selection import assign, select
from lightning_modules.errors import UserError, check_choice
from lightning_modules.random_streams import stream_seed

MOST_BITS = 16


@dataclass(frozen=True)
class ShareOptions:
    """The fields of ``{method: share, ...}`` in conf/compression. A layer of b bits has up to 2**b different weights, zero
    among them if it is pruned.

    Args:
        conv_bits: of convolutions.
        linear_bits: of linear layers.
        layers: patterns of names (``selection.select``).
        bits: exceptions to the two, by pattern (``selection.assign``).
        init: where k-means starts: "linear", "density" or "random".

    Raises:
        UserError: bits that are no whole number from 1 to 16; another ``init``.
    """

    conv_bits: int = 8
    linear_bits: int = 5
    layers: Sequence[str] = ("*",)
    bits: Mapping[str, int] = field(default_factory=dict)
    init: str = "linear"

    def __post_init__(self) -> None:
        if not isinstance(self.bits, Mapping):
            raise UserError(
                f"compression.steps: bits={self.bits}: is a table of bits by pattern, such as {{conv1: 8}}; "
                "conv_bits and linear_bits are for all"
            )
        given = {"conv_bits": self.conv_bits, "linear_bits": self.linear_bits}
        for name, bits in (given | {f"bits[{pattern}]": bits for pattern, bits in self.bits.items()}).items():
            if type(bits) is not int or not 1 <= bits <= MOST_BITS:
                raise UserError(f"compression.steps: {name}={bits}: must be a whole number from 1 to {MOST_BITS}")
        check_choice("compression.steps: init", self.init, INITS)

    def layers_of(self, net: nn.Module) -> dict[str, int]:
        """The bits of each layer that shares weights, by name, in the net's order.

        Raises:
            UserError: a pattern fits no layer; one of ``bits`` fits a layer that is not among ``layers``.
        """
        layers = select(net, self.layers)
        exceptions = assign(net, self.bits, "bits") if self.bits else {}
        for name in exceptions:
            if name not in layers:
                raise UserError(
                    f"compression.steps: bits: gives bits to {name}, which is not among layers; add it there"
                )
        kinds = {
            name: self.linear_bits if isinstance(layer, nn.Linear) else self.conv_bits for name, layer in layers.items()
        }
        return kinds | exceptions


class SharedWeights(nn.Module):
    """A parametrization: the weight is looked up in a codebook (K,), which is what training sees of it.

    So the gradient of an entry is the sum of the gradients of all weights that have it (section 3.3, equation 3).
    ``codes`` (int32, the weight's shape) has K where a weight is pruned: it is zero and stays so, and zero takes no
    entry of the codebook. As a buffer of that shape it follows the net's memory format, and the weight follows it.
    """

    codes: Tensor

    def __init__(self, codes: Tensor, entries: int):
        super().__init__()
        self.entries = entries
        self.register_buffer("codes", codes)

    def forward(self, codebook: Tensor) -> Tensor:
        channels_last = _channels_last(self.codes)
        codes = self.codes.permute(0, 2, 3, 1) if channels_last else self.codes
        weight = torch.cat([codebook, codebook.new_zeros(1)]).index_select(0, codes.flatten()).view(codes.shape)
        return weight.permute(0, 3, 1, 2) if channels_last else weight

    def right_inverse(self, weight: Tensor) -> Tensor:
        """The codebook whose weight is nearest to ``weight``: each entry the mean of what its weights would be."""
        codes = self.codes.flatten()
        sums = weight.new_zeros(self.entries + 1, dtype=torch.float64).index_add_(0, codes, weight.flatten().double())
        counts = torch.bincount(codes, minlength=self.entries + 1).clamp(min=1)
        return (sums / counts)[: self.entries].to(weight.dtype)

    def form(self, codebook: Tensor) -> Shared:
        codes, positions = self.codes.flatten(), self.positions()
        codes = codes if positions is None else codes[positions]
        codebook = codebook.detach().cpu().float().clone()
        return Shared(
            tuple(self.codes.shape), codes.cpu().long(), codebook, None if positions is None else positions.cpu()
        )

    def positions(self) -> Tensor | None:
        """Of the weights (n,) that are not pruned, in the flattened weight; None for all."""
        kept = self.codes.flatten() < self.entries
        return None if kept.all() else kept.nonzero().flatten()

    def unpruned(self) -> Tensor:
        return self.codes < self.entries


def share(net: nn.Module, options: ShareOptions, seed: int = 0) -> dict[str, dict[str, Any]]:
    """Lets the layers of ``net`` share their weights, in place. What is pruned stays zero; biases stay as they are.

    Returns for each layer, by name: ``bits``, ``entries`` of its codebook (no more than there are different weights),
    ``weights`` that have one of them, and ``error``, the squared error as a share of the squared weights.

    Raises:
        UserError: a pattern fits no layer; a layer is held in a form that can't be shared or has weights that are no
            finite numbers.
    """
    rows = {}
    for name, bits in options.layers_of(net).items():
        layer = net.get_submodule(name)
        positions = _release(layer, name)
        weight: Tensor = layer.weight.detach()  # type: ignore[assignment]
        values = stored(weight, positions)
        try:
            values_of_bits = 2**bits - (positions is not None)  # zero is one of them; the file's fillers have it, too
            codebook, codes = kmeans(values, values_of_bits, options.init, stream_seed(seed, name, "k-means"))
        except UserError as error:
            raise UserError(f"{name}: {error}") from None
        hold(layer, Shared(tuple(weight.shape), codes, codebook, None if positions is None else positions.cpu()))
        squares = float(values.double().square().sum())
        lost = float((values.double().cpu() - codebook[codes]).square().sum())
        rows[name] = {
            "bits": bits,
            "entries": len(codebook),
            "weights": len(codes),
            "error": lost / squares if squares else 0.0,
        }
    return rows


def hold(layer: nn.Module, form: Shared) -> None:
    """Puts ``form`` in the place of the plain weight of ``layer``, whose parameter becomes the codebook."""
    weight: nn.Parameter = layer.weight  # type: ignore[assignment]
    entries = len(form.codebook)
    codes = torch.full((weight.numel(),), entries, dtype=torch.int32)
    codes[slice(None) if form.positions is None else form.positions] = form.codes.int()
    codes = torch.empty_like(weight, dtype=torch.int32, requires_grad=False).copy_(codes.view(form.shape))
    weight.grad = None  # of another shape than the codebook
    parametrize.register_parametrization(layer, "weight", SharedWeights(codes, entries))
    with torch.no_grad():
        weight.copy_(form.codebook)


def stored(weight: Tensor, positions: Tensor | None) -> Tensor:
    """The weights (n,) that are not pruned, in order."""
    return weight.flatten() if positions is None else weight.flatten()[positions]


def compression_rate(weights: int, clusters: int, bits: int = 32) -> float:
    """How many times smaller ``weights`` numbers of ``bits`` become as codes and a codebook (section 3, equation 1).

    n b / (n log2(k) + k b)
    """
    return weights * bits / (weights * math.log2(clusters) + clusters * bits)


def _channels_last(tensor: Tensor) -> bool:
    """By its strides: with one channel or one pixel ``is_contiguous`` holds for both formats, but convolutions look."""
    return tensor.ndim == 4 and tensor.stride(1) == 1 and tensor.stride(3) == tensor.shape[1]


def _release(layer: nn.Module, name: str) -> Tensor | None:
    """Makes the layer's weight a plain parameter. Returns the positions (n,) that are not pruned, None for all."""
    if not parametrize.is_parametrized(layer, "weight"):
        return None
    held = layer.parametrizations["weight"][0]  # type: ignore[index]
    if isinstance(held, SharedWeights):
        positions = held.positions()
    elif (mask := mask_of(layer)) is not None:
        positions = None if mask.all() else mask.flatten().nonzero().flatten()
    else:
        raise UserError(
            f"compression.steps: share: {name} is held as {type(held).__name__}; only plain or pruned weights are shared"
        )
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    return positions
