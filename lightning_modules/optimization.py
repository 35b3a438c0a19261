"""The optimiser and the learning rate of a recipe."""

import math
from collections.abc import Iterable

from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from lightning_modules.recipe import Recipe


def build_optimizer(recipe: Recipe, parameters: Iterable[nn.Parameter], fused: bool = True) -> Optimizer:
    """``fused``: all parameters in one kernel, which a small net's training feels. Not with clipping under AMP."""
    if recipe.optimizer == "adamw":
        return AdamW(parameters, recipe.lr, betas=recipe.betas, weight_decay=recipe.weight_decay, fused=fused)
    return SGD(
        parameters,
        recipe.lr,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
        fused=fused,
    )


def build_schedule(recipe: Recipe, optimizer: Optimizer, steps: int) -> LambdaLR:
    """Steps once an optimiser step; ``steps`` in all."""
    return LambdaLR(optimizer, lambda step: rate(recipe.schedule, step, steps, round(recipe.warmup * steps)))


def rate(schedule: str, step: int, steps: int, warmup_steps: int) -> float:
    """The learning rate at ``step`` as a share of its highest. "linear" is Caffe's "poly" with power 1."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, steps - warmup_steps)
    if schedule == "linear":
        return max(0.0, 1 - progress)
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return 1.0


def set_output_bias(net: nn.Module, bias: float) -> None:
    """Gives every class the same bias in the output layer (the net's last linear or convolutional one).

    Equal biases cancel in softmax, so most nets do not notice. SqueezeNet has a ReLU behind its last layer: a class
    whose score starts below zero gets no gradient and may never learn; a positive bias starts all classes above it.
    """
    output = [module for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))][-1]
    if output.bias is not None:
        nn.init.constant_(output.bias, bias)
