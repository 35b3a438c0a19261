"""What a run of the landmark cascade is asked for, checked before anything is built. Imports no torch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from lightning_modules.errors import UserError, check_choice

CROPS = ("whole", "article", "box", "random")
GUIDED = ("article", "box")  # crops that follow from the points of the level before
APPLIED = ("once", "twice", "true_box")
PASSES = {"once": 2, "twice": 3, "true_box": 1}  # how many nets a picture goes through, of a level that is guided
LOSSES = ("euclidean", "smooth_l1", "wing")


@dataclass(frozen=True)
class Options:
    """``landmarks`` of a configuration (conf/task/landmarks.yaml), field by field.

    Raises:
        UserError: a value is out of range; the message names the field.
    """

    crop: str  # whole: level_1; the others are level_2's
    applied: str  # of level_2: once, or only tested: once more on its own crop, or on that of the true points
    size: int  # pixels of the net's input
    share: float  # of the budget's training images
    box_scale: float  # of the crop "box"
    jitter: float  # of level_2's training crops, in level_1's own errors
    loss: str
    smooth_l1_beta: float  # where it turns from square to straight, in pixels of the crop
    wing_width: float  # pixels of the crop
    wing_curvature: float

    def __post_init__(self) -> None:
        check_choice("landmarks.crop", self.crop, CROPS)
        check_choice("landmarks.applied", self.applied, APPLIED)
        check_choice("landmarks.loss", self.loss, LOSSES)
        for name in ("share", "box_scale", "smooth_l1_beta", "wing_width", "wing_curvature"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise UserError(f"landmarks.{name}={getattr(self, name)}: must be a number above 0")
        if not (math.isfinite(self.jitter) and self.jitter >= 0):
            raise UserError(f"landmarks.jitter={self.jitter}: must be 0 or more")
        if not 8 <= self.size <= 512:
            raise UserError(f"landmarks.size={self.size}: must be from 8 to 512")
        if self.applied != "once" and self.crop not in GUIDED:
            raise UserError(
                f"landmarks.applied={self.applied}: is of level_2; choose landmarks.crop=box or landmarks.crop=article"
            )

    @property
    def guided(self) -> bool:
        """Whether its crops follow from another run's points."""
        return self.crop in GUIDED

    @property
    def passes(self) -> int:
        """How many nets a picture goes through."""
        return PASSES[self.applied] if self.guided else 1

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Options":
        return cls(**{field.name: config[field.name] for field in fields(cls)})
