"""The optimiser and the learning rate of a recipe."""

import math
from collections.abc import Iterable

from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from lightning_modules.recipe import Recipe


def build_optimizer(recipe: Recipe, parameters: Iterable[nn.Parameter]) -> Optimizer:
    if recipe.optimizer == "adamw":
        return AdamW(parameters, recipe.lr, betas=recipe.betas, weight_decay=recipe.weight_decay)
    return SGD(
        parameters, recipe.lr, momentum=recipe.momentum, nesterov=recipe.nesterov, weight_decay=recipe.weight_decay
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


def init_he(net: nn.Module, output_bias: float) -> None:
    """He et al., 2015, arXiv:1502.01852: weights uniform with variance 2 / fan_in, biases zero.

    The output layer starts with small weights, as in SqueezeNet's released files (normal, deviation 0.01), and with
    ``output_bias`` for every class. Equal biases cancel in softmax; behind SqueezeNet's last ReLU they keep every
    class alive at the start.
    """
    layers = [module for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    for layer in layers:
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    nn.init.normal_(layers[-1].weight, std=0.01)
    if layers[-1].bias is not None:
        nn.init.constant_(layers[-1].bias, output_bias)
