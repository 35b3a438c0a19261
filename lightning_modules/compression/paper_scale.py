"""What a compressed file of a paper's own net takes: 1000 classes, the paper's input, weights drawn instead of trained.

How large a file gets is mostly a matter of shapes, densities and bits, which are known without training. What a trained
net would change is how often each code and each distance occurs, and so how short Huffman's codes are and how many fillers there are.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lightning_modules.compression import low_rank, stored
from lightning_modules.compression.batch_norm_folding import fold
from lightning_modules.compression.pruning import PruneOptions, prune_round
from lightning_modules.compression.quantization import quantise
from lightning_modules.compression.selection import assign, select
from lightning_modules.compression.sharing import share
from lightning_modules.compression.sizes import Sizes
from lightning_modules.compression.steps import Plan, Step
from lightning_modules.compression.xnor import binarise
from lightning_modules.errors import UserError
from lightning_modules.nets.build import build_net
from lightning_modules.paper_cost import CLASSES
from lightning_modules.random_streams import stream

Densities = Mapping[str, float] | Sequence[float]


def coded(arch: Mapping[str, Any], compression: Mapping[str, Any], densities: Densities | None = None) -> Sizes:
    """Where the bytes go of the file that the steps of ``compression`` lead to, applied to drawn weights, untrained.

    Pruning is by magnitude and in one round: drawn weights have no curvature, and nothing is trained between rounds. The
    ranges of rounded activations, which depend on images, are left out: two numbers a layer.

    Args:
        arch: a conf/arch file's content.
        compression: a conf/compression file's content.
        densities: of the layers, by pattern (``selection.assign``) or one for each in the net's order; without any the
            step that prunes has its own.

    Raises:
        UserError: a step or a net is wrong; densities that are not the net's, or where nothing is pruned; a rank that
            depends on the trained weights.
    """
    plan, net, structure = prepared(arch, compression, densities)
    net = net.to_empty(device="cpu")
    draw(net)
    for step in plan.steps:
        structure += _applied(net, step, densities)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.cnz"
        in_channels = arch["paper_input"][0]
        return stored.save(net, path, arch, CLASSES, in_channels, structure, plan.huffman, plan.index_bits)


def prepared(
    arch: Mapping[str, Any], compression: Mapping[str, Any], densities: Densities | None = None
) -> tuple[Plan, nn.Module, list[dict[str, Any]]]:
    """The steps, the net with its layers and no numbers, and what the file says of them; finds all mistakes, in no time.

    Raises:
        UserError: as ``coded``.
    """
    plan = Plan.of(compression)
    if densities and not any(step.method == "prune" for step in plan.steps):
        raise UserError(
            f"compression={compression['name']}: densities at the paper's scale, and no step prunes; drop them"
        )
    in_channels = arch["paper_input"][0]
    with torch.device("meta"):
        net = build_net(arch, CLASSES, in_channels)
    structure = _thinned(net, plan)
    if densities:
        assign(net, _by_layer(net, densities), "density")
    return plan, net, structure


@torch.no_grad()
def draw(net: nn.Module) -> None:
    """Gives each weight normal numbers with deviation 1 / sqrt(fan_in), all others uniform ones in [0, 1); in place."""
    generator = stream("weights", "paper scale")
    for tensor in net.state_dict().values():
        if not tensor.is_floating_point():
            tensor.zero_()
        elif tensor.ndim > 1:
            tensor.normal_(std=tensor[0].numel() ** -0.5, generator=generator)
        else:
            tensor.uniform_(generator=generator)


def _thinned(net: nn.Module, plan: Plan) -> list[dict[str, Any]]:
    """Does the step that makes two layers of one, of which ``net`` needs no numbers; what the file says of it."""
    for step in plan.steps:
        if step.method == "low_rank":
            factors = low_rank.ranks(net, step.options)
            low_rank.restructure(net, factors)
            return [{"method": "low_rank", "factors": factors}]
    return []


def _applied(net: nn.Module, step: Step, densities: Densities | None) -> list[dict[str, Any]]:
    """Does a step to drawn weights; what the file says of it."""
    if step.method == "prune":
        options = PruneOptions(_by_layer(net, densities)) if densities else step.options
        prune_round(net, replace(options, saliency="magnitude", rounds=1), 1)
    elif step.method == "share":
        share(net, step.options)
    elif step.method == "quantize":
        folded = [{"method": "fold"}] if step.options.activations else []
        if folded:
            fold(net)
        quantise(net, replace(step.options, activations=False))
        return folded
    elif step.method == "xnor":
        return [binarise(net, step.options.activations)]
    return []


def _by_layer(net: nn.Module, densities: Densities) -> Mapping[str, float]:
    if isinstance(densities, Mapping):
        return densities
    layers = list(select(net, "*"))
    if len(densities) != len(layers):
        raise UserError(
            f"densities at the paper's scale: {len(densities)} of them, and {type(net).__name__} has {len(layers)} layers"
        )
    return dict(zip(layers, densities, strict=True))
