"""What compression makes of a net's computation, whatever its weights are: for who measures how fast that is."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from lightning_modules.compression.steps import Plan


def restructure(net: nn.Module, compression: Mapping[str, Any]) -> None:
    """Gives ``net``, in place, the layers that the steps of a conf/compression content lead to, without training.

    Pruned, shared and rounded weights are computed with as any others are.

    Raises:
        UserError: as the steps do; a rank that depends on trained weights.
    """
    for step in Plan.of(compression).steps:
        if step.method == "low_rank":
            from lightning_modules.compression import low_rank

            factors = low_rank.ranks(net, step.options)
            low_rank.restructure(net, factors)
            for layer in (part for name in factors for part in net.get_submodule(name).children()):
                layer.reset_parameters()  # type: ignore[operator]
        elif step.method == "xnor":
            from lightning_modules.compression.xnor import binarise

            binarise(net, step.options.activations)
