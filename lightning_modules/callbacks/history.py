"""The curves: what each epoch logged. They travel in the checkpoint, so a resumed run has all of them."""

import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint


class History(Checkpoint):
    """``epochs`` holds one {"epoch", "lr", "train/loss", "val/top1_err", ...} for each epoch, counted from 1.

    ``elapsed_s`` is the training time over all attempts, up to the last finished epoch.
    A Checkpoint, since Lightning calls those after the module has logged its own end of the epoch.
    """

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []
        self.elapsed_s = 0.0
        self._since = time.monotonic()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._since = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        now = time.monotonic()
        self.elapsed_s += now - self._since
        self._since = now
        logged = {name: value for name, value in pl_module.epoch_metrics.items() if not name.startswith("test/")}
        lr = trainer.optimizers[0].param_groups[0]["lr"]
        self.epochs.append({"epoch": trainer.current_epoch + 1, "lr": lr, **dict(sorted(logged.items()))})

    def state_dict(self) -> dict[str, Any]:
        return {"epochs": self.epochs, "elapsed_s": self.elapsed_s}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.epochs = list(state_dict["epochs"])
        self.elapsed_s = state_dict["elapsed_s"]
