"""How fast a net is on this machine at its paper's scale: evaluation mode, one thread."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lightning_modules.nets.build import build_net
from lightning_modules.random_streams import stream

CLASSES = 1000
THREADS = 1


def prepare() -> None:
    """Sets this process up, for good. Random weights may lead to tiny numbers, of which trained ones have few."""
    torch.set_num_threads(THREADS)
    torch.set_flush_denormal(True)


def build(arch: Mapping[str, Any], restructure: Callable[[nn.Module], None] | None = None) -> nn.Module:
    """The net with its authors' initial weights, in its own memory format. Raises UserError: see ``build_net``.

    ``restructure`` changes its layers in place.
    """
    torch.manual_seed(0)
    net = build_net(arch, CLASSES, arch["paper_input"][0])
    if restructure is not None:
        restructure(net)
    return net.eval().to(memory_format=_memory_format(arch))


def noise(arch: Mapping[str, Any], batch: int) -> Tensor:
    """Images (N, C, H, W) of the paper's size, in the net's memory format."""
    images = torch.randn(batch, *arch["paper_input"], generator=stream(batch, "speed"))
    return images.contiguous(memory_format=_memory_format(arch))


def timer(net: Callable[[Tensor], Any], images: Tensor, seconds: float) -> Callable[[], float]:
    """A function that runs ``net`` on ``images`` over and over, for ``seconds`` or more: images per second.

    It has been warmed up by two batches.
    """

    @torch.inference_mode()
    def sample() -> float:
        began = time.perf_counter()
        batches = 0
        while (taken := time.perf_counter() - began) < seconds or not batches:
            net(images)
            batches += 1
        return len(images) * batches / taken

    with torch.inference_mode():
        for _ in range(2):
            net(images)
    return sample


def _memory_format(arch: Mapping[str, Any]) -> torch.memory_format:
    return torch.channels_last if arch["memory_format"] == "channels_last" else torch.contiguous_format
