"""A checkpoint each epoch that is whole or absent, and known to be whole."""

import hashlib
import io
import re
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO

from lightning_modules.errors import naming

NAME = re.compile(r"epoch-(\d+)-([0-9a-f]{16})\.ckpt")
KEPT = 2  # the newest, and the one before in case the newest is damaged


class InPlace(TorchCheckpointIO):
    """Writes a checkpoint where it belongs.

    Lightning's own goes through the system's folder of temporary files: it fails where that is full, and a process that
    is killed leaves its half there.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        content = io.BytesIO()  # written to a file, torch.save hides why the system refuses it
        torch.save(checkpoint, content)
        Path(path).write_bytes(content.getbuffer())


class EpochCheckpoint(Checkpoint):
    """Writes ``epoch-<n>-<digest>.ckpt`` at the end of each epoch: to a temporary name, then renamed."""

    def __init__(self, folder: Path):
        self.folder = folder

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        trainer.strategy.checkpoint_io = InPlace()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        temporary = self.folder / f".epoch-{epoch}.tmp"
        try:
            with naming(self.folder):
                trainer.save_checkpoint(temporary)
            if trainer.is_global_zero:
                temporary.replace(self.folder / f"epoch-{epoch:04d}-{_digest(temporary)}.ckpt")
                for old in _checkpoints(self.folder)[KEPT:]:
                    old.unlink(missing_ok=True)
        except BaseException:
            temporary.unlink(missing_ok=True)  # on a full disk the half of one would only be in the way
            raise


def latest(folder: Path) -> tuple[Path | None, list[Path]]:
    """The newest checkpoint that can be used (or None), and the newer ones that are damaged.

    One can be used when its content is what was written, and holds nothing but data.
    """
    damaged = []
    for path in _checkpoints(folder):
        match = NAME.fullmatch(path.name)
        if match and match[2] == _digest(path) and _is_data(path):
            return path, damaged
        damaged.append(path)
    return None, damaged


def _is_data(path: Path) -> bool:
    """Whether it loads without running code that it brings. A digest tells of accidents, not of intent."""
    try:
        torch.load(path, map_location="cpu", weights_only=True)
    except Exception:
        return False
    return True


def _checkpoints(folder: Path) -> list[Path]:
    """Newest first."""
    found = [(int(match[1]), path) for path in folder.glob("*.ckpt") if (match := NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found, key=lambda item: item[0], reverse=True)]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
