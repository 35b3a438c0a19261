"""What every data module of images tells, wherever it keeps them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import pytorch_lightning as pl
from torch import Tensor

from lightning_modules.errors import UserError


class ImageData(pl.LightningDataModule, ABC):
    """Train, validation and test split, as batches of (images (B, C, H, W) float32, labels (B,) int64).

    With several processes each has its part of every training batch; validation and test are whole in each.

    Attributes:
        classes: their names, in the order of their numbers.
        in_channels: 1 or 3.
        train_images: how many the training split has.
        test_labels: (N,) int64, in the order in which the test split is read.

    Raises:
        UserError: the batch is larger than the training split.
    """

    def __init__(
        self, classes: Sequence[str], in_channels: int, train_images: int, test_labels: Tensor, batch_size: int
    ):
        super().__init__()
        if batch_size > train_images:
            raise UserError(f"recipe.batch_size={batch_size}: larger than the training split of {train_images} images")
        self.classes = list(classes)
        self.in_channels = in_channels
        self.train_images = train_images
        self.test_labels = test_labels

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def shard(self) -> tuple[int, int]:
        """(This process's number, how many there are); (0, 1) without a trainer."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    @abstractmethod
    def test_picture(self, index: int) -> np.ndarray:
        """Test image number ``index`` as the net sees it before normalisation: (H, W, 3) or (H, W), uint8."""
