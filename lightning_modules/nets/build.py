"""A net from its configuration."""

import difflib
import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lightning_modules import nets
from lightning_modules.errors import UserError

# Fields of conf/arch/*.yaml that describe the net from outside; all others are arguments of its class.
DESCRIPTION = ("name", "net", "paper_input", "memory_format")
WITH_STRIDE = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)


def build_net(arch: Mapping[str, Any], num_classes: int, in_channels: int) -> nn.Module:
    """The net that ``arch`` (a conf/arch file's content) describes, with the initialisation of its authors.

    Raises:
        UserError: the class or an argument is unknown, or the net refuses a value.
    """
    if arch["net"] not in nets.classes():
        close = difflib.get_close_matches(arch["net"], nets.classes(), n=1)
        hint = f"did you mean {close[0]}?" if close else f"choose one of {', '.join(nets.classes())}"
        raise UserError(f"arch.net={arch['net']}: no such class in lightning_modules/nets; {hint}")
    net_class = getattr(nets, arch["net"])
    arguments = {key: value for key, value in arch.items() if key not in DESCRIPTION}
    known = inspect.signature(net_class).parameters
    for key in arguments:
        if key not in known:
            raise UserError(f"arch.{key}: {arch['net']} has no such argument; it has {', '.join(known)}")
    return net_class(num_classes=num_classes, in_channels=in_channels, **arguments)


def check_images(net: nn.Module, channels: int, size: int, num_classes: int, name: str) -> None:
    """Shows the net an image of ``size`` x ``size`` pixels.

    Raises:
        UserError: a layer can't take its map, or would halve one of a single pixel, so that all it sees but that is padding;
            or the net says something else than a score a class.
    """
    was_training = net.training
    hooks = [
        layer.register_forward_pre_hook(_refuse_one_pixel) for layer in net.modules() if isinstance(layer, WITH_STRIDE)
    ]
    try:
        with torch.no_grad():
            scores = net.eval()(torch.zeros(1, channels, size, size, device=next(net.parameters()).device))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"data.size={size}: images of {size}x{size} pixels are too small for {name} ({reason}); choose larger ones"
        ) from error
    finally:
        net.train(was_training)
        for hook in hooks:
            hook.remove()
    if scores.shape != (1, num_classes):
        raise UserError(f"arch={name}: gives {tuple(scores.shape)} for one image, not (1, {num_classes})")


def _refuse_one_pixel(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    stride = layer.stride if isinstance(layer.stride, int) else max(layer.stride)  # type: ignore[type-var]
    if stride > 1 and max(inputs[0].shape[-2:]) == 1:  # type: ignore[operator]
        raise RuntimeError(f"a layer of stride {stride} gets a map of 1x1")
