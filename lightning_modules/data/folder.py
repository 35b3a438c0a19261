"""Images in a folder that are decoded while training, for sets too large for RAM, such as ImageNet."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lightning_modules.data.batches import Augment, Normalise
from lightning_modules.data.image_data import ImageData
from lightning_modules.data.listing import Files
from lightning_modules.data.order import EpochOrder, Parts
from lightning_modules.data.pictures import KeyBatches, PictureLoader, Pictures, picture_loader, transforms
from lightning_modules.errors import CorruptFileError, UserError

EVALUATION_BATCH = 100


class FolderImages(ImageData):
    """Train, validation and test split of an image folder, read by ``workers`` processes (0: this one).

    The loaders deliver bytes; Lightning's hooks make them numbers on the device.

    Raises:
        UserError: the crop is larger than the image, the batch larger than the training split or, where a loader is
            made, not to be shared equally.
        CorruptFileError: while training, for an image that cannot be read.
    """

    def __init__(
        self,
        root: Path,
        train: Files,
        val: Files,
        test: Files,
        classes: Sequence[str],
        channels: int,
        size: int,
        resize: int,
        normalise: Normalise,
        batch_size: int,
        augment: Augment,
        seed: int,
        workers: int,
    ):
        super().__init__(classes, channels, len(train), torch.tensor(test.labels), batch_size)
        if size > resize:
            raise UserError(f"data.size={size}: larger than data.resize={resize}, the shorter side before the crop")
        centre = transforms(size, resize, None)
        self.splits = {
            "train": Pictures(root, train, channels, transforms(size, resize, augment), seed),
            "val": Pictures(root, val, channels, centre, seed),
            "test": Pictures(root, test, channels, centre, seed),
        }
        self._normalise, self._batch_size, self._seed, self._workers = normalise, batch_size, seed, workers

    def train_dataloader(self) -> PictureLoader:
        parts = Parts(self.train_images, self._batch_size, False, *self.shard)
        return self._loader("train", EpochOrder(self.train_images, self._seed, shuffle=True), parts)

    def val_dataloader(self) -> PictureLoader:
        return self._evaluated("val")

    def test_dataloader(self) -> PictureLoader:
        return self._evaluated("test")

    def _evaluated(self, name: str) -> PictureLoader:
        images = len(self.splits[name])
        order = EpochOrder(images, self._seed, shuffle=False)
        return self._loader(name, order, Parts(images, EVALUATION_BATCH, whole=True))

    def _loader(self, name: str, order: EpochOrder, parts: Parts) -> PictureLoader:
        return picture_loader(self.splits[name], KeyBatches(order, parts), self._workers)

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        if isinstance(batch, CorruptFileError):
            raise batch
        return batch

    def on_after_batch_transfer(self, batch: tuple[Tensor, Tensor], dataloader_idx: int) -> tuple[Tensor, Tensor]:
        images, labels = batch
        images = self._normalise(images)
        if self.trainer:  # Lightning has brought numbers to the type of trainer.precision before; these were bytes
            images = self.trainer.precision_plugin.convert_input(images)
        return images, labels

    def test_picture(self, index: int) -> np.ndarray:
        example = self.splits["test"][0, index]
        if isinstance(example, CorruptFileError):
            raise example
        return example[0].permute(1, 2, 0).squeeze(-1).numpy()
