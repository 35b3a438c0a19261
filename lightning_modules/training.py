"""One run's training and test: fit from the newest good checkpoint, then read the test split once."""

import hashlib
import logging
import subprocess
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities.exceptions import MisconfigurationException  # pyright: ignore[reportPrivateImportUsage]
from torch import nn

from lightning_modules.callbacks.checkpoint import EpochCheckpoint, latest
from lightning_modules.callbacks.divergence import Diverged, StopWhenDiverged
from lightning_modules.callbacks.history import History
from lightning_modules.callbacks.progress import Progress, ReportProgress
from lightning_modules.callbacks.signals import KeepSignals
from lightning_modules.classifier import ImageClassifier
from lightning_modules.errors import UserError
from lightning_modules.unmeasured import Unmeasured

LOG_EVERY = 100  # steps between two points of the curve of the training loss; in each other step Lightning logs nothing
NOTICE_S = 10.0  # what one of several processes gets to end, once another meets the error that its going makes


@dataclass(frozen=True)
class Where:
    """conf/trainer/*.yaml: on what a run computes. On several devices there is a process for each (DDP)."""

    accelerator: str
    devices: int
    precision: str
    threads: int | None  # CPU threads of each process; None: its share of the cores
    workers: int  # processes that decode images, for each device; data in RAM needs none

    def trainer(self, devices: int, **arguments: Any) -> pl.Trainer:
        """Raises UserError when this machine has not got the devices, or they cannot do it."""
        _quieten()
        try:
            return pl.Trainer(
                accelerator=self.accelerator,
                devices=devices,
                precision=self.precision,  # type: ignore[arg-type]
                strategy="ddp" if devices > 1 else "auto",
                use_distributed_sampler=False,  # the data module shares out each batch itself, without padding
                log_every_n_steps=LOG_EVERY,
                num_sanity_val_steps=0,
                enable_progress_bar=False,
                enable_model_summary=False,
                profiler=Unmeasured(),
                **arguments,
            )
        except (MisconfigurationException, ValueError) as error:
            reason = " ".join(str(error).split())
            raise UserError(
                f"trainer.accelerator={self.accelerator}, trainer.devices={devices}: not on this machine ({reason}); "
                "trainer=cpu runs everywhere"
            ) from error


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


@dataclass(frozen=True)
class Trained:
    """A training that ended: its trainer, ``curves`` with an entry an epoch, and why it ended before its last epoch."""

    trainer: pl.Trainer
    curves: list[dict[str, float]]
    training_s: float
    resumed_after: int
    damaged: list[Path]
    diverged: Diverged | None


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

    The reported numbers are the last epoch's; the best validation epoch stands beside them. Of several processes each
    evaluates the whole validation split and the first alone tests, so that no example is counted twice to fill a batch.

    Raises:
        Follower: this is not the first of several processes, and its part is done.
    """
    progress = ReportProgress(report)
    trained = train(module, data, epochs, clip_norm, where, folder, logger, progress)
    status: Literal["done", "diverged"] = "done"
    metrics: dict[str, float]
    if trained.diverged is None:
        trainer = trained.trainer
        if trainer.num_devices > 1:
            trainer = where.trainer(1, callbacks=[progress], logger=logger or False, enable_checkpointing=False)
        trainer.test(module, datamodule=data, verbose=False)
        metrics = {**_of_test(module.epoch_metrics), **_validation(trained.curves)}
    else:
        status = "diverged"
        metrics = {"train/diverged_epoch": trained.diverged.epoch, "train/diverged_step": trained.diverged.step}
    weights = weights_sha256(module.net)
    return Outcome(status, metrics, trained.curves, weights, trained.training_s, trained.resumed_after, trained.damaged)


def train(
    module: ImageClassifier,
    data: pl.LightningDataModule,
    epochs: int,
    clip_norm: float | None,
    where: Where,
    folder: Path,
    logger: Logger | None,
    progress: ReportProgress,
) -> Trained:
    """Trains to the last epoch from the newest good checkpoint in ``folder``, where each epoch leaves one.

    Raises:
        Follower: this is not the first of several processes, and its part is done.
    """
    history = History()
    checkpoint, damaged = latest(folder)
    several = [KeepSignals()] if where.devices > 1 else []  # each callback costs in each step
    trainer = where.trainer(
        where.devices,
        max_epochs=epochs,
        gradient_clip_val=clip_norm,
        callbacks=[progress, StopWhenDiverged(), history, EpochCheckpoint(folder), *several],
        logger=logger or False,
        enable_checkpointing=True,
        default_root_dir=folder,
    )
    resumed_after = int(checkpoint.name.split("-")[1]) if checkpoint else 0
    ended: Diverged | None = None
    try:
        _fit(trainer, module, data, checkpoint)
    except Diverged as diverged:
        ended = diverged
    return Trained(trainer, history.epochs, history.elapsed_s, resumed_after, damaged, ended)


class Follower(Exception):
    """Raised at the end of training in each of several processes but the first, which alone tests and records."""


def _fit(trainer: pl.Trainer, module: pl.LightningModule, data: pl.LightningDataModule, start: Path | None) -> None:
    """Trains; afterwards there is one process, whatever happened."""
    try:
        trainer.fit(module, datamodule=data, ckpt_path=start, weights_only=True)
    except BaseException as error:
        _end_others(getattr(trainer.strategy.launcher, "procs", []), error)
        raise
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
    if trainer.global_rank:
        raise Follower


def _end_others(processes: list[subprocess.Popen[bytes]], error: BaseException) -> None:
    """Ends the processes that this one started; they own no file. Raises UserError when one of them ended first."""
    others = list(processes)
    processes.clear()  # Lightning ends this process, too, when it sees one of them end: before it can record anything
    own = isinstance(error, Diverged | UserError) or not isinstance(error, Exception)
    end = time.monotonic() + (0.0 if own or not others else NOTICE_S)
    while time.monotonic() < end and not any(other.poll() for other in others):
        time.sleep(0.05)
    failed = [(number, other.returncode) for number, other in enumerate(others, 2) if other.returncode]
    for other in others:
        other.kill()
        other.wait()
    if failed and not own:
        number, code = failed[0]
        raise UserError(
            f"process {number} of {len(others) + 1} ended with exit status {code}; "
            "what it said stands before this, of a table's run in its log.txt"
        ) from error


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
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    warnings.filterwarnings("ignore", message=".*", category=UserWarning, module="torch.optim.lr_scheduler")
