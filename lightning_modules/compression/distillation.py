"""Distillation: a net learns from a larger one's answers at a raised temperature, beside the labels.

Hinton et al., 2015, arXiv:1503.02531, section 2.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.classifier import MEMORY_FORMATS, ImageClassifier
from lightning_modules.errors import UserError, check_choice
from lightning_modules.recipe import Recipe


@dataclass(frozen=True)
class Distillation:
    """The options of a step.

    ``temperature`` T of both nets' answers. ``soft_weight``, 0 to 1: the share of the soft loss in the weighted mean
    of both; 0 trains as without a teacher.

    Raises:
        UserError: an option is out of range.
    """

    temperature: float
    soft_weight: float

    def __post_init__(self):
        if not (_is_number(self.temperature) and 0 < self.temperature < math.inf):
            raise UserError(f"compression.steps: temperature={self.temperature}: must be a number above 0")
        if not (_is_number(self.soft_weight) and 0 <= self.soft_weight <= 1):
            raise UserError(
                f"compression.steps: soft_weight={self.soft_weight}: must be a number of at least 0 and at most 1"
            )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def soft_loss(logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """T^2 times the mean cross entropy of softmax(logits / T) with the targets softmax(teacher_logits / T), (B, K) -> ().

    The gradient of the cross entropy alone shrinks as 1 / T^2; the factor keeps it beside the hard loss's when T
    changes. For zero-mean logits it tends to (logits - teacher_logits) / K of each example as T grows (equation 4).
    """
    targets = F.softmax(teacher_logits / temperature, dim=1)
    return temperature**2 * F.cross_entropy(logits / temperature, targets)


class Distilled(ImageClassifier):
    """A student that learns from a frozen teacher. The recipe's label smoothing is that of the hard loss.

    ``train/loss`` is the weighted loss; validation and test know no teacher. Checkpoints hold the student alone: the
    teacher is no submodule, so that neither the optimiser, ``state_dict`` nor ``train()`` reach it.

    Args:
        teacher: told the same images, gives logits of the same classes. It is frozen in place: evaluation mode, no
            gradients.
        teacher_format: the memory format in which the teacher is given its images.

    Raises:
        UserError: in the first step, when the teacher tells another number of classes apart.
    """

    def __init__(
        self, net: nn.Module, recipe: Recipe, num_classes: int, memory_format: str, seed: int,
        teacher: nn.Module, teacher_format: str, options: Distillation,
    ):  # fmt: skip
        super().__init__(net, recipe, num_classes, memory_format, seed)
        check_choice("arch.memory_format", teacher_format, tuple(MEMORY_FORMATS))
        self.options = options
        self.teacher_format = MEMORY_FORMATS[teacher_format]
        frozen = teacher.requires_grad_(False).eval().to(memory_format=self.teacher_format)
        self._unregistered = (frozen,)  # a tuple, which PyTorch does not search for submodules

    @property
    def teacher(self) -> nn.Module:
        return self._unregistered[0]

    def on_fit_start(self) -> None:
        self.teacher.to(self.device)

    def loss(self, images: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        """(1 - soft_weight) times the cross entropy with the labels plus soft_weight times ``soft_loss``, ()."""
        hard, share = super().loss(images, logits, labels), self.options.soft_weight
        if share == 0:
            return hard
        with torch.no_grad():
            told = self.teacher(images.contiguous(memory_format=self.teacher_format))
        if told.shape != logits.shape:
            raise UserError(
                f"compression.steps: the teacher tells {told.shape[1]} classes apart, the student {logits.shape[1]}; "
                "choose a teacher that was trained on the same data"
            )
        return (1 - share) * hard + share * soft_loss(logits, told, self.options.temperature)
