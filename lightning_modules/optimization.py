"""The optimiser and the learning rate of a recipe."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from torch import nn
from torch.optim import SGD, AdamW, Optimizer, RMSprop
from torch.optim.lr_scheduler import LambdaLR

from lightning_modules.recipe import Recipe

ROUNDING = 1e-9  # of a share of the steps: 30 of 100 are at 0.3, though 0.3 / 0.1 is below 3


def build_optimizer(recipe: Recipe, parameters: Iterable[nn.Parameter], fused: bool = True) -> Optimizer:
    """``fused``: all parameters in one kernel, which a small net's training feels. Not with clipping under AMP.

    RMSprop, which has no such kernel, is PyTorch's: it adds ``eps`` to the root of the mean square, TensorFlow to the
    mean square.
    """
    groups = parameter_groups(parameters, recipe.decay_exclude)
    if recipe.optimizer == "adamw":
        return AdamW(
            groups, recipe.lr, betas=recipe.betas, eps=recipe.eps, weight_decay=recipe.weight_decay, fused=fused
        )
    if recipe.optimizer == "rmsprop":
        return RMSprop(
            groups,
            recipe.lr,
            alpha=recipe.alpha,
            eps=recipe.eps,
            weight_decay=recipe.weight_decay,
            momentum=recipe.momentum,
        )
    return SGD(
        groups,
        recipe.lr,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
        fused=fused,
    )


def parameter_groups(parameters: Iterable[nn.Parameter], exclude: Sequence[str]) -> list[dict[str, Any]]:
    """One group with the recipe's weight decay and, where ``exclude`` finds any, one without.

    "vectors" are all one-dimensional parameters: biases and those of batch norm. "depthwise" are filters that see one
    channel, (C, 1, k, k) (on grey images those of the first layer, too).
    """
    decayed, free = [], []
    for parameter in parameters:
        vector = parameter.ndim == 1
        depthwise = parameter.ndim == 4 and parameter.shape[1] == 1
        excluded = (vector and "vectors" in exclude) or (depthwise and "depthwise" in exclude)
        (free if excluded else decayed).append(parameter)
    groups = [{"params": decayed}, {"params": free, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def build_schedule(recipe: Recipe, optimizer: Optimizer, steps: int) -> LambdaLR:
    """Steps once an optimiser step; ``steps`` in all."""
    return LambdaLR(optimizer, lambda step: rate(recipe, step, steps))


def rate(recipe: Recipe, step: int, steps: int) -> float:
    """The learning rate at ``step`` as a share of its highest. "linear" is Caffe's "poly" with power 1."""
    warmup_steps = round(recipe.warmup * steps)
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, steps - warmup_steps)
    if recipe.schedule == "linear":
        return max(0.0, 1 - progress)
    if recipe.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    if recipe.schedule == "steps":
        return recipe.drop_factor ** sum(progress >= drop - ROUNDING for drop in recipe.drop_at)
    if recipe.schedule == "exponential":
        return recipe.drop_factor ** math.floor(progress / recipe.drop_every + ROUNDING)
    return 1.0


def set_output_bias(net: nn.Module, bias: float) -> None:
    """Gives every class the same bias in the output layer (the net's last linear or convolutional one).

    Equal biases cancel in softmax, so most nets do not notice. SqueezeNet has a ReLU behind its last layer: a class
    whose score starts below zero gets no gradient and may never learn; a positive bias starts all classes above it.
    """
    output = [module for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))][-1]
    if output.bias is not None:
        nn.init.constant_(output.bias, bias)
