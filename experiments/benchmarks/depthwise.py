"""Training steps of MobileNetV2 at 32 px on one thread: our convolutions on tiny maps, and PyTorch's.

    ours               the net as it is trained: channels last
    stock              the same net and layout, each convolution an ``nn.Conv2d``
    stock, contiguous  that in PyTorch's default layout

All take the same steps from the same weights, on one batch of noise: what the images show costs nothing.
"""

import copy
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional as F

from experiments.benchmarks.rounds import Side
from lightning_modules.nets import MobileNetV2
from lightning_modules.nets.blocks import DepthwiseConv2d, PointwiseConv2d

BATCH = 128
SIZE = 32  # px
STEPS = 5


@contextmanager
def sides() -> Iterator[Mapping[str, Side]]:
    """Images a second by side."""
    torch.manual_seed(0)
    net = MobileNetV2(num_classes=10)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield {
            "ours": lambda: rate(copy.deepcopy(net), torch.channels_last),
            "stock": lambda: rate(stock(copy.deepcopy(net)), torch.channels_last),
            "stock, contiguous": lambda: rate(stock(copy.deepcopy(net)), torch.contiguous_format),
        }
    finally:
        torch.set_num_threads(threads)


def stock(net: nn.Module) -> nn.Module:
    """``net`` with PyTorch's own forward and backward in each convolution, on the same parameters."""
    for module in net.modules():
        if isinstance(module, DepthwiseConv2d | PointwiseConv2d):
            module.__class__ = nn.Conv2d  # type: ignore[assignment]
    return net


def rate(net: nn.Module, layout: torch.memory_format) -> float:
    net = net.to(memory_format=layout).train()  # type: ignore[call-overload]
    images = torch.randn(BATCH, 3, SIZE, SIZE).contiguous(memory_format=layout)
    labels = torch.arange(BATCH) % 10
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    began = 0.0
    for step in range(1 + STEPS):
        if step == 1:  # the first is a warm-up
            began = time.perf_counter()
        optimizer.zero_grad()
        F.cross_entropy(net(images), labels).backward()
        optimizer.step()
    return STEPS * BATCH / (time.perf_counter() - began)
