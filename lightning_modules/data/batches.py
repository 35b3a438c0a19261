"""Batches of a data set that lives in RAM, augmented a batch at a time.

Order and augmentation are functions of (seed, epoch) alone: a resumed run sees what an uninterrupted one saw.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.random_streams import stream


@dataclass(frozen=True)
class Augment:
    """What training images go through: a random crop of the image padded by ``crop_padding``, a random mirror."""

    crop_padding: int = 0
    flip: bool = False


@dataclass(frozen=True)
class Normalise:
    """Bytes to numbers of about zero mean and unit deviation; ``mean`` and ``std`` a channel, as shares of 255."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, images: Tensor) -> Tensor:
        """(N, C, H, W) uint8 -> float32."""
        shape = (1, -1, 1, 1)
        std = torch.tensor(self.std).view(shape) * 255
        mean = torch.tensor(self.mean).view(shape) * 255
        return (images.float() - mean) / std


class EpochOrder:
    """The order of the examples in each epoch. Lightning calls ``set_epoch`` on a loader's ``sampler``."""

    def __init__(self, size: int, seed: int, shuffle: bool):
        self.size, self.seed, self.shuffle = size, seed, shuffle
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def indices(self) -> Tensor:
        """(size,) int64."""
        if not self.shuffle:
            return torch.arange(self.size)
        return torch.randperm(self.size, generator=stream(self.seed, self.epoch, "order"))


class Batches:
    """An iterable over (images (B, C, H, W) float32, labels (B,) int64) of one split.

    With ``augment`` the batches are for training: shuffled, augmented, all of the same size. Without, they are the
    split in its own order, whole.
    """

    def __init__(
        self, images: Tensor, labels: Tensor, batch_size: int, normalise: Normalise, seed: int, augment: Augment | None
    ):
        self.labels = labels
        self.batch_size = batch_size
        self.normalise = normalise
        self.augment = augment
        self.height, self.width = images.shape[-2:]
        padding = augment.crop_padding if augment else 0
        self.padded = F.pad(images, (padding,) * 4)
        self.batch_sampler = None  # Lightning looks for it beside ``sampler``
        self.sampler = EpochOrder(len(images), seed, shuffle=augment is not None)

    def __len__(self) -> int:
        full, rest = divmod(len(self.labels), self.batch_size)
        return full if self.augment or not rest else full + 1

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = self.sampler.indices()
        moves = self._moves()
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            chosen = order[start : start + self.batch_size]
            if moves is None:
                images = self.padded[chosen]
            else:
                images = self._cropped(chosen, *(move[start : start + self.batch_size] for move in moves))
            yield self.normalise(images), self.labels[chosen]

    def _moves(self) -> tuple[Tensor, Tensor, Tensor] | None:
        """Top and left edge of each example's crop and whether it is mirrored, in the epoch's order; each (size,)."""
        if self.augment is None:
            return None
        generator = stream(self.sampler.seed, self.sampler.epoch, "augment")
        size = len(self.labels)
        edges = torch.randint(2 * self.augment.crop_padding + 1, (2, size), generator=generator)
        mirrored = torch.rand(size, generator=generator) < (0.5 if self.augment.flip else 0.0)
        return edges[0], edges[1], mirrored

    def _cropped(self, chosen: Tensor, top: Tensor, left: Tensor, mirrored: Tensor) -> Tensor:
        rows = top[:, None] + torch.arange(self.height)
        across = torch.arange(self.width)
        columns = left[:, None] + torch.where(mirrored[:, None], across.flip(0), across)
        channels = torch.arange(self.padded.shape[1])
        return self.padded[
            chosen[:, None, None, None], channels[None, :, None, None], rows[:, None, :, None], columns[:, None, None]
        ]
