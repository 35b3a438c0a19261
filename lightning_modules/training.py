"""One run's training and test: fit from the newest good checkpoint, then read the test split once."""

import hashlib
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities.exceptions import MisconfigurationException  # pyright: ignore[reportPrivateImportUsage]
from torch import nn

from lightning_modules.callbacks.checkpoint import EpochCheckpoint, latest
from lightning_modules.callbacks.divergence import Diverged, StopWhenDiverged
from lightning_modules.callbacks.history import History
from lightning_modules.callbacks.progress import Progress, ReportProgress
from lightning_modules.classifier import ImageClassifier
from lightning_modules.errors import UserError


@dataclass(frozen=True)
class Where:
    """conf/trainer/*.yaml: on what a run computes."""

    accelerator: str
    devices: int
    precision: str
    threads: int | None


@dataclass(frozen=True)
class Outcome:
    """What a run found. ``curves`` has an entry an epoch; ``damaged`` names checkpoints that could not be used."""

    status: Literal["done", "diverged"]
    metrics: dict[str, float]
    curves: list[dict[str, float]]
    weights_sha256: str
    training_s: float
    resumed_after: int
    damaged: list[Path] = field(default_factory=list)


def train_and_test(
    module: ImageClassifier,
    data: pl.LightningDataModule,
    epochs: int,
    clip_norm: float | None,
    where: Where,
    folder: Path,
    logger: Logger | None,
    report: Callable[[Progress], None],
) -> Outcome:
    """Trains to the last epoch, with a checkpoint each epoch in ``folder``, and tests the last weights.

    The reported numbers are the last epoch's; the best validation epoch stands beside them.
    """
    _quieten()
    history = History()
    checkpoint, damaged = latest(folder)
    try:
        trainer = pl.Trainer(
            accelerator=where.accelerator,
            devices=where.devices,
            precision=where.precision,  # type: ignore[arg-type]
            max_epochs=epochs,
            gradient_clip_val=clip_norm,
            callbacks=[ReportProgress(report), StopWhenDiverged(), history, EpochCheckpoint(folder)],
            logger=logger or False,
            log_every_n_steps=1,
            num_sanity_val_steps=0,
            enable_checkpointing=True,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
        )
    except (MisconfigurationException, ValueError) as error:
        raise UserError(f"trainer: {' '.join(str(error).split())}; trainer=cpu runs everywhere") from error
    resumed_after = int(checkpoint.name.split("-")[1]) if checkpoint else 0
    try:
        trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
        trainer.test(module, datamodule=data, verbose=False)
    except Diverged as diverged:
        metrics: dict[str, float] = {"train/diverged_epoch": diverged.epoch, "train/diverged_step": diverged.step}
        return Outcome(
            "diverged", metrics, history.epochs, weights_sha256(module.net), history.elapsed_s, resumed_after, damaged
        )
    return Outcome(
        "done",
        {**_of_test(module.epoch_metrics), **_validation(history.epochs)},
        history.epochs,
        weights_sha256(module.net),
        history.elapsed_s,
        resumed_after,
        damaged,
    )


def _of_test(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in sorted(metrics.items()) if name.startswith("test/")}


def _validation(epochs: list[dict[str, float]]) -> dict[str, float]:
    """The last epoch's validation metrics, and the epoch with the lowest error with its own."""
    last = {name: value for name, value in epochs[-1].items() if name.startswith("val/")}
    best = min(epochs, key=lambda epoch: epoch["val/top1_err"])
    return {**last, "val/best_epoch": best["epoch"], "val/best_top1_err": best["val/top1_err"]}


def weights_sha256(net: nn.Module) -> str:
    """Of all parameters and buffers: name, shape, type and bytes, in the order of their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(net.state_dict().items()):
        array = np.ascontiguousarray(tensor.detach().cpu().numpy())
        digest.update(f"{name} {array.shape} {array.dtype}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _quieten() -> None:
    """Lightning's advice (more workers, no accelerator used, ...) is not for those who run a table."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    warnings.filterwarnings("ignore", message=".*", category=UserWarning, module="torch.optim.lr_scheduler")
