"""What compression makes of a net's computation, whatever its weights are: for who measures how fast that is."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from lightning_modules.compression.quantization import Quantization
from lightning_modules.compression.steps import Plan


def restructure(net: nn.Module, compression: Mapping[str, Any]) -> None:
    """Gives ``net``, in place, the layers that the steps of a conf/compression content lead to, without training.

    Pruned, shared and rounded weights are computed with as any others are.

    Raises:
        UserError: as the steps do.
    """
    for step in Plan.of(compression).steps:
        if step.method == "low_rank":
            from lightning_modules.compression.low_rank import factorise

            factorise(net, step.options)
        elif step.method == "xnor":
            from lightning_modules.compression.xnor import binarise

            binarise(net, step.options.activations)


def in_integers(compression: Mapping[str, Any]) -> Quantization | None:
    """The options of the step after which the net is to be computed in int8: weights and activations are rounded."""
    for step in Plan.of(compression).steps:
        if step.method == "quantize" and step.options.activations:
            return step.options
    return None
