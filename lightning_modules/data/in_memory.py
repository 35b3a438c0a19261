"""Images that live in RAM as uint8: no worker processes, no decoding while training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.data.batches import Augment, Batches, Normalise
from lightning_modules.data.image_data import ImageData
from lightning_modules.errors import UserError

EVALUATION_BATCH = 500
ENLARGED_AT_ONCE = 1000  # images; as float32 they take four times the room


@dataclass(frozen=True)
class Split:
    images: Tensor  # (N, C, H, W) uint8
    labels: Tensor  # (N,) int64

    @classmethod
    def of(cls, images: np.ndarray, labels: np.ndarray, size: int, limit: int | None) -> "Split":
        """From (N, H, W) or (N, H, W, C) uint8 images, the first ``limit``, centred on zeros to ``size`` pixels.

        Before that they are enlarged by the largest whole factor that fits, so that 28 px become 56 of 64.

        Raises:
            UserError: the images are larger than ``size``.
        """
        chosen = torch.from_numpy(np.array(images[:limit]))
        chosen = chosen[:, None] if chosen.ndim == 3 else chosen.permute(0, 3, 1, 2)
        height, width = chosen.shape[-2:]
        if size < max(height, width):
            raise UserError(
                f"data.size={size}: the images have {width}x{height} pixels; choose {max(height, width)} or more"
            )
        chosen = _enlarged(chosen, size // max(height, width))
        height, width = chosen.shape[-2:]
        top, left = (size - height) // 2, (size - width) // 2
        padded = F.pad(chosen, (left, size - width - left, top, size - height - top))
        return cls(padded.contiguous(), torch.from_numpy(labels[:limit].astype(np.int64)))


def _enlarged(images: Tensor, factor: int) -> Tensor:
    """Bilinear, (N, C, H, W) uint8 -> (N, C, factor * H, factor * W); in float32, then rounded."""
    if factor == 1:
        return images
    n, c, height, width = images.shape
    enlarged = images.new_empty(n, c, factor * height, factor * width)
    for source, target in zip(images.split(ENLARGED_AT_ONCE), enlarged.split(ENLARGED_AT_ONCE), strict=True):
        target.copy_(F.interpolate(source.float(), scale_factor=factor, mode="bilinear").round_())
    return enlarged


class InMemoryImages(ImageData):
    """Train, validation and test split of a data set in RAM.

    Raises:
        UserError: the batch is larger than the training split or, where a loader is made, cannot be shared equally.
    """

    def __init__(
        self,
        train: Split,
        val: Split,
        test: Split,
        classes: Sequence[str],
        normalise: Normalise,
        batch_size: int,
        augment: Augment,
        seed: int,
    ):
        super().__init__(classes, train.images.shape[1], len(train.labels), test.labels, batch_size)
        self.splits = {"train": train, "val": val, "test": test}
        self._normalise, self._batch_size, self._augment, self._seed = normalise, batch_size, augment, seed

    def train_dataloader(self) -> Batches:
        return self._batches("train", self._batch_size, self._augment)

    def val_dataloader(self) -> Batches:
        return self._batches("val", EVALUATION_BATCH, None)

    def test_dataloader(self) -> Batches:
        return self._batches("test", EVALUATION_BATCH, None)

    def test_picture(self, index: int) -> np.ndarray:
        return self.splits["test"].images[index].permute(1, 2, 0).squeeze(-1).numpy()

    def _batches(self, name: str, batch_size: int, augment: Augment | None) -> Batches:
        split = self.splits[name]
        return Batches(split.images, split.labels, batch_size, self._normalise, self._seed, augment, self.shard)
