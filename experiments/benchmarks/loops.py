"""Training speed on one core: our whole loop, a bare PyTorch loop of the same net, and the pipeline usual elsewhere.

All train the same net with the same optimiser, rate, clipping, batch size and memory format on Fashion-MNIST's images.

    ours    an epoch as `make table3` does it: Lightning, our batches, metrics, progress, validation, W&B offline
    bare    batches cut from normalised tensors in RAM before the clock starts; nothing but forward, backward, clip, step
    usual   Lightning and our module, on torchvision's data set with PIL transforms and two DataLoader workers

Each has one core, workers included, as each run of a table has.
"""

import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytorch_lightning as pl
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from experiments.suite.compose import compose
from experiments.suite.paths import DATA_CACHE, RESULTS
from experiments.tracking import tracked
from lightning_modules import experiment
from lightning_modules.callbacks.progress import Progress
from lightning_modules.data.batches import Batches
from lightning_modules.experiment import Experiment
from lightning_modules.optimization import build_optimizer, build_schedule

STEPS = 843  # an epoch of budget proxy, so that what its end takes has its share and no more
WARM_UP = 60  # steps before the clock starts: W&B's processes start beside the first ones
NETS = {"SqueezeNet 1.1": (), "a net three times lighter": ("arch.base_e=70", "arch.incr_e=70")}
WORKERS = 2


def one_round(net: str, steps: int = STEPS) -> dict[str, float]:
    """Images a second by side; each trains ``steps`` steps from the start."""
    config = configuration(NETS[net], steps)
    with results_aside(), _one_core():
        return {**ours_and_bare(config), "usual": usual(config)}


def configuration(overrides: tuple[str, ...], steps: int = STEPS) -> dict[str, Any]:
    config = compose(["arch.version=1.1", *overrides, "trainer.threads=1"])
    images = steps * config["recipe"]["batch_size"]
    config["budget"] |= {"images_seen": images, "train_images": images, "val_images": 64, "test_images": 64}
    return config


def macs(net: str) -> int:
    """Multiply-adds of one image as it is trained here."""
    config = configuration(NETS[net])
    return experiment.cost(config, experiment.build(config, DATA_CACHE))["run"]["macs"]


def ours_and_bare(config: dict[str, Any]) -> dict[str, float]:
    """The two take turns of about a second: the machine's own speed drifts more than they differ."""
    bare, turns = Bare(config), Turns()
    turns.between = bare.train
    _through_lightning(config, experiment.build(config, DATA_CACHE), turns)
    return {"ours": turns.images_s(config), "bare": bare.images_s}


def ours(config: dict[str, Any]) -> float:
    turns = Turns()
    _through_lightning(config, experiment.build(config, DATA_CACHE), turns)
    return turns.images_s(config)


def usual(config: dict[str, Any]) -> float:
    turns, built = Turns(), experiment.build(config, DATA_CACHE)
    data: Any = UsualImages(built)
    _through_lightning(config, replace(built, data=data), turns)
    return turns.images_s(config)


class Turns:
    """The time that training takes from report to report, and not what is done ``between`` two turns of it."""

    def __init__(self) -> None:
        self.between: Callable[[int], None] = lambda steps: None
        self._at, self._since = 0, 0.0
        self._steps, self._seconds = 0, 0.0

    def report(self, progress: Progress) -> None:
        if progress.phase != "train":
            return
        now = time.perf_counter()
        steps = progress.step - self._at
        if steps and self._at >= WARM_UP:
            self._steps += steps
            self._seconds += now - self._since
        if steps:
            self.between(steps)
        self._at, self._since = progress.step, time.perf_counter()

    def images_s(self, config: dict[str, Any]) -> float:
        return self._steps * config["recipe"]["batch_size"] / self._seconds


class Bare:
    """A PyTorch loop and nothing else, a few steps at a time."""

    def __init__(self, config: dict[str, Any]):
        built = experiment.build(config, DATA_CACHE)
        layout, loader = built.module.memory_format, cast(Batches, built.data.train_dataloader())
        self._net, self._recipe = built.module.net.train(), built.recipe
        self._batches = [(images.contiguous(memory_format=layout), labels) for images, labels in loader]
        self._optimizer = build_optimizer(self._recipe, self._net.parameters())
        self._schedule = build_schedule(self._recipe, self._optimizer, len(self._batches))
        self._step, self._steps, self._seconds = 0, 0, 0.0

    def train(self, steps: int) -> None:
        net, recipe, optimizer = self._net, self._recipe, self._optimizer
        timed, began = self._step >= WARM_UP, time.perf_counter()
        for images, true in self._batches[self._step : self._step + steps]:
            optimizer.zero_grad()
            F.cross_entropy(net(images), true, label_smoothing=recipe.label_smoothing).backward()
            if recipe.clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(net.parameters(), recipe.clip_norm)
            optimizer.step()
            self._schedule.step()
        self._step += steps
        if timed:
            self._steps += steps
            self._seconds += time.perf_counter() - began

    @property
    def images_s(self) -> float:
        return self._steps * self._recipe.batch_size / self._seconds


def _through_lightning(config: dict[str, Any], built: Experiment, turns: Turns) -> None:
    with tempfile.TemporaryDirectory() as folder, tracked(config, "bench", time.monotonic_ns(), "bench") as logger:
        experiment.run(built, Path(folder), logger, turns.report)


class UsualImages(pl.LightningDataModule):
    """The same images as most would read them."""

    def __init__(self, built: Experiment):
        super().__init__()
        data: Any = built.data
        self._batch_size = built.recipe.batch_size
        self._splits = data.splits
        normalise = v2.Normalize([0.2860], [0.3530])
        numbers = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), normalise]
        self._augmented = v2.Compose([v2.RandomHorizontalFlip(), *numbers])
        self._plain = v2.Compose(numbers)

    def train_dataloader(self) -> DataLoader:
        warnings.filterwarnings("ignore", message=".*worker processes in total")  # on one core it advises none
        images = AsPictures(self._splits["train"], self._augmented)
        return DataLoader(images, self._batch_size, shuffle=True, drop_last=True, num_workers=WORKERS)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(AsPictures(self._splits["val"], self._plain), self._batch_size)

    def test_dataloader(self) -> DataLoader:
        return DataLoader(AsPictures(self._splits["test"], self._plain), self._batch_size)


class AsPictures(Dataset):
    """As torchvision's data sets hand them out: a PIL image through its transforms, and the label."""

    def __init__(self, split: Any, transform: Callable[[Any], Tensor]):
        self._images = np.ascontiguousarray(split.images[:, 0].numpy())
        self._labels = split.labels.tolist()
        self._transform = transform

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self._transform(Image.fromarray(self._images[index])), self._labels[index]


@contextmanager
def _one_core() -> Iterator[None]:
    """This process and all it starts on one core, where the system can do that."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def results_aside() -> Iterator[None]:
    """W&B's files of a measurement are nobody's results."""
    before = os.environ.get(RESULTS)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[RESULTS] = folder
        try:
            yield
        finally:
            del os.environ[RESULTS]
            if before is not None:
                os.environ[RESULTS] = before
