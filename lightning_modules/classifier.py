"""Image classification: cross entropy, top-1 and top-5, one result for each test image."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import MeanMetric, Metric
from torchmetrics.classification import MulticlassConfusionMatrix

from lightning_modules.errors import check_choice
from lightning_modules.flat_parameters import FlatParameters, flatten
from lightning_modules.metrics import TopK, label_ranks
from lightning_modules.optimization import build_optimizer, build_schedule, set_output_bias
from lightning_modules.random_streams import stream_seed
from lightning_modules.recipe import Recipe

COUNT_EVERY = 20  # training steps: they are counted together, for one by one a small net's training feels it
SPLITS = {"train": (1,), "val": (1, 5), "test": (1, 5)}  # which top-k accuracies each split counts
# A metric waits for no other process unless it is told to, and looks at its counts each time it is asked.
OWN_RESULTS: dict[str, Any] = {"sync_on_compute": False, "compute_with_cache": False}
MEMORY_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


class ImageClassifier(pl.LightningModule):
    """A net, trained by a recipe. Batches are (images (B, C, H, W) float32, labels (B,) int64).

    Logs ``split/loss``, ``split/top1_acc`` and ``split/top5_acc`` (percent) each epoch; ``epoch_metrics`` has the newest
    of each in full precision, which Lightning's log has not. After ``trainer.test`` the
    attributes ``top1_correct``, ``top5_correct`` and ``predicted`` (N,) hold the result for each test image, and
    ``confusion`` (num_classes, num_classes) counts them: true class by row, predicted by column.
    """

    def __init__(self, net: nn.Module, recipe: Recipe, num_classes: int, memory_format: str, seed: int):
        super().__init__()
        if recipe.output_bias is not None:
            set_output_bias(net, recipe.output_bias)
        check_choice("arch.memory_format", memory_format, tuple(MEMORY_FORMATS))
        self.memory_format = MEMORY_FORMATS[memory_format]
        self.net = net.to(memory_format=self.memory_format)
        self.recipe = recipe
        self.seed = seed
        self.metrics = nn.ModuleDict({f"{split}_": _metrics(ks) for split, ks in SPLITS.items()})
        self.confusion_matrix = MulticlassConfusionMatrix(num_classes, **OWN_RESULTS)
        self.epoch_metrics: dict[str, float] = {}
        self._flat: list[FlatParameters] = []
        self._uncounted: list[tuple[Tensor, Tensor, Tensor]] = []
        self._test_ranks: list[Tensor] = []
        self._test_predicted: list[Tensor] = []

    def __setattr__(self, name: str, value: Any) -> None:
        """Lightning notes here which hook it is in, 47 times a step; PyTorch looks each time whether that is a module."""
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images.contiguous(memory_format=self.memory_format))

    def on_train_epoch_start(self) -> None:
        self._uncounted = []
        # Dropout draws from the global generator: a resumed run must draw what an uninterrupted one drew, and each of
        # several processes something else.
        process = (self.global_rank,) if self.global_rank else ()
        torch.manual_seed(stream_seed(self.seed, self.current_epoch, "dropout", *process))

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        images, labels = batch
        logits = self(images)
        loss = self.loss(images, logits, labels)
        self._uncounted.append((logits.detach(), labels, loss.detach()))
        if len(self._uncounted) == COUNT_EVERY:
            self._count_training()
        if (self.trainer.global_step + 1) % self.trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            self.log("train/step_loss", loss.detach(), logger=True)
        return loss

    def loss(self, images: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        """What training lowers: the cross entropy, () for (B, C, H, W), (B, num_classes) and (B,)."""
        return F.cross_entropy(logits, labels, label_smoothing=self.recipe.label_smoothing)

    def on_after_backward(self) -> None:
        for parameters in self._flat:
            parameters.gather()

    def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        images, labels = batch
        logits = self(images)
        self._update("val", logits, labels, F.cross_entropy(logits, labels), len(labels))

    def test_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        images, labels = batch
        logits = self(images)
        self._test_ranks.append(self._update("test", logits, labels, F.cross_entropy(logits, labels), len(labels)))
        self._test_predicted.append(logits.argmax(1))
        self.confusion_matrix.update(self._test_predicted[-1], labels)

    def on_train_epoch_end(self) -> None:
        self._count_training()
        self._log("train")

    def on_validation_epoch_end(self) -> None:
        self._log("val")

    def on_test_epoch_start(self) -> None:
        self._test_ranks, self._test_predicted = [], []
        self.confusion_matrix.reset()

    def on_test_epoch_end(self) -> None:
        self._log("test")
        ranks = torch.cat(self._test_ranks).cpu()
        self.top1_correct, self.top5_correct = ranks < 1, ranks < 5
        self.predicted = torch.cat(self._test_predicted).cpu()
        self.confusion = self.confusion_matrix.compute().cpu()

    def configure_optimizers(self) -> dict[str, object]:
        fused = self.trainer.precision == "32-true"
        optimizer = build_optimizer(self.recipe, self.net.parameters(), fused)
        self._flat = flatten(optimizer)
        schedule = build_schedule(self.recipe, optimizer, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def running(self, split: str) -> dict[str, float]:
        """This process's metrics of what it counted of the epoch so far: loss, accuracies and their errors in percent.

        Empty before anything was counted.
        """
        if not all(metric.update_called for metric in self._of(split).values()):
            return {}
        values = {name: float(metric.compute()) for name, metric in self._of(split).items()}
        errors = {
            name.replace("_acc", "_err"): 100.0 - value for name, value in values.items() if name.endswith("_acc")
        }
        return values | errors

    def _of(self, split: str) -> dict[str, Metric]:
        return dict(self.metrics[f"{split}_"].items())  # type: ignore[operator]

    def _count_training(self) -> None:
        if self._uncounted:
            logits, labels, losses = zip(*self._uncounted, strict=True)
            sizes = torch.tensor([len(batch) for batch in labels], device=losses[0].device)
            self._update("train", torch.cat(logits), torch.cat(labels), torch.stack(losses), sizes)
            self._uncounted = []

    def _update(self, split: str, logits: Tensor, labels: Tensor, loss: Tensor, weight: Tensor | int) -> Tensor:
        """Counts examples, whose loss is a mean with a weight or several such; returns each true class's rank, (B,)."""
        ranks = label_ranks(logits, labels)
        for metric in self._of(split).values():
            if isinstance(metric, TopK):
                metric.update(ranks)
            else:
                metric.update(loss, weight=weight)
        return ranks

    def _log(self, split: str) -> None:
        """Of several processes each trains on its share of an epoch, which is put together; each evaluates a split whole."""
        with ExitStack() as together:
            if split == "train":
                for metric in self._of(split).values():
                    together.enter_context(metric.sync_context())
            found = {f"{split}/{name}": value for name, value in self.running(split).items()}
        self.epoch_metrics |= found
        self.log_dict(found)
        for metric in self._of(split).values():
            metric.reset()


def _metrics(ks: Sequence[int]) -> nn.ModuleDict:
    # By default MeanMetric drops what is no number, and "disable" drops the weights (torchmetrics 1.9).
    loss = MeanMetric(nan_strategy=float("nan"), **OWN_RESULTS)
    return nn.ModuleDict({"loss": loss, **{f"top{k}_acc": TopK(k, **OWN_RESULTS) for k in ks}})
