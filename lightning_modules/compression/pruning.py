"""Pruning: the weights that matter least become zero and stay zero while the rest is trained on.

Han et al., 2015, "Learning both Weights and Connections for Efficient Neural Networks", arXiv:1506.02626: magnitude,
pruning and retraining in turns (section 3), thresholds by a layer's standard deviation (section 4). Han et al., 2016,
"Deep Compression", arXiv:1510.00149, section 2, starts with it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from lightning_modules.compression.forms import Dense, Sparse
from lightning_modules.compression.selection import assign, select
from lightning_modules.errors import UserError, check_choice


class Masked(nn.Module):
    """Parametrizes a weight: where ``mask`` (bool, the weight's shape) is False it is zero and gets no gradient.

    What an optimiser's decay and momentum do to the numbers behind the zeros is never seen.
    """

    mask: Tensor

    def __init__(self, mask: Tensor):
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, original: Tensor) -> Tensor:
        return torch.where(self.mask, original, 0.0)  # a product would make some zeros negative

    def form(self, original: Tensor) -> Sparse | Dense:
        """What a file has to store: the weights under the mask, zeros among them included."""
        if self.mask.all():
            return Dense(original.detach().cpu())
        positions = self.mask.flatten().nonzero().flatten()
        return Sparse(tuple(original.shape), positions.cpu(), original.detach().flatten()[positions].cpu())

    def unpruned(self) -> Tensor:
        return self.mask


@dataclass(frozen=True)
class PruneOptions:
    """The fields of ``{method: prune, ...}`` in conf/compression.

    Either ``density``, the share of weights to keep, above 0 and up to 1; or ``quality``: a weight stays if it is at
    least that many standard deviations of its layer's weights from zero. Each is a number for all of ``layers``, or a
    table by patterns, of which the last that fits counts (``selection.assign``).

    Args:
        scope: "layer": each layer gets the density; "global": all together, one threshold for all.
        saliency: "magnitude", or "obd" (``obd.saliency``).
        rounds: of pruning and retraining.
        schedule: densities of the rounds on the way from 1 to the target: "geometric" (equal ratios) or "linear" (equal
            steps). The quality rises in equal steps.

    Raises:
        UserError: a field is out of range or contradicts another.
    """

    density: float | Mapping[str, float] | None = None
    quality: float | Mapping[str, float] | None = None
    layers: Sequence[str] = ("*",)
    scope: Literal["layer", "global"] = "layer"
    saliency: Literal["magnitude", "obd"] = "magnitude"
    rounds: int = 1
    schedule: Literal["geometric", "linear"] = "geometric"

    def __post_init__(self) -> None:
        field, given = self.target
        check_choice("compression.steps: scope", self.scope, ("layer", "global"))
        check_choice("compression.steps: saliency", self.saliency, ("magnitude", "obd"))
        check_choice("compression.steps: schedule", self.schedule, ("geometric", "linear"))
        table = given if isinstance(given, Mapping) else {"": given}
        for pattern, value in table.items():
            where = f"compression.steps: {field}{f'[{pattern}]' if pattern else ''}={value}"
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
                raise UserError(f"{where}: must be a number above 0")
            if field == "density" and value > 1:
                raise UserError(f"{where}: is the share of weights to keep, above 0 and up to 1")
        if isinstance(self.rounds, bool) or not isinstance(self.rounds, int) or self.rounds < 1:
            raise UserError(f"compression.steps: rounds={self.rounds}: must be a whole number of 1 or more")
        if isinstance(given, Mapping) and tuple(self.layers) != ("*",):
            raise UserError(f"compression.steps: layers={self.layers}: the table of {field} names the layers; drop it")
        if self.scope == "global" and (field == "quality" or isinstance(given, Mapping)):
            raise UserError(f"compression.steps: scope=global: needs a single density, not a {field} for each layer")
        if self.saliency == "obd" and field == "quality":
            raise UserError("compression.steps: saliency=obd: needs a density; a quality is a threshold on magnitudes")

    @property
    def target(self) -> tuple[str, float | Mapping[str, float]]:
        """The one of density and quality that is given, by name."""
        if self.density is not None and self.quality is None:
            return "density", self.density
        if self.quality is not None and self.density is None:
            return "quality", self.quality
        raise UserError("compression.steps: method=prune: give either a density or a quality")

    def layers_of(self, net: nn.Module) -> dict[str, float]:
        """The density or quality of each layer to prune, by name, in the net's order. Raises UserError: as ``assign``."""
        field, given = self.target
        if isinstance(given, Mapping):
            return assign(net, given, field)
        return dict.fromkeys(select(net, self.layers), given)


def prune_round(net: nn.Module, options: PruneOptions, number: int, batches: Sequence[Tensor] = ()) -> None:
    """Prunes ``net`` in place as in round ``number``, 1 to ``options.rounds``. What was pruned before stays pruned.

    Who calls it trains the net on after each round (Han et al., 2015, section 3: iterative pruning).

    Args:
        batches: images (N, C, H, W) of the training set; only saliency "obd" needs them.

    Raises:
        UserError: a pattern fits no layer; a layer is sparser already than it should become; a layer loses all weights
            to a quality; what ``set_mask`` and ``obd.saliency`` raise.
    """
    field, _ = options.target
    table = options.layers_of(net)
    layers = {name: net.get_submodule(name) for name in table}
    if field == "quality":
        masks = {name: _above(name, layer, table[name], number / options.rounds) for name, layer in layers.items()}
    else:
        saliency = _saliency(net, layers, options, batches)
        masks = {}
        for group in [list(layers)] if options.scope == "global" else [[name] for name in layers]:
            masks |= _most_salient({name: layers[name] for name in group}, saliency, table[group[0]], options, number)
    for name, mask in masks.items():
        set_mask(layers[name], mask)


def magnitude(net: nn.Module, layers: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """|w| of each layer's weights, in the weight's shape: how much a weight matters by Han et al."""
    return {name: weight_of(layer).abs() for name, layer in layers.items()}


def density_in_round(target: float, number: int, rounds: int, schedule: str) -> float:
    """The density of round ``number`` of ``rounds``, which falls from 1 (round 0, not pruned) to ``target``."""
    share = number / rounds
    return target**share if schedule == "geometric" else (1 - share) + target * share


def largest(values: Tensor, count: int) -> Tensor:
    """Where the ``count`` largest of ``values`` (n,) are, bool (n,); of equal ones the first.

    Raises:
        UserError: a value is not a number: the net that it was computed from has diverged.
    """
    if values.isnan().any():
        raise UserError("compression.steps: method=prune: a weight's saliency is no number; the net has diverged")
    if count == 0:
        return torch.zeros_like(values, dtype=torch.bool)
    threshold = values.kthvalue(len(values) - count + 1).values
    above, equal = values > threshold, values == threshold
    return above | (equal & (equal.cumsum(0) <= count - above.sum()))


def set_mask(layer: nn.Module, mask: Tensor) -> None:
    """Parametrizes the layer's weight by ``mask``, or changes the mask that it has.

    Raises:
        UserError: another step has given the weight a form of its own.
    """
    weight = weight_of(layer)
    mask = torch.empty_like(weight, dtype=torch.bool).copy_(mask)  # in the weight's memory format
    if not parametrize.is_parametrized(layer, "weight"):
        parametrize.register_parametrization(layer, "weight", Masked(mask))
    elif (held := _masked(layer)) is not None:
        held.mask = mask
    else:
        raise UserError("compression.steps: method=prune: comes before the steps that share or quantize weights")


def mask_of(layer: nn.Module) -> Tensor | None:
    """The mask of a pruned layer, bool, in its weight's shape; None if it is not pruned."""
    held = _masked(layer)
    return None if held is None else held.mask


def weight_of(layer: nn.Module) -> Tensor:
    """The weight as the layer uses it, without a gradient."""
    with torch.no_grad():
        return torch.as_tensor(layer.weight).detach()


def _masked(layer: nn.Module) -> Masked | None:
    if not parametrize.is_parametrized(layer, "weight"):
        return None
    held = layer.parametrizations["weight"][0]  # type: ignore[index]
    return held if isinstance(held, Masked) else None


def _kept(layer: nn.Module) -> Tensor:
    mask = mask_of(layer)
    return torch.ones_like(weight_of(layer), dtype=torch.bool) if mask is None else mask


def _saliency(
    net: nn.Module, layers: Mapping[str, nn.Module], options: PruneOptions, batches: Sequence[Tensor]
) -> dict[str, Tensor]:
    if options.saliency == "magnitude":
        return magnitude(net, layers)
    from lightning_modules.compression import obd  # part of a run's fingerprint only where it is used

    return obd.saliency(net, layers, batches)


def _most_salient(
    layers: Mapping[str, nn.Module],
    saliency: Mapping[str, Tensor],
    target: float,
    options: PruneOptions,
    number: int,
) -> dict[str, Tensor]:
    """Masks of layers that have one density together in this round, and one threshold."""
    kept = {name: _kept(layer) for name, layer in layers.items()}
    values = torch.cat([saliency[name].masked_fill(~kept[name], -math.inf).flatten() for name in layers])
    there = sum(int(mask.sum()) for mask in kept.values())
    if round(target * len(values)) > there:
        raise UserError(
            f"compression.steps: density={target}: {' + '.join(layers)} is at {there / len(values):.4g} already, "
            "and a pruned weight does not come back; choose a lower density"
        )
    density = density_in_round(target, number, options.rounds, options.schedule)
    chosen = largest(values, min(there, round(density * len(values))))
    parts = chosen.split([mask.numel() for mask in kept.values()])
    return {name: part.view(kept[name].shape) for name, part in zip(layers, parts, strict=True)}


def _above(name: str, layer: nn.Module, quality: float, share: float) -> Tensor:
    """The mask of the weights at or above ``share`` of the layer's threshold; pruned ones count as zeros in it."""
    weight = weight_of(layer)
    mask = _kept(layer) & (weight.abs() >= quality * share * weight.std(correction=0))
    if not mask.any():
        raise UserError(
            f"compression.steps: quality={quality}: no weight of {name} is that many standard deviations from zero; "
            "choose a lower quality"
        )
    return mask
