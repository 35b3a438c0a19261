"""A loss that is no longer a number ends the run; that is a result, not a crash."""

import math
from typing import Any

import pytorch_lightning as pl
import torch

CHECK_EVERY = 20  # steps; each check waits for the accelerator


class Diverged(Exception):
    """The loss became infinite or not a number."""

    def __init__(self, epoch: int, step: int):
        super().__init__(f"the loss is not a number after step {step} (epoch {epoch})")
        self.epoch, self.step = epoch, step


class StopWhenDiverged(pl.Callback):
    """Raises Diverged within ``CHECK_EVERY`` steps, and at the latest before the epoch's checkpoint is written."""

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        last = batch_idx + 1 == trainer.num_training_batches
        if last or (batch_idx + 1) % CHECK_EVERY == 0:
            loss = outputs["loss"] if isinstance(outputs, dict) else outputs
            finite = not isinstance(loss, torch.Tensor) or math.isfinite(loss.item())
            # Of several processes all stop, or those that go on would wait for the others.
            if not trainer.strategy.reduce_boolean_decision(finite):
                raise Diverged(trainer.current_epoch + 1, trainer.global_step)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The epoch's last step may have ruined the weights after its own loss was still a number."""
        loss = trainer.callback_metrics.get("val/loss")
        if loss is not None and not math.isfinite(loss.item()):
            raise Diverged(trainer.current_epoch + 1, trainer.global_step)
