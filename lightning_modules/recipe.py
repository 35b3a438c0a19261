"""How a net is trained, checked before anything is built. Imports no torch, so that planning can check it too."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from lightning_modules.errors import UserError, check_choice

OPTIMIZERS = ("sgd", "adamw", "rmsprop")
SCHEDULES = ("constant", "linear", "cosine", "steps", "exponential")
DECAY_EXCLUDED = ("vectors", "depthwise")
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
    momentum: float  # of SGD and RMSprop
    nesterov: bool
    betas: tuple[float, float]  # of AdamW
    alpha: float  # of RMSprop: the share of its mean square that a step keeps
    eps: float  # of AdamW and RMSprop: added to the root of the mean square
    weight_decay: float
    decay_exclude: Sequence[str]  # what has no weight decay: vectors (biases, batch norm), depthwise filters
    schedule: str
    drop_factor: float  # what the rate is multiplied with at each drop of the schedules steps and exponential
    drop_at: Sequence[float]  # of steps: where it drops, as shares of the steps after the warm-up
    drop_every: float  # of exponential: the share of those steps between two drops
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
        _check_range("alpha", self.alpha, least=0, below=1)
        _check_range("eps", self.eps, above=0)
        _check_range("drop_factor", self.drop_factor, above=0, most=1)
        _check_range("drop_every", self.drop_every, above=0, most=1)
        _check_augment(self.augment)
        if self.clip_norm is not None:
            _check_range("clip_norm", self.clip_norm, above=0)
        if len(self.betas) != 2 or not all(isinstance(beta, (int, float)) and 0 <= beta < 1 for beta in self.betas):
            raise UserError(f"recipe.betas={list(self.betas)}: give two numbers from 0 to below 1")
        for what in self.decay_exclude:
            check_choice("recipe.decay_exclude", what, DECAY_EXCLUDED)
        drops = list(self.drop_at)
        if not all(_is_number(drop) and 0 < drop < 1 for drop in drops) or drops != sorted(set(drops)):
            raise UserError(f"recipe.drop_at={drops}: give rising shares between 0 and 1, such as [0.5, 0.75]")
        if self.schedule == "steps" and not drops:
            raise UserError("recipe.drop_at=[]: schedule=steps drops there; give shares, such as [0.5, 0.75]")

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


def _check_augment(augment: Mapping[str, Any]) -> None:
    padding, area = augment["crop_padding"], list(augment.get("crop_area", []))
    _check_range("augment.crop_padding", padding, least=0)
    for name in ("color_jitter", "lighting"):
        _check_range(f"augment.{name}", augment.get(name, 0.0), least=0, most=1)
    if area and not (len(area) == 2 and all(map(_is_number, area)) and 0 < area[0] <= area[1] <= 1):
        raise UserError(
            f"recipe.augment.crop_area={area}: give two rising shares of the image, such as [0.08,1], or []"
        )
    if area and padding:
        raise UserError(
            f"recipe.augment.crop_padding={padding}: pads nothing where crop_area is given; set one of them"
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check_range(
    name: str,
    value: float,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
) -> None:
    wanted = [
        text
        for text, bound, holds in (
            (f"above {above}", above, above is None or value > above),
            (f"at least {least}", least, least is None or value >= least),
            (f"below {below}", below, below is None or value < below),
            (f"at most {most}", most, most is None or value <= most),
        )
        if bound is not None and not (holds and math.isfinite(value))
    ]
    if wanted:
        raise UserError(f"recipe.{name}={value}: must be {' and '.join(wanted)}")
