"""What tests/test_ddp.py runs in two processes side by side: `python -m tests.ddp_script FOLDER`.

A folder below FOLDER for each of its runs; ``<run>-<process>.json`` says how each process saw it end.
"""

import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lightning_modules.classifier import ImageClassifier
from lightning_modules.training import Follower, Outcome, train_and_test
from tests import tiny

EPOCHS = 2
TWO = dataclasses.replace(tiny.WHERE, devices=2)


class Stopped(Exception):
    """What the module below does in its second epoch."""


class StopsOnce(ImageClassifier):
    stopped = False

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        if self.current_epoch == 1 and not StopsOnce.stopped:
            StopsOnce.stopped = True
            raise Stopped


class NoNumberInTheSecond(ImageClassifier):
    """The second process's loss is no number in the last step of the second epoch; the gradients are as they were."""

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        loss = super().training_step(batch, index)
        bad = self.global_rank == 1 and (self.current_epoch, index) == (1, 5)
        return loss + float("nan") * loss.detach() if bad else loss


def plain_net() -> nn.Module:
    """Without dropout and batch norm, which differ when a batch is shared."""
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, tiny.CLASSES))


def module(kind: type[ImageClassifier] = ImageClassifier) -> ImageClassifier:
    torch.manual_seed(0)
    return kind(plain_net(), tiny.recipe(), tiny.CLASSES, "contiguous", seed=0)


def fit(found: ImageClassifier, folder: Path, where: Any) -> Outcome:
    folder.mkdir(exist_ok=True)
    return train_and_test(found, tiny.data(), EPOCHS, None, where, folder, None, lambda progress: None)


def ended(found: ImageClassifier, folder: Path, where: Any = TWO) -> dict[str, Any]:
    """How the run ended, as JSON; with the test's answers where it came to one."""
    try:
        outcome = fit(found, folder, where)
    except (Follower, Stopped) as error:
        return {"status": type(error).__name__}
    answers = found.predicted.tolist() if outcome.status == "done" else []
    return {"status": outcome.status, "metrics": outcome.metrics, "curves": outcome.curves, "predicted": answers,
            "weights": outcome.weights_sha256}  # fmt: skip


def main(folder: Path) -> None:
    bf16 = dataclasses.replace(TWO, precision="bf16-mixed")
    runs = [
        ("float", ImageClassifier, "float", TWO),
        ("bf16", ImageClassifier, "bf16", bf16),
        ("stopped", StopsOnce, "resumed", TWO),
        ("resumed", StopsOnce, "resumed", TWO),
        ("diverged", NoNumberInTheSecond, "diverged", TWO),
    ]
    for name, kind, below, where in runs:
        found = module(kind)
        told = ended(found, folder / below, where)
        (folder / f"{name}-{os.environ['LOCAL_RANK']}.json").write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
