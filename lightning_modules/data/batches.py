"""Batches of a data set that lives in RAM, augmented a batch at a time.

Order and augmentation are functions of (seed, epoch) alone: a resumed run sees what an uninterrupted one saw.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.data.order import EpochOrder, Parts
from lightning_modules.random_streams import stream

TOGETHER = 8  # batches made at once: between the steps of a net each operation is slow to start


@dataclass(frozen=True)
class Augment:
    """What training images go through: a random crop of the image padded by ``crop_padding``, a random mirror.

    Pictures that are decoded one by one (pictures.py) have more: ``crop_area``, least and largest share of the image
    that a crop of random size takes instead; ``color_jitter``, by how much of itself brightness, contrast and
    saturation vary; ``lighting``, how far colours shift (lighting.py).
    """

    crop_padding: int = 0
    flip: bool = False
    crop_area: Sequence[float] = ()
    color_jitter: float = 0.0
    lighting: float = 0.0


@dataclass(frozen=True)
class Normalise:
    """Bytes to numbers of about zero mean and unit deviation; ``mean`` and ``std`` a channel, as shares of 255."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, images: Tensor) -> Tensor:
        """(N, C, H, W) uint8 -> float32, on the same device."""
        mean, std = (numbers.to(images.device) for numbers in self._in_bytes)
        return images.to(torch.float32, copy=True).sub_(mean).div_(std)

    @cached_property
    def _in_bytes(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation, each (1, C, 1, 1)."""
        mean, std = (torch.tensor(numbers).view(1, -1, 1, 1) * 255 for numbers in (self.mean, self.std))
        return mean, std


class Batches:
    """An iterable over (images (B, C, H, W) float32, labels (B,) int64) of one split.

    With ``augment`` the batches are for training: shuffled, augmented, all of the same size, and shared by ``shard``'s
    (rank, number of processes). Without, they are the split in its own order, whole.

    Raises:
        UserError: the batch cannot be shared equally.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        batch_size: int,
        normalise: Normalise,
        seed: int,
        augment: Augment | None,
        shard: tuple[int, int] = (0, 1),
    ):
        self.labels = labels
        self.normalise = normalise
        self.augment = augment
        self.height, self.width = images.shape[-2:]
        padding = augment.crop_padding if augment else 0
        self.padded = F.pad(images, (padding,) * 4)
        # All the crops there are of each image, (N, C, 2 * padding + 1, 2 * padding + 1, H, W): a view, no copy.
        self.crops = self.padded.unfold(2, self.height, 1).unfold(3, self.width, 1)
        self.parts = Parts(len(images), batch_size, augment is None, *(shard if augment else (0, 1)))
        self.batch_sampler = None  # Lightning looks for it beside ``sampler``
        self.sampler = EpochOrder(len(images), seed, shuffle=augment is not None)

    def __len__(self) -> int:
        return len(self.parts)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = self.sampler.indices()
        moves = self._moves()
        parts = list(self.parts)
        for first in range(0, len(parts), TOGETHER):
            some = parts[first : first + TOGETHER]
            chosen = _joined(order, some)
            if moves is None:
                images = self.padded.index_select(0, chosen)
            else:
                images = self._cropped(chosen, *(_joined(move, some) for move in moves))
            sizes = [len(order[part]) for part in some]
            yield from zip(self.normalise(images).split(sizes), self.labels[chosen].split(sizes), strict=True)

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
        whole = self.crops.shape[2] == 1  # one crop, the image: index_select copies it at once, ten times faster
        images = self.padded.index_select(0, chosen) if whole else self.crops[chosen, :, top, left]
        rows = mirrored.nonzero().squeeze(1)
        return images.index_copy_(0, rows, images.index_select(0, rows).flip(-1))


def _joined(values: Tensor, parts: Sequence[slice]) -> Tensor:
    return torch.cat([values[part] for part in parts])
