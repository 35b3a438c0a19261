"""Optimal Brain Damage: a weight matters by how much the loss would rise without it, to second order.

LeCun, Denker and Solla, 1989, "Optimal Brain Damage", NIPS 2, section 2. At a minimum, and with the Hessian's diagonal
alone, deleting weight k costs s_k = h_kk w_k^2 / 2. The diagonal goes back layer by layer, as gradients do (section
2.2). With a = W x the inputs of a layer's activation f,

    d2E/dw_ij^2 = d2E/da_i^2 x_j^2,    d2E/dx_j^2 = sum_i w_ij^2 d2E/da_i^2,    d2E/da^2 = f'(a)^2 d2E/dx^2 + f''(a) dE/dx,

and a weight that several connections share has the sum over them. The last term, which the paper's Levenberg-Marquardt
form leaves out, is zero in nets of ReLU, ReLU6 and max pooling: here the two forms are one.

So second derivatives go where gradients go, with each coefficient squared. Where all coefficients are 0 or 1 (ReLU,
max pooling, sums, concatenations, shuffles, views) autograd's own backward pass does that. Layers with other
coefficients get a backward pass on squares. Batch norm in eval mode is one of them, a scale for each channel: that
equals folding it into the layer before, since h w^2 stays what it is when a weight is w c and the map behind it x / c.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from lightning_modules.compression.selection import LAYERS
from lightning_modules.errors import UserError

# Operations of autograd's graph whose derivatives are 0 or 1.
ZERO_OR_ONE = {
    "Relu",
    "Hardtanh",  # ReLU6
    "MaxPool2DWithIndices",
    "Add",
    "Cat",
    "Split",
    "Slice",
    "View",
    "ReshapeAlias",
    "UnsafeView",
    "Transpose",
    "Permute",
    "Clone",
    "ChannelShuffle",
    "NativeChannelShuffle",
    "_Squares",  # its coefficients are squares already
    "torch::autograd::AccumulateGrad",  # the images
}
OutputCurvature = Callable[[Tensor], Tensor]


def saliency(net: nn.Module, layers: Mapping[str, nn.Module], batches: Iterable[Tensor]) -> dict[str, Tensor]:
    """h_kk w_k^2 / 2 of each of the layers' weights, in the weight's shape; arguments and errors as of ``curvature``."""
    found = curvature(net, layers, batches)
    with torch.no_grad():
        return {name: found[name] * torch.as_tensor(layer.weight).square() / 2 for name, layer in layers.items()}


def cross_entropy_curvature(logits: Tensor) -> Tensor:
    """The diagonal p (1 - p) of the cross entropy's Hessian at the logits, (N, classes). It needs no labels.

    In double precision: of a class that is almost certain 1 - p would have no digits left.
    """
    p = logits.double().softmax(1)
    return (p * (1 - p)).to(logits.dtype)


def curvature(
    net: nn.Module,
    layers: Mapping[str, nn.Module],
    batches: Iterable[Tensor],
    at_output: OutputCurvature = cross_entropy_curvature,
) -> dict[str, Tensor]:
    """h_kk of each of the layers' weights, in the weight's shape: second derivatives of the mean loss over all images.

    An approximation but for the last layer's: of each layer's Hessian the diagonal alone goes back. Each image counts
    alike, in eval mode.

    Args:
        layers: of ``net``, by name (``selection.select``).
        batches: images (N, C, H, W).
        at_output: the loss's second derivatives at the logits (N, classes).

    Raises:
        UserError: no images; the net has an operation whose second derivatives are not known here.
    """
    squares = {layer: _square(layer).requires_grad_() for layer in layers.values()}
    images = 0
    with _second_derivatives(net, squares):
        for batch in batches:
            batch = batch.detach().to(next(net.parameters()).device).requires_grad_()
            logits = net(batch)
            _check_known(net, logits)
            torch.autograd.grad(logits, batch, at_output(logits.detach()))
            images += len(batch)
    if not images:
        raise UserError("compression.steps: saliency=obd: got no images to compute second derivatives of")
    return {
        name: torch.zeros_like(squares[layer]) if (h := squares[layer].grad) is None else h / images
        for name, layer in layers.items()
    }


@contextmanager
def _second_derivatives(net: nn.Module, squares: Mapping[nn.Module, Tensor]) -> Iterator[None]:
    """Inside, what goes back through ``net`` are second derivatives; those by a weight add up in its square's ``grad``."""
    training = [module for module in net.modules() if module.training]
    net.eval()
    hooks = []
    for module in net.modules():
        on_squares = _on_squares(module, squares)
        if on_squares is not None:
            hooks.append(module.register_forward_hook(_replacing(on_squares)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for module in training:
            module.training = True


def _replacing(on_squares: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    def hook(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        replaced: Any = _Squares.apply(inputs[0], output.detach(), on_squares)
        return replaced

    return hook


class _Squares(torch.autograd.Function):
    """A layer's output; back goes what would go through ``on_squares``, linear, at the squared input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, output: Tensor, on_squares: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.save_for_backward(x)
        ctx.on_squares = on_squares
        return output.clone()

    @staticmethod
    def backward(ctx: Any, h: Tensor) -> tuple[Tensor | None, None, None]:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        with torch.enable_grad():
            square = x.detach().square().requires_grad_()
            torch.autograd.backward(ctx.on_squares(square), h)
        return square.grad, None, None


def _on_squares(module: nn.Module, squares: Mapping[nn.Module, Tensor]) -> Callable[[Tensor], Tensor] | None:
    """The linear map whose coefficients are the squares of the module's; None for a module without any of its own."""
    if isinstance(module, LAYERS):
        weight = squares[module] if module in squares else _square(module)
        if isinstance(module, nn.Linear):
            return lambda x: F.linear(x, weight)
        return lambda x: module._conv_forward(x, weight, None)
    if isinstance(module, _BatchNorm):
        scale = _scale(module).square()
        return lambda x: x * scale.view(1, -1, *(1,) * (x.ndim - 2))
    if isinstance(module, nn.AdaptiveAvgPool2d):
        return lambda x: (y := module.forward(x)) * _adaptive_share(x.shape, y.shape).to(y)
    if isinstance(module, nn.AvgPool2d):
        return lambda x: module.forward(x) * _share(module)
    return None


def _square(layer: nn.Module) -> Tensor:
    return torch.as_tensor(layer.weight).detach().square()


def _scale(norm: _BatchNorm) -> Tensor:
    if norm.running_var is None:
        raise UserError("compression.steps: saliency=obd: needs batch norm with running statistics")
    deviation = (norm.running_var + norm.eps).sqrt()
    return (1 if norm.weight is None else norm.weight.detach()) / deviation


def _share(pool: nn.AvgPool2d) -> float:
    """What each pixel of a window counts."""
    if pool.ceil_mode or (pool.padding not in (0, (0, 0)) and not pool.count_include_pad):
        raise UserError("compression.steps: saliency=obd: knows average pooling with windows of one size only")
    height, width = pool.kernel_size if isinstance(pool.kernel_size, tuple) else (pool.kernel_size,) * 2
    return 1 / (pool.divisor_override or height * width)


def _adaptive_share(x: torch.Size, y: torch.Size) -> Tensor:
    """(h, w): what each pixel of a window counts, for windows from floor(o H / h) to ceil((o + 1) H / h)."""

    def lengths(size: int, outputs: int) -> Tensor:
        return torch.tensor([-(-(o + 1) * size // outputs) - o * size // outputs for o in range(outputs)])

    return 1 / (lengths(x[-2], y[-2])[:, None] * lengths(x[-1], y[-1]))


def _check_known(net: nn.Module, logits: Tensor) -> None:
    """Raises UserError if an operation between images and logits has derivatives other than 0 and 1 and isn't squared."""
    waiting: list[Node | None] = [logits.grad_fn]
    seen = set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        name = re.sub(r"Backward\d*$", "", node.name())
        if name not in ZERO_OR_ONE or getattr(node, "_saved_alpha", 1) != 1:
            raise UserError(
                f"compression.steps: saliency=obd: knows no second derivatives of {name} in {type(net).__name__}; "
                "use saliency=magnitude"
            )
        waiting += [following for following, _ in node.next_functions]
