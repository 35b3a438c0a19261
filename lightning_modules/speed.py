"""How fast a net is on this machine at its paper's scale: evaluation mode, one thread."""

import logging
import statistics
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lightning_modules.nets.build import build_net
from lightning_modules.random_streams import stream

CLASSES = 1000
THREADS = 1
REFERENCE_SIZE = 512  # rows and columns of a matrix that fits a core's own cache
REFERENCE_S = 0.01


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


def has_gpu() -> bool:
    return torch.cuda.is_available()


def compiled(net: nn.Module) -> Callable[[Tensor], Any]:
    """The net as PyTorch compiles it for this processor, when it is first called; that takes up to minutes."""
    return torch.compile(net, dynamic=False)


def noise(arch: Mapping[str, Any], batch: int) -> Tensor:
    """Images (N, C, H, W) of the paper's size, in the net's memory format."""
    images = torch.randn(batch, *arch["paper_input"], generator=stream(batch, "speed"))
    return images.contiguous(memory_format=_memory_format(arch))


def timer(net: Callable[[Tensor], Any], images: Tensor, seconds: float, threads: int = THREADS) -> Callable[[], float]:
    """A function that runs ``net`` on ``images`` for about ``seconds``: images per second.

    How many batches that takes is found out here, once, after a warm-up. Each sample also warms up, by two batches or
    more, since other nets may have run in between (``torch.utils.benchmark``).
    """
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # says of a machine that it has no GPU
    from torch.utils.benchmark import Timer

    clock = Timer("net(images)", globals={"net": net, "images": images}, num_threads=threads)
    with torch.inference_mode():
        batch_s = min(clock.timeit(1).mean for _ in range(2))  # what disturbs a batch makes it longer
    batches = max(1, round(seconds / batch_s))

    @torch.inference_mode()
    def sample() -> float:
        return len(images) / clock.timeit(batches).mean

    return sample


def reference() -> Callable[[], float]:
    """A sampler of work that is always the same, a matrix product: its rows per second.

    By it one sees whether the machine is as fast as before. The median of three short samples says so of the machine; a
    single one would say what interrupted it.
    """
    matrix = torch.randn(REFERENCE_SIZE, REFERENCE_SIZE, generator=stream("reference", "speed"))
    sample = timer(lambda rows: rows @ matrix, matrix, REFERENCE_S)
    return lambda: statistics.median(sample() for _ in range(3))


def _memory_format(arch: Mapping[str, Any]) -> torch.memory_format:
    return torch.channels_last if arch["memory_format"] == "channels_last" else torch.contiguous_format
