"""Training speed on one core: our whole loop, a bare PyTorch loop of the same net, and the pipeline usual elsewhere.

All train the same net with the same optimiser, rate, clipping, batch size and memory format on Fashion-MNIST's images.

    ours    an epoch as `make table3` does it: Lightning, our batches, metrics, progress, validation, W&B offline
    bare    batches cut from normalised tensors in RAM; nothing but forward, backward, clip and step
    usual   Lightning and our module, on torchvision's data set with PIL transforms and two DataLoader workers

Each has one core, workers included, as each run of a table has.
"""

import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
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

from experiments.benchmarks.rounds import Side
from experiments.suite.compose import compose
from experiments.suite.paths import DATA_CACHE, RESULTS
from experiments.tracking import tracked
from lightning_modules import experiment
from lightning_modules.callbacks.progress import Progress
from lightning_modules.data.batches import Batches
from lightning_modules.experiment import Experiment
from lightning_modules.optimization import build_optimizer, build_schedule

STEPS = 200
WARM_UP = 60  # steps before the clock starts: W&B's processes start beside the first ones
NETS = {"SqueezeNet 1.1": (), "a net three times lighter": ("arch.base_e=70", "arch.incr_e=70")}
WORKERS = 2


@contextmanager
def sides(net: str) -> Iterator[Mapping[str, Side]]:
    """Images a second by side; each call trains ``STEPS`` steps from the start."""
    config = configuration(NETS[net])
    with results_aside():
        yield {"ours": lambda: ours(config), "bare": lambda: bare(config), "usual": lambda: usual(config)}


def configuration(overrides: tuple[str, ...]) -> dict[str, Any]:
    config = compose(["arch.version=1.1", *overrides, "trainer.threads=1"])
    images = STEPS * config["recipe"]["batch_size"]
    config["budget"] |= {"images_seen": images, "train_images": images, "val_images": 64, "test_images": 64}
    return config


def macs(net: str) -> int:
    """Multiply-adds of one image as it is trained here."""
    config = configuration(NETS[net])
    return experiment.cost(config, experiment.build(config, DATA_CACHE))["run"]["macs"]


def ours(config: dict[str, Any], pinned: bool = True) -> float:
    return _through_lightning(config, experiment.build(config, DATA_CACHE), pinned)


def usual(config: dict[str, Any]) -> float:
    built = experiment.build(config, DATA_CACHE)
    data: Any = UsualImages(built)
    return _through_lightning(config, replace(built, data=data))


def bare(config: dict[str, Any]) -> float:
    built = experiment.build(config, DATA_CACHE)
    net, recipe, began = built.module.net.train(), built.recipe, 0.0
    layout, loader = built.module.memory_format, cast(Batches, built.data.train_dataloader())
    batches = [(images.contiguous(memory_format=layout), labels) for images, labels in loader]
    optimizer = build_optimizer(recipe, net.parameters())
    schedule = build_schedule(recipe, optimizer, STEPS)
    with _one_core():
        for step, (images, true) in enumerate(batches):
            if step == WARM_UP:
                began = time.perf_counter()
            optimizer.zero_grad()
            F.cross_entropy(net(images), true, label_smoothing=recipe.label_smoothing).backward()
            if recipe.clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(net.parameters(), recipe.clip_norm)
            optimizer.step()
            schedule.step()
        return (STEPS - WARM_UP) * recipe.batch_size / (time.perf_counter() - began)


def _through_lightning(config: dict[str, Any], built: Experiment, pinned: bool = True) -> float:
    with tempfile.TemporaryDirectory() as folder, _one_core() if pinned else nullcontext():
        reports: list[tuple[int, float]] = []

        def report(progress: Progress) -> None:
            if progress.phase == "train" and progress.step >= WARM_UP:
                reports.append((progress.step, time.perf_counter()))

        with tracked(config, "bench", time.monotonic_ns(), "bench") as logger:
            experiment.run(built, Path(folder), logger, report)
        (first, began), (last, ended) = reports[0], reports[-1]
        return (last - first) * built.recipe.batch_size / (ended - began)


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
