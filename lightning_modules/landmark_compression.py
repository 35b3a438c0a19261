"""A compressed cascade: each level's steps one after another, each trained on, then the levels' files, read back and tested.

The steps, the forms of the weights and the files are those of lightning_modules/compression; what is here is what a level is
trained on and how the levels are put together.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from torch import Tensor, nn

from lightning_modules import landmark_experiment
from lightning_modules.callbacks.divergence import Diverged
from lightning_modules.callbacks.progress import Progress, ReportProgress
from lightning_modules.compression import stored
from lightning_modules.compression.pipeline import SAMPLES
from lightning_modules.compression.pruning import prune_round
from lightning_modules.compression.steps import Plan, Step, check_layers
from lightning_modules.errors import UserError
from lightning_modules.landmark_cascade import LandmarkCascade
from lightning_modules.landmark_data import LandmarkData
from lightning_modules.landmark_experiment import Experiment, Outcome
from lightning_modules.recipe import count_epochs
from lightning_modules.training import train, weights_sha256

METHODS = ("prune", "share", "quantize")
FIRST_SHARE = 1.0  # of the budget's images: what level_1 was trained for (conf/task/landmarks.yaml), whatever level_2's


@dataclass
class Compressed:
    """``stages`` has an entry for each level, step and round: what was done, and the validation's NME before and after."""

    outcome: Outcome
    stages: list[dict[str, Any]] = field(default_factory=list)


def check(experiment: Experiment, compression: Mapping[str, Any]) -> None:
    """Raises UserError where the steps are none that a cascade can go through. Loads all code that they need."""
    plan = Plan.of(compression)
    if plan.steps and experiment.options.applied != "once":
        raise UserError(
            f"landmarks.applied={experiment.options.applied}: a cascade is compressed as it was trained; "
            "use landmarks.applied=once, or compression=none"
        )
    for step in plan.steps:
        if step.method not in METHODS or getattr(step.options, "saliency", None) == "obd":
            raise UserError(
                f"compression={compression['name']}: task=landmarks is pruned by magnitude, shared or quantized, nothing else"
            )
    check_layers(plan, experiment.module.net)
    if plan.integers:
        from lightning_modules import onnx_files  # noqa: F401  (part of the run's fingerprint)
        from lightning_modules.compression import batch_norm_folding  # noqa: F401


def run(
    experiment: Experiment,
    config: Mapping[str, Any],
    levels: Sequence[nn.Module],
    folder: Path,
    logger: Logger | None,
    report: Callable[[Progress], None],
) -> Compressed:
    """Does the steps of ``config["compression"]`` to each of ``levels``, level_1 first, and tests what their files decode to.

    Writes ``level_1.cnz`` and ``level_2.cnz`` and the checkpoints into ``folder``. Stopped, it does the steps again up to the
    last finished epoch of training.
    """
    return _Compression(experiment, config, folder, logger, ReportProgress(report)).run(levels)


class _Compression:
    def __init__(
        self,
        experiment: Experiment,
        config: Mapping[str, Any],
        folder: Path,
        logger: Logger | None,
        progress: ReportProgress,
    ):
        self.experiment, self.config, self.folder = experiment, config, folder
        self.logger, self.progress = logger, progress
        self.plan = Plan.of(config["compression"])
        self.found = Compressed(Outcome("done", {}, [], ""))

    def run(self, levels: Sequence[nn.Module]) -> Compressed:
        params = sum(held.numel() for net in levels for held in net.parameters())
        files: list[Path] = []
        ready: list[nn.Module] = []  # the levels as their files decode to them
        outcome = self.found.outcome
        try:
            for number, net in enumerate(levels, 1):
                files.append(self._compressed(number, net, len(levels), ready))
                ready.append(stored.load(files[-1])[0])
        except Diverged as diverged:
            outcome.status, outcome.weights_sha256 = "diverged", weights_sha256(nn.ModuleList(levels))
            outcome.metrics = {"train/diverged_epoch": diverged.epoch, "train/diverged_step": diverged.step}
            return self.found
        computed: list[nn.Module] = []
        for number, net in enumerate(ready, 1):
            data = self._data(number, len(levels), computed)
            computed.append(self._in_integers(net, data))
        module = self._module(computed[-1], self.experiment.options)
        last = replace(self.experiment, module=module, data=data)
        tested = landmark_experiment.tested(last, self.logger, self.progress)
        size = sum(path.stat().st_size for path in files)
        outcome.metrics = {
            **tested.metrics,
            "val/nme": self._validated(computed[-1], data, self.experiment.options),
            "file/bytes": size,
            "file/ratio": 4 * params / size,
        }
        outcome.nmes, outcome.points = tested.nmes, tested.points
        outcome.weights_sha256 = weights_sha256(nn.ModuleList(ready))
        return self.found

    def _compressed(self, number: int, net: nn.Module, levels: int, before: Sequence[nn.Module]) -> Path:
        """The level's file, after all steps."""
        data, structure = self._data(number, levels, before), []
        for place, step in enumerate(self.plan.steps, 1):
            for round_ in range(1, getattr(step.options, "rounds", 1) + 1):
                stage: dict[str, Any] = {"level": number, "step": place, "method": step.method, "round": round_}
                options = data.options
                stage["before"] = self._validated(net, data, options)
                structure += self._applied(step, round_, net, data)
                stage["applied"] = self._validated(net, data, options)
                self._trained(
                    step, net, data, self.folder / f"{number}-{place}-{step.method}-{round_}", len(self.found.stages)
                )
                stage["after"] = self._validated(net, data, options)
                self.found.stages.append(stage)
        path = self.folder / f"level_{number}.cnz"
        about = (self.config["arch"], 2 * data.points, data.in_channels)
        stored.save(net, path, *about, structure, self.plan.huffman, self.plan.index_bits)
        return path

    def _data(self, number: int, levels: int, before: Sequence[nn.Module]) -> LandmarkData:
        """The faces as level ``number`` of ``levels`` sees them."""
        built, options = self.experiment.data, self.experiment.options
        if number < levels:
            options = replace(options, crop="whole", applied="once", share=FIRST_SHARE)
        data = LandmarkData(
            built.splits,
            options,
            built.augment,
            built.normalise,
            built.batch_size,
            self.config["seed"],
            built.kept_size,
        )
        landmark_experiment.guide(replace(self.experiment, data=data, options=options), before)
        return data

    def _applied(self, step: Step, round_: int, net: nn.Module, data: LandmarkData) -> list[dict[str, Any]]:
        """Does a step to the net; what that changed of its layers."""
        if step.method == "prune":
            prune_round(net, step.options, round_)
            return []
        if step.method == "share":
            from lightning_modules.compression.sharing import share

            share(net, step.options, self.config["seed"])
            return []
        from lightning_modules.compression.quantization import quantise

        if not step.options.activations:
            quantise(net, step.options)
            return []
        from lightning_modules.compression.batch_norm_folding import fold

        fold(net)  # the weights that integers are made of are those after folding
        done = quantise(net, step.options, self._batches(data))
        return [{"method": "fold"}, {"method": "quantize", "layers": list(done.layers)}]

    def _batches(self, data: LandmarkData) -> list[Tensor]:
        """Images of some training batches, (B, 3, S, S) each."""
        return [images for images, _ in itertools.islice(data.train_dataloader(), SAMPLES)]

    def _trained(self, step: Step, net: nn.Module, data: LandmarkData, folder: Path, stage: int) -> None:
        """Trains on where the step asks for it. Raises Diverged."""
        if step.retrain.images == 0:
            return
        folder.mkdir(exist_ok=True)
        built = self.experiment
        seen = data.options.share * (self.config["budget"]["images_seen"] or built.recipe.images_seen)
        plain = count_epochs(round(seen), data.train_images)
        recipe = replace(built.recipe, lr=built.recipe.lr * step.retrain.lr)
        trained = train(
            self._module(net, data.options, recipe),  # pyright: ignore[reportArgumentType]
            data,
            max(1, round(step.retrain.images * plain)),
            built.recipe.clip_norm,
            built.where,
            folder,
            self.logger,
            self.progress,
        )
        outcome = self.found.outcome
        outcome.curves += [{"stage": stage + 1, **epoch} for epoch in trained.curves]
        outcome.training_s += trained.training_s
        outcome.resumed_after += trained.resumed_after
        outcome.damaged += trained.damaged
        if trained.diverged is not None:
            raise trained.diverged

    def _module(self, net: nn.Module, options: Any, recipe: Any = None) -> LandmarkCascade:
        about = self.config["arch"]["memory_format"], self.config["seed"]
        return LandmarkCascade(net, recipe or self.experiment.recipe, options, *about)

    def _validated(self, net: nn.Module, data: LandmarkData, options: Any) -> float:
        """The NME of the net as it is now, on the validation split."""
        module = self._module(net, options)
        trainer = self.experiment.where.trainer(1, logger=False, enable_checkpointing=False)
        trainer.validate(module, datamodule=data, verbose=False)
        return module.epoch_metrics["val/nme"]

    def _in_integers(self, net: nn.Module, data: LandmarkData) -> nn.Module:
        """The net as ONNX Runtime computes it in int8, where that is what was asked for."""
        if not (options := self.plan.integers):
            return net
        from lightning_modules.onnx_files import OnnxModule, exported, quantised

        batches = [images.numpy() for images in self._batches(data)]
        content = exported(net, batches[0].shape[1:], [str(point) for point in range(2 * data.points)])
        return OnnxModule(quantised(content, batches, options.per_channel, options.symmetric))
