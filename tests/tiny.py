"""A data set, a net and a recipe so small that a test can train them in a moment."""

from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor, nn

from experiments.suite.paths import CONF
from lightning_modules.classifier import ImageClassifier
from lightning_modules.data.batches import Augment, Normalise
from lightning_modules.data.in_memory import InMemoryImages, Split
from lightning_modules.recipe import Recipe
from lightning_modules.training import Where

CLASSES = 6
WHERE = Where(accelerator="cpu", devices=1, precision="32-true", threads=1, workers=0)


def recipe(**changes: Any) -> Recipe:
    """The authors' recipe with batches of 8 and these changes."""
    content = yaml.safe_load((CONF / "recipe" / "squeezenet.yaml").read_text(encoding="utf-8"))
    return Recipe.of({**content, "batch_size": 8, "augment": {"crop_padding": 1, "flip": True}, **changes})


def split(images: int, seed: int) -> Split:
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 256, (images, 8, 8), dtype=np.uint8)
    return Split.of(pixels, generator.integers(0, CLASSES, images), size=8, limit=None)


def data(seed: int = 0, batch_size: int = 8) -> InMemoryImages:
    """50 training images (6 batches of 8, 2 left over), 20 for validation, 30 for the test."""
    return InMemoryImages(
        train=split(50, 1),
        val=split(20, 2),
        test=split(30, 3),
        classes=[str(number) for number in range(CLASSES)],
        normalise=Normalise((0.5,), (0.3,)),
        batch_size=batch_size,
        augment=Augment(crop_padding=1, flip=True),
        seed=seed,
    )


class Net(nn.Module):
    """With dropout and batch norm: what a resumed run could get wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.dropout = nn.Dropout(0.5)
        self.output = nn.Linear(4 * 4 * 4, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.max_pool2d(torch.relu(self.norm(self.conv(x))), 2)
        return self.output(self.dropout(x.flatten(1)))


def module(seed: int = 0, kind: type[ImageClassifier] = ImageClassifier, **changes: Any) -> ImageClassifier:
    torch.manual_seed(seed)
    return kind(Net(), recipe(**changes), CLASSES, "contiguous", seed)
