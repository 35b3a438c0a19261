"""Convolutions that are also quick on maps of a few pixels, where PyTorch's CPU kernels are not.

With small images a net's last maps have 1x1 or 2x2 pixels. There the CPU kernels (oneDNN) take for a depthwise
convolution's weight gradient 10 to 100 times what they take on 4x4, and a 1x1 convolution is slower than the matrix
product that it is. Each class computes what ``nn.Conv2d`` computes, in another order, and has its parameters. Which form
is used depends on the map's size alone: never on a timing, so that the same run gives the same numbers everywhere.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.grad import conv2d_input


class DepthwiseConv2d(nn.Conv2d):
    """One filter a channel, padded so that stride 1 keeps the size: (N, C, H, W) -> (N, C, ceil(H/s), ceil(W/s)).

    Output and input gradient are PyTorch's, of channels-last maps where the map is tiny. On maps lower and narrower than kernel_size + stride - 1 (3x3
    kernels: up to 2x2 at stride 1, 3x3 at stride 2) the weight gradient is ``weight_gradient``'s.
    """

    def __init__(self, channels: int, kernel_size: int = 3, stride: int = 1, bias: bool = False):
        super().__init__(channels, channels, kernel_size, stride, kernel_size // 2, groups=channels, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        k, s = self.kernel_size[0], self.stride[0]
        if max(x.shape[-2:]) >= k + s - 1 or not _eager_on_cpu(x) or not torch.is_grad_enabled():
            return super().forward(x)
        x = x.contiguous(memory_format=torch.channels_last)
        y: Any = _OwnWeightGradient.apply(x, self.weight, s)
        return y if self.bias is None else y + self.bias[:, None, None]


class PointwiseConv2d(nn.Conv2d):
    """A 1x1 convolution, stride 1: (N, in_channels, H, W) -> (N, out_channels, H, W).

    On maps up to 4x4 it is a matrix product of (N * H * W, in_channels) and the weight, and the output is channels last:
    so are then the maps behind it, whatever the net's layout, and tiny maps are slow in the other one.
    """

    def __init__(self, in_channels: int, out_channels: int, bias: bool = False):
        super().__init__(in_channels, out_channels, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        if max(x.shape[-2:]) > 4 or not _eager_on_cpu(x):
            return super().forward(x)
        return F.linear(x.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


def weight_gradient(x: Tensor, grad: Tensor, kernel_size: int, stride: int) -> Tensor:
    """The gradient (C, 1, k, k) of a depthwise weight, from input (N, C, H, W) and output gradient (N, C, h, w).

    Output pixel (r, c) is sum(weight * window) over the input's window around it. So it adds grad[r, c] * window,
    summed over the batch, to the gradient of the taps that lie on the map. That is one product for each output pixel:
    few on tiny maps.
    """
    # (N, H, W, C): channels, the only long dimension, are neighbours in memory.
    x, grad = (t.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1) for t in (x, grad))
    found = x.new_zeros(kernel_size, kernel_size, x.shape[3])
    for r in range(grad.shape[1]):
        rows, taps_down = _window(r, x.shape[1], kernel_size, stride)
        for c in range(grad.shape[2]):
            columns, taps_across = _window(c, x.shape[2], kernel_size, stride)
            found[taps_down, taps_across] += (x[:, rows, columns] * grad[:, r, None, c, None]).sum(0)
    return found.permute(2, 0, 1).unsqueeze(1)


def _window(output: int, size: int, kernel_size: int, stride: int) -> tuple[slice, slice]:
    """Along one side: the pixels of the map under the kernel at an output pixel, and the kernel's taps over them."""
    first = output * stride - kernel_size // 2
    low, high = max(first, 0), min(first + kernel_size, size)
    return slice(low, high), slice(low - first, high - first)


class _OwnWeightGradient(torch.autograd.Function):
    """PyTorch's depthwise convolution but for its weight gradient. Can be differentiated twice."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, stride: int) -> Tensor:
        return F.conv2d(x, weight, None, stride, weight.shape[2] // 2, groups=len(weight))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, int], output: Tensor) -> None:
        x, weight, ctx.stride = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:  # type: ignore[override]
        (x, weight), k = ctx.saved_tensors, ctx.saved_tensors[1].shape[2]
        of_x = of_weight = None
        if ctx.needs_input_grad[0]:
            of_x = conv2d_input(x.shape, weight, grad, ctx.stride, k // 2, groups=len(weight))  # type: ignore[arg-type]
        if ctx.needs_input_grad[1]:
            of_weight = weight_gradient(x, grad, k, ctx.stride)
        return of_x, of_weight, None


def _eager_on_cpu(x: Tensor) -> bool:
    """Whether the slow kernels would run. A graph that is traced or exported keeps its plain convolutions; mixed
    precision has other kernels."""
    return (
        x.device.type == "cpu"
        and x.dim() == 4
        and not torch.jit.is_tracing()  # type: ignore[attr-defined]
        and not torch.compiler.is_compiling()
        and not torch.is_autocast_enabled("cpu")
    )
