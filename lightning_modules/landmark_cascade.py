"""The cascade of landmark nets: one level's training, and all its levels one after another on a picture.

Yu Tingsong, "Cascaded MobileNet-V2 for facial landmarks" (in Chinese), 2018: level_1 finds the points on the whole picture,
level_2 on the crop that these ask for.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric

from lightning_modules.crops import article_boxes, face_boxes, resampled, to_picture, whole
from lightning_modules.data.batches import Normalise
from lightning_modules.errors import check_choice
from lightning_modules.flat_parameters import FlatParameters, flatten
from lightning_modules.landmark_losses import loss_of
from lightning_modules.landmark_options import Options
from lightning_modules.optimization import build_optimizer, build_schedule
from lightning_modules.random_streams import stream_seed
from lightning_modules.recipe import Recipe

SPLITS = {"train": ("loss",), "val": ("loss", "nme"), "test": ("loss", "nme")}
OWN_RESULTS: dict[str, Any] = {"sync_on_compute": False, "compute_with_cache": False, "nan_strategy": float("nan")}
MEMORY_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
EVALUATION_BATCH = 500


class LandmarkCascade(pl.LightningModule):
    """A level of the cascade, trained by a recipe: (B, C, S, S) -> points (B, K, 2) in the crop's coordinates.

    Training batches are (images, points); those of validation and test also have half of the crop's sides in pixels (B, 2) and
    the distance of the eyes (B,). Logs ``split/loss`` and, of validation and test, ``split/nme`` (percent of the distance of
    the eyes) each epoch; ``epoch_metrics`` has the newest of each in full precision. After ``trainer.test`` the attribute
    ``predicted`` (N, K, 2) holds the points of each test face in its crop's coordinates.
    """

    def __init__(self, net: nn.Module, recipe: Recipe, options: Options, memory_format: str, seed: int):
        super().__init__()
        check_choice("arch.memory_format", memory_format, tuple(MEMORY_FORMATS))
        self.memory_format = MEMORY_FORMATS[memory_format]
        self.net = net.to(memory_format=self.memory_format)
        self.recipe, self.options, self.seed = recipe, options, seed
        self._loss = loss_of(options)
        self.metrics = nn.ModuleDict({f"{split}_": _means(names) for split, names in SPLITS.items()})
        self.epoch_metrics: dict[str, float] = {}
        self._flat: list[FlatParameters] = []
        self._predicted: list[Tensor] = []

    def __setattr__(self, name: str, value: Any) -> None:
        """Lightning notes here which hook it is in, many times a step; PyTorch looks each time whether that is a module."""
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images.contiguous(memory_format=self.memory_format)).unflatten(1, (-1, 2))

    def on_train_epoch_start(self) -> None:
        # Dropout draws from the global generator: a resumed run must draw what an uninterrupted one drew.
        torch.manual_seed(stream_seed(self.seed, self.current_epoch, "dropout"))

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        images, points = batch
        loss = self._loss(self(images), points)
        self._of("train")["loss"].update(loss.detach(), weight=len(points))
        if (self.trainer.global_step + 1) % self.trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            self.log("train/step_loss", loss.detach(), logger=True)
        return loss

    def on_after_backward(self) -> None:
        for parameters in self._flat:
            parameters.gather()

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor, Tensor], index: int) -> None:
        self._evaluate("val", batch)

    def test_step(self, batch: tuple[Tensor, Tensor, Tensor, Tensor], index: int) -> None:
        self._predicted.append(self._evaluate("test", batch).float().cpu())

    def _evaluate(self, split: str, batch: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
        images, points, half, eyes = batch
        found = self(images)
        away = ((found - points) * half[:, None]).norm(dim=2).mean(1) / eyes
        metrics = self._of(split)
        metrics["loss"].update(self._loss(found, points), weight=len(points))
        metrics["nme"].update(100 * away)
        return found

    def on_train_epoch_end(self) -> None:
        self._log("train")

    def on_validation_epoch_end(self) -> None:
        self._log("val")

    def on_test_epoch_start(self) -> None:
        self._predicted = []

    def on_test_epoch_end(self) -> None:
        self._log("test")
        self.predicted = torch.cat(self._predicted)

    def configure_optimizers(self) -> dict[str, object]:
        optimizer = build_optimizer(self.recipe, self.net.parameters(), self.trainer.precision == "32-true")
        self._flat = flatten(optimizer)
        schedule = build_schedule(self.recipe, optimizer, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def running(self, split: str) -> dict[str, float]:
        """The metrics of what was counted of the epoch so far; empty before anything was."""
        if not all(metric.update_called for metric in self._of(split).values()):
            return {}
        return {name: float(metric.compute()) for name, metric in self._of(split).items()}

    def _of(self, split: str) -> dict[str, MeanMetric]:
        return dict(self.metrics[f"{split}_"].items())  # type: ignore[operator]

    def _log(self, split: str) -> None:
        found = {f"{split}/{name}": value for name, value in self.running(split).items()}
        self.epoch_metrics |= found
        self.log_dict(found)
        for metric in self._of(split).values():
            metric.reset()


class Cascade(nn.Module):
    """All levels on whole pictures: (N, 3, H, W) from 0 to 255 -> the points that each level found, (levels, N, K, 2) pixels.

    Args:
        levels: level_1's net and those after it, each of which sees the crop that the points before ask for.
        size: pixels of the nets' input.
        normalise: what the nets' input goes through.
        rule: the crop of points (N, K, 2) in pictures of sizes (N, 2).
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, levels: Sequence[nn.Module], size: int, normalise: Normalise, rule: Callable[[Tensor, Tensor], Tensor]
    ):
        super().__init__()
        self.levels = nn.ModuleList(levels)
        self.size, self.rule = size, rule
        self.register_buffer("mean", 255 * torch.tensor(normalise.mean).view(1, -1, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(normalise.std).view(1, -1, 1, 1))

    def forward(self, pictures: Tensor, boxes: Tensor | None = None) -> Tensor:
        """``boxes`` (N, 4): what level_1 sees of each picture; None: all of it."""
        sizes = pictures.new_ones(pictures.shape[0], 2, dtype=torch.float32)  # len() would fix the number in an export
        sizes = sizes * torch.tensor([pictures.shape[3], pictures.shape[2]], dtype=torch.float32, device=sizes.device)
        boxes = whole(sizes) if boxes is None else boxes
        found = []
        for level in self.levels:
            crops = (resampled(pictures, boxes, self.size) - self.mean) / self.std
            found.append(to_picture(level(crops).unflatten(1, (-1, 2)), boxes))
            boxes = self.rule(found[-1], sizes)
        return torch.stack(found)


def rule_of(options: Options) -> Callable[[Tensor, Tensor], Tensor]:
    """The crop (N, 4) of points (N, K, 2) in pixels and sizes (N, 2) that the options name."""
    if options.crop == "article":
        return article_boxes
    return lambda points, sizes: face_boxes(points, options.box_scale)


@torch.no_grad()
def points_of(net: nn.Module, crops: Tensor, normalise: Normalise) -> Tensor:
    """What a net says of crops (N, 3, S, S) uint8, in evaluation mode: (N, K, 2) in their coordinates."""
    was_training = net.training
    net.eval()
    try:
        found = [net(normalise(some)) for some in crops.split(EVALUATION_BATCH)]
    finally:
        net.train(was_training)
    return torch.cat(found).unflatten(1, (-1, 2))


def _means(names: Sequence[str]) -> nn.ModuleDict:
    return nn.ModuleDict({name: MeanMetric(**OWN_RESULTS) for name in names})
