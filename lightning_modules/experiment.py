"""From a resolved configuration to a result: build, train, test, count. Knows nothing of where results are kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger

from lightning_modules.callbacks.progress import Progress
from lightning_modules.classifier import ImageClassifier
from lightning_modules.complexity import measure
from lightning_modules.data.build import build_data
from lightning_modules.data.image_data import ImageData
from lightning_modules.data.order import check_shared
from lightning_modules.nets.build import build_net, check_images
from lightning_modules.recipe import Recipe, count_epochs
from lightning_modules.training import Follower as Follower
from lightning_modules.training import Outcome, Where, train_and_test


@dataclass(frozen=True)
class Experiment:
    """Everything that one run needs, built and checked, with nothing written yet."""

    module: ImageClassifier
    data: ImageData
    recipe: Recipe
    epochs: int
    where: Where


def build(config: Mapping[str, Any], data_cache: Path) -> Experiment:
    """Seeds, then builds net, data and recipe.

    Raises:
        UserError: a value is out of range, or the data cannot be had.
    """
    where = Where(**config["trainer"])
    if where.threads is not None or where.devices > 1:
        torch.set_num_threads(where.threads or max(1, torch.get_num_threads() // where.devices))
    seed, arch = config["seed"], config["arch"]
    recipe = Recipe.of(config["recipe"])
    check_shared(recipe.batch_size, where.devices)
    where.trainer(where.devices, logger=False, enable_checkpointing=False)  # says now what this machine cannot do
    data = build_data(config["data"], recipe, config["budget"], seed, data_cache, where.workers)
    pl.seed_everything(seed, verbose=False)
    net = build_net(arch, data.num_classes, data.in_channels)
    check_images(net, data.in_channels, config["data"]["size"], data.num_classes, arch["name"])
    module = ImageClassifier(net, recipe, data.num_classes, arch["memory_format"], seed)
    images_seen = config["budget"]["images_seen"]
    if images_seen is None:
        images_seen = recipe.images_seen
    return Experiment(module, data, recipe, count_epochs(images_seen, data.train_images), where)


def run(experiment: Experiment, folder: Path, logger: Logger | None, report: Callable[[Progress], None]) -> Outcome:
    """Trains, or goes on training, with checkpoints in ``folder``; then tests. Raises Follower (training.py)."""
    return train_and_test(
        experiment.module,
        experiment.data,
        experiment.epochs,
        experiment.recipe.clip_norm,
        experiment.where,
        folder,
        logger,
        report,
    )


def cost(config: Mapping[str, Any], experiment: Experiment) -> dict[str, Any]:
    """{"paper": at the paper's input size with 1000 classes, "run": as trained here}; see ``complexity.measure``."""
    arch = config["arch"]
    paper_input = tuple(arch["paper_input"])
    paper_net = build_net({**arch, "stem": "paper"} if "stem" in arch else arch, 1000, paper_input[0])
    run_input = (experiment.data.in_channels, config["data"]["size"], config["data"]["size"])
    return {
        "paper": measure(paper_net, paper_input),
        "run": measure(experiment.module.net.cpu(), run_input),
    }
