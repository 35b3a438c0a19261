"""Low rank: a layer becomes two thinner ones behind each other, from the singular value decomposition of its weight.

- "linear": m x n as m x k behind k x n (Denton et al., 2014, arXiv:1404.0736).
- "channel": k filters of the old size, then a 1x1 convolution (the structure of Zhang et al., 2015, arXiv:1411.4229,
  who fit it to responses; here to the weight alone, which needs no data).
- "spatial": k filters of one column, then filters of one row (Jaderberg et al., 2014, arXiv:1405.3866, scheme 2; its
  optimum in closed form: Tai et al., 2016, arXiv:1511.06067).

Each is a matrix of (rows, columns), whose two factors have k (rows + columns) numbers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from lightning_modules.compression.selection import select
from lightning_modules.errors import UserError, check_choice
from lightning_modules.nets.tiny_maps import PointwiseConv2d

KINDS = ("linear", "channel", "spatial")


@dataclass(frozen=True)
class LowRankOptions:
    """The fields of ``{method: low_rank, ...}`` in conf/compression; exactly one of ``energy`` and ``ratio``.

    Args:
        energy: the least rank that keeps this share of the squared singular values, above 0, at most 1.
        ratio: the highest rank that makes the layer's weights this many times fewer, above 1.
        conv: how convolutions are split, "channel" or "spatial".
        layers: patterns of names (``selection.select``).
        least_rank: a layer whose rank would be lower stays as it is, such as the output layer of a few classes.

    Raises:
        UserError: a field is out of range; both or none of ``energy`` and ``ratio``.
    """

    energy: float | None = None
    ratio: float | None = None
    conv: str = "channel"
    layers: Sequence[str] = ("*",)
    least_rank: int = 1

    def __post_init__(self) -> None:
        if (self.energy is None) == (self.ratio is None):
            raise UserError(
                f"compression.steps: energy={self.energy}, ratio={self.ratio}: give exactly one of the two, "
                "a share of the squared singular values or how many times fewer weights"
            )
        if self.energy is not None and not (_is_number(self.energy) and 0 < self.energy <= 1):
            raise UserError(f"compression.steps: energy={self.energy}: must be a number above 0 and at most 1")
        if self.ratio is not None and not (_is_number(self.ratio) and 1 < self.ratio < math.inf):
            raise UserError(f"compression.steps: ratio={self.ratio}: must be a number above 1")
        check_choice("compression.steps: conv", self.conv, KINDS[1:])
        if type(self.least_rank) is not int or self.least_rank < 1:
            raise UserError(f"compression.steps: least_rank={self.least_rank}: must be a whole number of 1 or more")

    def layers_of(self, net: nn.Module) -> dict[str, nn.Module]:
        """Raises UserError: as ``select``."""
        return select(net, self.layers)


@dataclass
class Factored:
    """What became of the layers, by name.

    ``factors``: {"kind", "rank"} of each that is two now, plain data from which ``restructure`` builds the same net.
    ``error``: the squared error of its weight as a share of the squared weights: the singular values left out.
    ``left``: why each of the others is as it was.
    """

    factors: dict[str, dict[str, Any]] = field(default_factory=dict)
    error: dict[str, float] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)


def factorise(net: nn.Module, options: LowRankOptions) -> Factored:
    """Replaces the layers of ``net`` by two each, in place. One that would not get smaller stays as it is.

    Raises:
        UserError: a pattern fits no layer; a layer's weight is held otherwise, as after pruning, or is not finite.
    """
    done = Factored()
    for name, layer in options.layers_of(net).items():
        if parametrize.is_parametrized(layer):
            raise UserError(f"compression.steps: low_rank: {name} is compressed already; put low_rank first")
        if reason := unfit(layer):
            done.left[name] = reason
            continue
        assert isinstance(layer, (nn.Linear, nn.Conv2d))
        if not layer.weight.isfinite().all():
            raise UserError(f"{name}: a weight is not a finite number: it diverged in training, lower recipe.lr")
        kind = kind_of(layer, options.conv)
        u, s, v = torch.linalg.svd(matrix(layer.weight.detach(), kind).double(), full_matrices=False)
        rows, columns = len(u), v.shape[1]
        if options.energy is not None:
            rank = rank_of_energy(s, options.energy)
        else:
            rank = rank_of_ratio(rows, columns, options.ratio or 1.0)
        if rank < options.least_rank:
            done.left[name] = f"rank {rank} is below {options.least_rank}"
            continue
        if not shrinks(rows, columns, rank):
            done.left[name] = f"rank {rank} has {rank * (rows + columns)} weights, the layer {rows * columns}"
            continue
        _replace(net, name, _filled(layer, kind, rank, u, s, v))
        done.factors[name] = {"kind": kind, "rank": rank}
        energy = s.square()
        done.error[name] = float(energy[rank:].sum() / energy.sum()) if energy.sum() else 0.0
    return done


def restructure(net: nn.Module, factors: Mapping[str, Mapping[str, Any]]) -> None:
    """Gives the plain ``net`` the layers that ``factorise`` made, in place; their numbers are to be loaded.

    Raises:
        UserError: ``factors`` is not what ``factorise`` says of such a net.
    """
    if not isinstance(factors, Mapping):
        raise UserError(f"low rank: {factors!r:.40}: is not a table of layers")
    layers = dict(net.named_modules())
    for name, factor in factors.items():
        layer = layers.get(name)
        if not isinstance(layer, (nn.Linear, nn.Conv2d)) or unfit(layer) or not isinstance(factor, Mapping):
            raise UserError(f"low rank: {type(net).__name__} has no layer {name} that could be two")
        kind, rank = factor.get("kind"), factor.get("rank")
        if kind not in KINDS or kind != kind_of(layer, kind):
            raise UserError(f"low rank: {name}: kind={kind} does not fit a {type(layer).__name__}")
        rows, columns = matrix(layer.weight, kind).shape
        if type(rank) is not int or rank < 1 or not shrinks(rows, columns, rank):
            raise UserError(f"low rank: {name}: rank={rank} does not make its {rows} x {columns} weights fewer")
        _replace(net, name, _unfilled(layer, kind, rank))


def ranks(net: nn.Module, options: LowRankOptions) -> dict[str, dict[str, Any]]:
    """The ``factors`` that ``factorise`` would choose for a ratio: they follow from the shapes alone.

    Raises:
        UserError: the rank is asked for by energy, which depends on the weights.
    """
    if options.ratio is None:
        raise UserError(
            f"compression.steps: energy={options.energy}: the rank depends on trained weights, which the net at its "
            "paper's scale has not; give a ratio"
        )
    found = {}
    for name, layer in options.layers_of(net).items():
        if unfit(layer):
            continue
        kind = kind_of(layer, options.conv)
        rows, columns = matrix(layer.weight, kind).shape  # type: ignore[arg-type]
        rank = rank_of_ratio(rows, columns, options.ratio)
        if rank >= options.least_rank and shrinks(rows, columns, rank):
            found[name] = {"kind": kind, "rank": rank}
    return found


def factored(layer: nn.Linear | nn.Conv2d, kind: str, rank: int) -> nn.Sequential:
    """The two layers of ``rank`` whose product is nearest to the layer's weight; at full rank they compute the same."""
    return _filled(layer, kind, rank, *torch.linalg.svd(matrix(layer.weight.detach(), kind).double(), False))


def matrix(weight: Tensor, kind: str) -> Tensor:
    """A weight (m, n) or (O, I, h, w) as (rows, columns): for "channel" (O, I h w), for "spatial" (I h, O w)."""
    if kind != "spatial":
        return weight.flatten(1)
    filters, channels, height, width = weight.shape
    return weight.permute(1, 2, 0, 3).reshape(channels * height, filters * width)


def rank_of_energy(singular: Tensor, energy: float) -> int:
    """The least rank whose squared singular values, largest first, are this share of all."""
    kept = singular.double().square().cumsum(0)
    return min(int((kept < energy * kept[-1]).sum()) + 1, len(kept))


def rank_of_ratio(rows: int, columns: int, ratio: float) -> int:
    """The highest rank with at most rows * columns / ratio numbers; 1 where there is none."""
    return max(1, int(rows * columns / (ratio * (rows + columns))))


def shrinks(rows: int, columns: int, rank: int) -> bool:
    return rank * (rows + columns) < rows * columns


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def unfit(layer: nn.Module) -> str:
    """Why a layer can't be two; "" if it can."""
    if not isinstance(layer, (nn.Linear, nn.Conv2d)):
        return f"{type(layer).__name__}: only linear layers and 2-D convolutions are factored"
    if isinstance(layer, nn.Conv2d) and layer.groups > 1:
        return f"groups={layer.groups}: only convolutions over all channels are factored"
    return ""


def kind_of(layer: nn.Module, conv: str) -> str:
    """ "linear" or how this convolution is split. With one pixel there is no space to split, and both are the same."""
    if isinstance(layer, nn.Linear):
        return "linear"
    return "channel" if getattr(layer, "kernel_size", None) == (1, 1) or conv == "linear" else conv


def _replace(net: nn.Module, name: str, layer: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(net.get_submodule(parent), child, layer)


def _filled(layer: nn.Linear | nn.Conv2d, kind: str, rank: int, u: Tensor, s: Tensor, v: Tensor) -> nn.Sequential:
    """The two layers, with the roots of the singular values in both, so that one learning rate suits them."""
    pair = _unfilled(layer, kind, rank)
    root = s[:rank].sqrt()
    left, right = u[:, :rank] * root, root[:, None] * v[:rank]
    if kind == "spatial":
        first, second = left.T, right.view(rank, layer.weight.shape[0], -1).transpose(0, 1)
    else:
        first, second = right, left
    with torch.no_grad():
        for part, weight in zip(pair, (first, second), strict=True):
            part.weight.copy_(weight.reshape(part.weight.shape))  # type: ignore[operator, union-attr]
        if layer.bias is not None:
            pair[1].bias.copy_(layer.bias)  # type: ignore[operator, union-attr]
    return pair


def _unfilled(layer: nn.Linear | nn.Conv2d, kind: str, rank: int) -> nn.Sequential:
    """Two layers in the place of one, on its device, without numbers: the bias in the second."""
    bias = layer.bias is not None
    with torch.device("meta"):
        if isinstance(layer, nn.Linear):
            pair = nn.Sequential(nn.Linear(layer.in_features, rank, False), nn.Linear(rank, layer.out_features, bias))
        elif isinstance(layer, PointwiseConv2d):
            pair = nn.Sequential(
                PointwiseConv2d(layer.in_channels, rank), PointwiseConv2d(rank, layer.out_channels, bias)
            )
        elif kind == "channel":
            first = _conv(layer, layer.in_channels, rank, (0, 1), False)
            pair = nn.Sequential(first, nn.Conv2d(rank, layer.out_channels, 1, bias=bias))
        else:
            first = _conv(layer, layer.in_channels, rank, (0,), False)
            pair = nn.Sequential(first, _conv(layer, rank, layer.out_channels, (1,), bias))
    pair.to_empty(device=layer.weight.device)
    return pair.to(layer.weight.dtype).train(layer.training)


def _conv(layer: nn.Conv2d, in_channels: int, out_channels: int, axes: tuple[int, ...], bias: bool) -> nn.Conv2d:
    """A convolution as ``layer`` is it along the axes (0: down, 1: across); along the other it looks at one pixel."""

    def along(sizes: tuple[int, ...], otherwise: int) -> Any:
        return tuple(size if axis in axes else otherwise for axis, size in enumerate(sizes))

    return nn.Conv2d(
        in_channels,
        out_channels,
        along(layer.kernel_size, 1),
        along(layer.stride, 1),
        layer.padding if isinstance(layer.padding, str) else along(layer.padding, 0),
        along(layer.dilation, 1),
        bias=bias,
        padding_mode=layer.padding_mode,
    )
