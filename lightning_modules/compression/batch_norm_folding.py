"""Batch norm folded into the convolution or linear layer before it, exactly what it does in eval mode.

Ioffe and Szegedy, 2015, "Batch Normalization", arXiv:1502.03167, algorithm 2: for inference it is a scale and a shift of
each channel. (W x + b - mean) s + beta with s = gamma / sqrt(var + eps) is (s W) x + (b - mean) s + beta.
"""

from collections import Counter

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import parametrize

from lightning_modules.compression.pruning import mask_of
from lightning_modules.compression.selection import LAYERS
from lightning_modules.errors import UserError


def fold(net: nn.Module) -> dict[str, str]:
    """Folds each batch norm that can be into the layer before it and leaves ``nn.Identity`` in its place.

    ``net`` is changed in place; in eval mode it computes the same, to rounding. Pruned layers stay pruned.

    Returns:
        The folded batch norms' names by the names of the layers that they are now part of.

    Raises:
        UserError: a layer's weight has been shared or quantized.
    """
    pairs = foldable(net)
    for name in pairs:
        layer = net.get_submodule(name)
        if mask_of(layer) is None and parametrize.is_parametrized(layer, "weight"):
            raise UserError(
                f"compression.steps: {name}: batch norm can't be folded into weights that are shared or quantized "
                "already; fold it first"
            )
    for name, norm in pairs.items():
        _fold_one(net.get_submodule(name), net.get_submodule(norm))
        net.set_submodule(norm, nn.Identity())
    return pairs


def foldable(net: nn.Module) -> dict[str, str]:
    """Names of layers, and of the batch norms that alone read their output. Each is called once in a forward pass.

    Batch norm before a convolution (DenseNet) is not among them, nor one without running statistics.
    """
    graph = _Tracer().trace(net)
    calls = [node for node in graph.nodes if node.op == "call_module"]
    times = Counter(str(node.target) for node in calls)
    pairs = {}
    for node in calls:
        norm = net.get_submodule(str(node.target))
        if not isinstance(norm, _BatchNorm) or norm.running_var is None:
            continue
        before = node.args[0]
        if not isinstance(before, fx.Node) or before.op != "call_module" or len(before.users) > 1:
            continue
        layer = str(before.target)
        if isinstance(net.get_submodule(layer), LAYERS) and times[layer] == times[str(node.target)] == 1:
            pairs[layer] = str(node.target)
    return pairs


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (*LAYERS, _BatchNorm)) or super().is_leaf_module(m, module_qualified_name)


@torch.no_grad()
def _fold_one(layer: nn.Module, norm: nn.Module) -> None:
    assert isinstance(norm, _BatchNorm) and norm.running_mean is not None and norm.running_var is not None
    gamma = torch.ones_like(norm.running_var) if norm.weight is None else norm.weight
    beta = torch.zeros_like(norm.running_mean) if norm.bias is None else norm.bias
    bias = torch.zeros_like(norm.running_mean) if layer.bias is None else torch.as_tensor(layer.bias)
    scale = gamma / (norm.running_var + norm.eps).sqrt()
    weight = _stored_weight(layer)
    weight.mul_(scale.view(-1, *(1,) * (weight.ndim - 1)))
    layer.bias = nn.Parameter((bias - norm.running_mean) * scale + beta)


def _stored_weight(layer: nn.Module) -> Tensor:
    """The parameter itself; of a pruned layer what is under its mask, which a scale does not move."""
    if parametrize.is_parametrized(layer, "weight"):
        return torch.as_tensor(layer.parametrizations["weight"].original)  # type: ignore[index]
    return torch.as_tensor(layer.weight)
