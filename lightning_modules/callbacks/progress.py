"""How far a run is, told to whoever wants to show it."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import pytorch_lightning as pl


@dataclass(frozen=True)
class Progress:
    """A moment of a run. ``seconds_left`` covers training; ``loss`` and ``top1_acc`` (percent) are the epoch's so far."""

    phase: str  # train | test
    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float | None = None
    top1_acc: float | None = None
    images_per_s: float | None = None
    seconds_left: float | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class ReportProgress(pl.Callback):
    """Calls ``report`` with the state of the run, at most every ``every_s`` seconds."""

    def __init__(self, report: Callable[[Progress], None], every_s: float = 1.0):
        self.report, self.every_s = report, every_s
        self._last = self._began = 0.0
        self._first_step = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._began = time.monotonic()
        self._first_step = trainer.global_step
        self._report(trainer, pl_module, 0)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if time.monotonic() - self._last >= self.every_s:
            self._report(trainer, pl_module, len(batch[0]))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._report(trainer, pl_module, 0)

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.report(Progress("test", 0, 0, 0, 0))

    def _report(self, trainer: pl.Trainer, pl_module: Any, batch_size: int) -> None:
        self._last = time.monotonic()
        steps = int(trainer.estimated_stepping_batches)
        done = trainer.global_step - self._first_step
        seconds = self._last - self._began
        running = pl_module.running("train") if batch_size else {}
        self.report(
            Progress(
                phase="train",
                epoch=min(trainer.current_epoch + 1, trainer.max_epochs or 0),
                epochs=trainer.max_epochs or 0,
                step=trainer.global_step,
                steps=steps,
                loss=running.get("loss"),
                top1_acc=running.get("top1_acc"),
                images_per_s=done * batch_size / seconds if done and batch_size else None,
                seconds_left=seconds / done * (steps - trainer.global_step) if done else None,
            )
        )
