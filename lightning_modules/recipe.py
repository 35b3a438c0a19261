"""How a net is trained, checked before anything is built. Imports no torch, so that planning can check it too."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from lightning_modules.errors import UserError, check_choice

OPTIMIZERS = ("sgd", "adamw")
SCHEDULES = ("constant", "linear", "cosine")
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")  # of trainer.precision


@dataclass(frozen=True)
class Recipe:
    """conf/recipe/*.yaml, field by field.

    Raises:
        UserError: a value is out of range; the message names the field.
    """

    name: str
    images_seen: int  # training images, repeats counted, where the budget sets no number of its own
    batch_size: int  # of one optimiser step, over all devices
    optimizer: str
    lr: float  # final: never scaled by the batch
    momentum: float  # of SGD
    nesterov: bool
    betas: tuple[float, float]  # of AdamW
    weight_decay: float
    schedule: str
    warmup: float  # share of all steps in which the rate rises linearly from zero
    clip_norm: float | None  # largest norm of the gradient
    label_smoothing: float
    output_bias: float | None  # of every class at the start; None: as the net's authors have it
    augment: Mapping[str, Any]

    def __post_init__(self):
        check_choice("recipe.optimizer", self.optimizer, OPTIMIZERS)
        check_choice("recipe.schedule", self.schedule, SCHEDULES)
        _check_range("lr", self.lr, above=0)
        _check_range("images_seen", self.images_seen, above=0)
        _check_range("batch_size", self.batch_size, above=0)
        _check_range("momentum", self.momentum, least=0, below=1)
        _check_range("weight_decay", self.weight_decay, least=0)
        _check_range("warmup", self.warmup, least=0, below=1)
        _check_range("label_smoothing", self.label_smoothing, least=0, below=1)
        _check_range("augment.crop_padding", self.augment["crop_padding"], least=0)
        if self.clip_norm is not None:
            _check_range("clip_norm", self.clip_norm, above=0)
        if len(self.betas) != 2 or not all(isinstance(beta, (int, float)) and 0 <= beta < 1 for beta in self.betas):
            raise UserError(f"recipe.betas={list(self.betas)}: give two numbers from 0 to below 1")

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Recipe":
        """From a conf/recipe file's content."""
        known = {field.name for field in fields(cls)}
        unknown, missing = sorted(set(config) - known), sorted(known - set(config))
        if unknown or missing:
            raise UserError(f"recipe: unknown fields {unknown}, missing fields {missing}")
        return cls(**{**config, "betas": tuple(config["betas"])})


def count_epochs(images_seen: int, train_images: int) -> int:
    """The whole epochs nearest to ``images_seen`` training images, at least one."""
    return max(1, round(images_seen / train_images))


def _check_range(
    name: str, value: float, above: float | None = None, least: float | None = None, below: float | None = None
) -> None:
    wanted = [
        text
        for text, bound, holds in (
            (f"above {above}", above, above is None or value > above),
            (f"at least {least}", least, least is None or value >= least),
            (f"below {below}", below, below is None or value < below),
        )
        if bound is not None and not (holds and math.isfinite(value))
    ]
    if wanted:
        raise UserError(f"recipe.{name}={value}: must be {' and '.join(wanted)}")
