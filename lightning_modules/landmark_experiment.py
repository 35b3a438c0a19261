"""From a resolved configuration of task=landmarks to a result: build, train, test, count."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger
from torch import nn

from lightning_modules import landmark_data
from lightning_modules.callbacks.progress import Progress, ReportProgress
from lightning_modules.complexity import measure
from lightning_modules.crops import to_picture
from lightning_modules.data.batches import Normalise
from lightning_modules.errors import UserError
from lightning_modules.landmark_augment import FaceAugment
from lightning_modules.landmark_cascade import LandmarkCascade, points_of
from lightning_modules.landmark_data import LandmarkData
from lightning_modules.landmark_metrics import all_nmes, summary
from lightning_modules.landmark_options import Options
from lightning_modules.nets.build import build_net, check_images
from lightning_modules.recipe import Recipe, count_epochs
from lightning_modules.training import Where, train, weights_sha256


@dataclass(frozen=True)
class Experiment:
    """Everything that one run needs, built and checked, with nothing written yet. ``epochs`` 0: it only tests."""

    module: LandmarkCascade
    data: LandmarkData
    recipe: Recipe
    options: Options
    epochs: int
    where: Where


@dataclass
class Outcome:
    """What a run found. ``nmes``: by the end of their names (landmark_metrics.LENGTHS), (N,) of the test faces; ``points``
    (N, K, 2) those found, in pixels. ``curves`` has an entry an epoch; ``damaged``: checkpoints that could not be used."""

    status: Literal["done", "diverged"]
    metrics: dict[str, float]
    curves: list[dict[str, float]]
    weights_sha256: str
    training_s: float = 0.0
    resumed_after: int = 0
    damaged: list[Path] = field(default_factory=list)
    nmes: dict[str, np.ndarray] = field(default_factory=dict)
    points: np.ndarray | None = None


def build(config: Mapping[str, Any], data_cache: Path, said: Callable[..., None] = lambda state: None) -> Experiment:
    """Seeds, then builds net, data and recipe. ``said`` is told how far the rendering of faces is.

    Raises:
        UserError: a value is out of range, or the data cannot be had.
    """
    where = Where(**config["trainer"])
    if where.threads is not None:
        torch.set_num_threads(where.threads)
    seed, arch, options = config["seed"], config["arch"], Options.of(config["landmarks"])
    recipe = _of_level(Recipe.of(config["recipe"]), options)
    augment = FaceAugment.of(config["recipe"]["augment"])
    if where.devices > 1:
        raise UserError(f"trainer.devices={where.devices}: the landmark cascade trains on one; use trainer.devices=1")
    where.trainer(where.devices, logger=False, enable_checkpointing=False)  # says now what this machine cannot do
    faces = landmark_data.read(config["data"], config["budget"], data_cache, said)
    about = normalise_of(config["data"]), recipe.batch_size, seed, config["data"]["size"]
    data = LandmarkData(faces, options, augment, *about)
    pl.seed_everything(seed, verbose=False)
    net = build_net(arch, 2 * data.points, data.in_channels)
    check_images(net, data.in_channels, options.size, 2 * data.points, arch["name"])
    module = LandmarkCascade(net, recipe, options, arch["memory_format"], seed)
    images_seen = options.share * (config["budget"]["images_seen"] or recipe.images_seen)
    epochs = count_epochs(round(images_seen), data.train_images) if options.applied == "once" else 0
    return Experiment(module, data, recipe, options, epochs, where)


def run(
    experiment: Experiment,
    levels: Sequence[nn.Module],
    folder: Path,
    logger: Logger | None,
    report: Callable[[Progress], None],
) -> Outcome:
    """Trains, or goes on training, with checkpoints in ``folder``; then tests.

    ``levels``: the trained nets whose points guide its crops, level_1 first; where nothing is trained, the last of them is
    the one that is tested.
    """
    module, data = experiment.module, experiment.data
    guide(experiment, levels)
    progress = ReportProgress(report)
    if not experiment.epochs:
        module.net.load_state_dict(levels[-1].state_dict())
        return tested(experiment, logger, progress)
    data.kept()  # so that ``outside`` is known where a run that was stopped has no epoch left
    trained = train(  # which asks for what every task's module has: a net, epoch_metrics, running
        module,  # pyright: ignore[reportArgumentType]
        data,
        experiment.epochs,
        experiment.recipe.clip_norm,
        experiment.where,
        folder,
        logger,
        progress,
    )
    about: dict[str, Any] = {
        "curves": trained.curves,
        "weights_sha256": weights_sha256(module.net),
        "training_s": trained.training_s,
        "resumed_after": trained.resumed_after,
        "damaged": trained.damaged,
    }
    if trained.diverged is not None:
        at: dict[str, float] = {
            "train/diverged_epoch": trained.diverged.epoch,
            "train/diverged_step": trained.diverged.step,
        }
        return Outcome("diverged", at, **about)
    found = tested(experiment, logger, progress)
    metrics = {**found.metrics, **_validation(trained.curves)}
    if data.outside is not None:
        metrics["train/outside"] = data.outside
    return Outcome(found.status, metrics, **about, nmes=found.nmes, points=found.points)


def guide(experiment: Experiment, levels: Sequence[nn.Module]) -> None:
    """Has ``levels`` find what the level sees of the faces of validation and test. Applied twice, level_2 is one of them."""
    guides = levels if experiment.options.applied == "twice" else levels[:1]
    experiment.data.guide(guides, partial(points_of, normalise=experiment.data.normalise))


def tested(experiment: Experiment, logger: Logger | None, progress: ReportProgress) -> Outcome:
    """The level's net as it is, on the test faces, cropped as its data was guided to."""
    module, data = experiment.module, experiment.data
    trainer = experiment.where.trainer(1, callbacks=[progress], logger=logger or False, enable_checkpointing=False)
    trainer.test(module, datamodule=data, verbose=False)
    faces = data.splits["test"]
    points = to_picture(module.predicted, data.boxes["test"]).numpy()
    nmes = all_nmes(points, faces.points.numpy(), faces.sizes.numpy())
    metrics = {"test/loss": module.epoch_metrics["test/loss"]}
    metrics |= {f"test/{name}": value for name, value in summary(nmes).items()}
    return Outcome("done", metrics, [], weights_sha256(module.net), nmes=nmes, points=points)


def cost(config: Mapping[str, Any], experiment: Experiment) -> dict[str, Any]:
    """{"run": of all nets that a picture goes through}; see ``complexity.measure``. A parameter counts once."""
    size = experiment.options.size
    found = measure(experiment.module.net.cpu(), (experiment.data.in_channels, size, size))
    passes = experiment.options.passes
    levels = min(passes, 2)
    return {"run": {**found, "params": levels * found["params"], "macs": passes * found["macs"], "levels": levels}}


def normalise_of(data: Mapping[str, Any]) -> Normalise:
    return Normalise(tuple(data["mean"]), tuple(data["std"]))


def _of_level(recipe: Recipe, options: Options) -> Recipe:
    """The recipe with ``drop_at`` as shares of the level's own steps: level_2, with ``share`` of level_1's, drops at the
    same steps as level_1. Raises UserError where the first of them lies behind its end."""
    if options.crop == "whole" or not recipe.drop_at:
        return recipe
    drops = [drop / options.share for drop in recipe.drop_at if drop < options.share]
    if recipe.schedule == "steps" and not drops:
        raise UserError(
            f"landmarks.share={options.share}: ends before the first of recipe.drop_at={list(recipe.drop_at)}, which are "
            "shares of level_1's steps; raise it"
        )
    return replace(recipe, drop_at=drops)


def _validation(epochs: list[dict[str, float]]) -> dict[str, float]:
    """The last epoch's validation metrics, and the epoch with the lowest error with its own."""
    last = {name: value for name, value in epochs[-1].items() if name.startswith("val/")}
    best = min(epochs, key=lambda epoch: epoch["val/nme"])
    return {**last, "val/best_epoch": best["epoch"], "val/best_nme": best["val/nme"]}
