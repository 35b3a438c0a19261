"""How long each layer of a net takes on the CPU, one after the other as the net runs them."""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

WARM_UP = 2


@torch.inference_mode()
def layer_times(net: nn.Module, images: Tensor, passes: int) -> dict[str, list[float]]:
    """Seconds by dotted name of each module that has no parts of its own, a number a pass over ``images`` (N, C, H, W).

    To look at the clock takes some microseconds a layer, so that layers add up to more than the whole net.
    """
    taken: dict[str, float] = {}
    began: list[float] = []

    def start(module: nn.Module, inputs: Any) -> None:
        began.append(time.perf_counter())

    def stop(name: str) -> Callable[..., None]:
        def note(module: nn.Module, inputs: Any, output: Any) -> None:
            taken[name] = taken.get(name, 0.0) + time.perf_counter() - began.pop()

        return note

    innermost = [(name, module) for name, module in net.named_modules() if not any(module.children())]
    hooks: list[Any] = []
    for name, module in innermost:
        hooks += [module.register_forward_pre_hook(start), module.register_forward_hook(stop(name))]
    found: dict[str, list[float]] = {}
    try:
        for number in range(WARM_UP + passes):
            taken.clear()
            net(images)
            for name, seconds in taken.items() if number >= WARM_UP else ():
                found.setdefault(name, []).append(seconds)
    finally:
        for hook in hooks:
            hook.remove()
    return found
