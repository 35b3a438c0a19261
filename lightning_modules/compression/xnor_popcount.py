"""Binary convolution as XNOR-Net means it: signs packed 64 to a word, compared by XOR, counted by popcount.

Rastegari et al., 2016, arXiv:1603.05279, section 3.2 (equation 11) and section 4.1 (what it saves). It is exact: two
vectors of n signs that differ in d places have the product n - 2 d. NumPy has no kernel that fuses the two operations,
so this shows that the one-bit net computes what the float one does, not that it is fast here: ``measure`` says how long
both take on this machine.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.compression.xnor import XnorBlock
from lightning_modules.random_streams import stream

WORD = 64  # bits of one operation (section 4.1)
Pair = tuple[int, int]


def popcount_forward(block: XnorBlock, x: Tensor) -> Tensor:
    """What ``block(x)`` computes in evaluation mode, with its layer done in bits; batch norm, K and alpha are real."""
    with torch.no_grad():
        x = block.norm(x)
        weight: Any = block.layer.weight
        alpha = weight.abs().flatten(1).amax(1)  # of a filter all are alike
        if isinstance(block.layer, nn.Conv2d):
            conv: Any = block.layer
            counts = binary_conv2d(_signs(x), _signs(weight), conv.stride, conv.padding, conv.dilation, conv.groups)
        else:
            counts = binary_conv2d(_signs(x)[..., None, None], _signs(weight)[..., None, None])[..., 0, 0]
        y = torch.from_numpy(counts).to(x) * alpha.view(-1, *[1] * (x.ndim - 2))
        return block.scaled(y, x)


def binary_conv2d(
    positive: NDArray[np.bool_],
    weight: NDArray[np.bool_],
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> NDArray[np.int32]:
    """The convolution of signs, True for +1: (N, C, H, W) by (out, C / groups, kh, kw) -> (N, out, h, w), exactly.

    As in a float convolution the padding is 0, which no bit can say. So a tap of the kernel adds its product only to
    those outputs at which it lies on the map.
    """
    (images, _, *size), (filters, channels, *kernel) = positive.shape, weight.shape
    maps = pack(positive.transpose(0, 2, 3, 1).reshape(images, *size, groups, channels))
    taps = pack(weight.transpose(2, 3, 0, 1)).reshape(*kernel, groups, filters // groups, -1)
    height, width = (
        (size[side] + 2 * padding[side] - dilation[side] * (kernel[side] - 1) - 1) // stride[side] + 1
        for side in (0, 1)
    )
    found = np.zeros((images, height, width, groups, filters // groups), np.int32)
    for i, j in np.ndindex(*kernel):
        rows, to_rows = _on_map(i * dilation[0] - padding[0], stride[0], size[0], height)
        columns, to_columns = _on_map(j * dilation[1] - padding[1], stride[1], size[1], width)
        differing = np.bitwise_count(maps[:, rows, columns, :, None] ^ taps[i, j]).sum(-1, dtype=np.int32)
        found[:, to_rows, to_columns] += channels - 2 * differing
    return np.ascontiguousarray(found.reshape(images, height, width, filters).transpose(0, 3, 1, 2))


def pack(bits: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """(..., C) -> (..., ceil(C / 64)). The last word's spare bits are 0, and so never differ."""
    words = -(-bits.shape[-1] // WORD)
    padded = np.zeros((*bits.shape[:-1], words * WORD), np.bool_)
    padded[..., : bits.shape[-1]] = bits
    return np.packbits(padded, axis=-1).view(np.uint64)


def theoretical_speedup(channels: int, kernel_area: int) -> float:
    """Of a convolution with binary weights and inputs, 64 operations of one bit for one on real numbers (section 4.1).

    c N_W N_I real operations become c N_W N_I / 64 and N_I more for the scale: 64 c N_W / (c N_W + 64).
    """
    return WORD * channels * kernel_area / (channels * kernel_area + WORD)


def measure(channels: int, filters: int, kernel: int, size: int, seconds: float) -> dict[str, float]:
    """{"popcount_ms", "float_ms"} of one padded convolution of one image of signs, (1, channels, size, size).

    Medians over the runs of ``seconds`` each, packing included, on this machine now; the float one with PyTorch's
    threads.
    """
    generator = stream(channels, filters, kernel, size, "popcount")
    x = torch.randn(1, channels, size, size, generator=generator).sign()
    weight = torch.randn(filters, channels, kernel, kernel, generator=generator).sign()
    padding, x_bits, weight_bits = kernel // 2, _signs(x), _signs(weight)
    with torch.inference_mode():
        return {
            "popcount_ms": _median_ms(lambda: binary_conv2d(x_bits, weight_bits, padding=(padding, padding)), seconds),
            "float_ms": _median_ms(lambda: F.conv2d(x, weight, padding=padding), seconds),
        }


def _signs(x: Tensor) -> NDArray[np.bool_]:
    return (x >= 0).cpu().numpy()


def _on_map(offset: int, stride: int, size: int, outputs: int) -> tuple[slice, slice]:
    """Along one side: the pixels of the map under a tap that sees r * stride + offset at output r, and these outputs."""
    first = max(0, -(offset // stride))
    end = max(first, min(outputs, (size - 1 - offset) // stride + 1))
    start = first * stride + offset
    return slice(start, start + (end - first) * stride, stride), slice(first, end)


def _median_ms(run: Callable[[], object], seconds: float) -> float:
    run()
    times: list[float] = []
    while sum(times) < seconds:
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return 1e3 * float(np.median(times))
