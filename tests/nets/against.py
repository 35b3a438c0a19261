"""What the tests of all nets use: the published numbers, costs, and outputs against an independent implementation."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
import yaml
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from experiments.suite.paths import CONF


def paper(name: str) -> dict[str, Any]:
    """The content of conf/paper/<name>.yaml."""
    return yaml.safe_load((CONF / "paper" / f"{name}.yaml").read_text(encoding="utf-8"))


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def macs(net: nn.Module, channels: int, height: int, width: int | None = None) -> int:
    """Multiply-adds of convolutions and linear layers for one image, by PyTorch's own counter (fvcore's independent check)."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        device = next(net.parameters()).device
        net.eval()(torch.zeros(1, channels, height, width or height, device=device))
    return counter.get_total_flops() // 2


def maps(net: nn.Module, size: int, channels: int = 3) -> dict[str, tuple[int, ...]]:
    """The shape that each direct part of ``net``, which is on the meta device, makes of one image."""
    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str) -> Callable[..., None]:
        return lambda module, inputs, output: shapes.__setitem__(name, tuple(output.shape[1:]))

    for name, layer in net.named_children():
        layer.register_forward_hook(note(name))
    net(torch.zeros(1, channels, size, size, device="meta"))
    return shapes


def randomised(net: nn.Module) -> nn.Module:
    """In eval mode, with every number different, so that a misplaced one shows: weights, biases, batch-norm statistics."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.dim() > 1:
                bound = (6 / parameter[0].numel()) ** 0.5
                parameter.uniform_(-bound, bound, generator=generator)
            else:
                parameter.uniform_(-0.1, 0.1, generator=generator)
        for module in net.modules():
            if (
                isinstance(module, nn.BatchNorm2d)
                and module.running_mean is not None
                and module.running_var is not None
            ):
                module.running_mean.uniform_(-0.1, 0.1, generator=generator)
                module.running_var.uniform_(0.5, 1.5, generator=generator)
                module.weight.uniform_(0.5, 1.5, generator=generator)
    return net.eval()


def settled(net: nn.Module) -> nn.Module:
    """Randomised, with batch-norm statistics of real activations: sums of shortcuts would grow without bounds else."""
    randomised(net).train()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        net(images(64))
    return net.eval()


def transplant(source: nn.Module, target: nn.Module) -> nn.Module:
    """Gives ``target`` the weights and batch-norm statistics of ``source``, in order."""
    copy(source.parameters(), target.parameters())
    copy(
        (buffer for buffer in source.buffers() if buffer.is_floating_point()),
        (buffer for buffer in target.buffers() if buffer.is_floating_point()),
    )
    return target.eval()


def copy(source: Iterable[Tensor], target: Iterable[Tensor]) -> None:
    """In order; shapes must agree."""
    with torch.no_grad():
        for mine, theirs in zip(source, target, strict=True):
            assert mine.shape == theirs.shape
            theirs.copy_(mine)


def images(size: int, seed: int = 0, channels: int = 3) -> Tensor:
    return torch.randn(2, channels, size, size, generator=torch.Generator().manual_seed(seed))


def assert_same_outputs(ours: nn.Module, theirs: Callable[[Tensor], Tensor], size: int = 224) -> None:
    """On two images, in eval mode: logits of 1000 classes that differ by less than 1e-4."""
    with torch.no_grad():
        expected, found = theirs(images(size)), ours(images(size))
    assert expected.shape == found.shape == (2, 1000)
    assert expected.std() > 0.01
    assert float((expected - found).abs().max()) < 1e-4
