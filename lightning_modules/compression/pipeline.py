"""A compressed run: the steps one after another, each trained on and measured, then the file, read back and tested."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pytorch_lightning.loggers import Logger
from torch import Tensor, nn

from lightning_modules.callbacks.divergence import Diverged
from lightning_modules.callbacks.progress import Progress, ReportProgress
from lightning_modules.classifier import ImageClassifier
from lightning_modules.compression import stored
from lightning_modules.compression.sizes import Sizes
from lightning_modules.compression.steps import Plan, Retrain, Step, check_layers
from lightning_modules.errors import UserError
from lightning_modules.experiment import Experiment
from lightning_modules.training import train, weights_sha256

FILE = "model.cnz"
SAMPLES = 16  # training batches that OBD's second derivatives and ranges of activations are taken from


@dataclass(frozen=True)
class Origin:
    """What a compressed run begins with: the plain run's ``weights`` (None: from scratch), a teacher and its format."""

    weights: Mapping[str, Tensor] | None = None
    teacher: nn.Module | None = None
    teacher_format: str = "contiguous"


@dataclass
class Compressed:
    """What a compressed run found.

    ``stages`` has an entry a step and round: what was done and the validation before it, after it and after training
    on. ``net`` is the one that the file describes; ``module`` is what was tested, that net or the same in int8;
    ``sizes`` says where the file's bytes go, ``arithmetic`` how many of the products of an int8 net are in int8.
    """

    status: Literal["done", "diverged"]
    module: ImageClassifier
    net: nn.Module
    metrics: dict[str, float]
    curves: list[dict[str, float]] = field(default_factory=list)
    stages: list[dict[str, Any]] = field(default_factory=list)
    sizes: Sizes | None = None
    arithmetic: dict[str, int] = field(default_factory=dict)
    weights_sha256: str = ""
    training_s: float = 0.0
    resumed_after: int = 0
    damaged: list[Path] = field(default_factory=list)


def check(experiment: Experiment, compression: Mapping[str, Any]) -> None:
    """Raises UserError where the steps are wrong, or can't be done on these devices. Loads all code that they need."""
    plan = Plan.of(compression)
    if experiment.where.devices > 1:
        raise UserError(
            f"trainer.devices={experiment.where.devices}: a compressed run computes on one; use trainer.devices=1"
        )
    check_layers(plan, experiment.module.net)
    if any(getattr(step.options, "saliency", None) == "obd" for step in plan.steps):
        from lightning_modules.compression import obd  # noqa: F401  (part of the run's fingerprint)
    if plan.integers:
        from lightning_modules import onnx_files  # noqa: F401
        from lightning_modules.compression import batch_norm_folding  # noqa: F401


def run(
    experiment: Experiment,
    config: Mapping[str, Any],
    origin: Origin,
    folder: Path,
    logger: Logger | None,
    report: Callable[[Progress], None],
) -> Compressed:
    """Does the steps of ``config["compression"]``. Stopped, it does them again up to the last finished epoch of training.

    Writes ``model.cnz`` and the checkpoints into ``folder``.
    """
    return _Pipeline(experiment, config, origin, folder, logger, report).run()


class _Pipeline:
    def __init__(
        self,
        experiment: Experiment,
        config: Mapping[str, Any],
        origin: Origin,
        folder: Path,
        logger: Logger | None,
        report: Callable[[Progress], None],
    ):
        self.experiment, self.config, self.origin = experiment, config, origin
        self.folder, self.logger, self.progress = folder, logger, ReportProgress(report)
        self.plan = Plan.of(config["compression"])
        self.net = experiment.module.net
        self.params = sum(held.numel() for held in self.net.parameters())  # of the plain net, in 32 bits each
        self.structure: list[dict[str, Any]] = []
        self.found = Compressed("done", experiment.module, self.net, {})

    def run(self) -> Compressed:
        if self.origin.weights is not None:
            self.net.load_state_dict(self.origin.weights)
        try:
            for number, step in enumerate(self.plan.steps, 1):
                self._do(number, step)
        except Diverged as diverged:
            self.found.status = "diverged"
            self.found.metrics = {"train/diverged_epoch": diverged.epoch, "train/diverged_step": diverged.step}
            self.found.weights_sha256 = weights_sha256(self.net)
            return self.found
        self.found.sizes = self._saved(self.folder / FILE)
        self._test()
        return self.found

    def _do(self, number: int, step: Step) -> None:
        """A step with all its rounds."""
        if step.method == "prune":
            from lightning_modules.compression.pruning import prune_round

            for round_ in range(1, step.options.rounds + 1):
                self._stage(
                    number,
                    step,
                    round_,
                    lambda round_=round_: prune_round(self.net, step.options, round_, self._images(step)),
                )
        else:
            self._stage(number, step, 1, lambda: self._applied(step))

    def _stage(self, number: int, step: Step, round_: int, apply: Callable[[], Any]) -> None:
        stage: dict[str, Any] = {"step": number, "method": step.method, "round": round_}
        stage["before"] = self._validated()
        stage |= apply() or {}
        stage["applied"] = self._validated()
        stage["after"] = self._trained(step, f"{number}-{step.method}-{round_}") or stage["applied"]
        sizes = self._saved(self.folder / ".stage.cnz")
        (self.folder / ".stage.cnz").unlink()
        stage |= {"density": stored.density(self.net), "bytes": sizes.total}
        self.found.stages.append(stage)
        if self.logger is not None:
            values = {
                f"{when}/{name}": value
                for when in ("before", "applied", "after")
                for name, value in stage[when].items()
            }
            values |= {"density": stage["density"], "bytes": sizes.total, "bits": 8 * sizes.total / self.params}
            self.logger.log_metrics(
                {f"compression/{name}": value for name, value in values.items()}, len(self.found.stages)
            )

    def _applied(self, step: Step) -> dict[str, Any]:
        """Does a step other than pruning to the net; what it says of it."""
        if step.method == "low_rank":
            from lightning_modules.compression.low_rank import factorise

            done = factorise(self.net, step.options)
            self.structure.append({"method": "low_rank", "factors": done.factors})
            return {"factors": done.factors, "error": done.error, "left": done.left}
        if step.method == "xnor":
            from lightning_modules.compression.xnor import binarise

            self.structure.append(binarise(self.net, step.options.activations))
            return {}
        if step.method == "share":
            from lightning_modules.compression.sharing import share

            return {"layers": share(self.net, step.options, self.config["seed"])}
        if step.method == "quantize":
            from lightning_modules.compression.quantization import quantise

            if step.options.activations:  # the weights that integers are made of are those after folding
                from lightning_modules.compression.batch_norm_folding import fold

                fold(self.net)
                self.structure.append({"method": "fold"})
            done = quantise(self.net, step.options, self._images(step))
            if done.activations:
                self.structure.append({"method": "quantize", "layers": list(done.layers)})
            return {"layers": list(done.layers), "simulated": done.simulated}
        return {}  # distilling is training

    def _images(self, step: Step) -> list[Tensor]:
        """Images of some training batches, (B, C, H, W) each, for the steps that look at the data."""
        if getattr(step.options, "saliency", None) != "obd" and not getattr(step.options, "activations", False):
            return []
        return self._batches()

    def _batches(self) -> list[Tensor]:
        return [images for images, _ in itertools.islice(self.experiment.data.train_dataloader(), SAMPLES)]

    def _trained(self, step: Step, name: str) -> dict[str, float] | None:
        """Trains on; the validation afterwards, None where the step is not trained on. Raises Diverged."""
        if step.retrain.images == 0:
            return None
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        module = self._module(step)
        trained = train(
            module,
            self.experiment.data,
            max(1, round(step.retrain.images * self.experiment.epochs)),
            self.experiment.recipe.clip_norm,
            self.experiment.where,
            folder,
            self.logger,
            self.progress,
        )
        stage = len(self.found.stages) + 1
        self.found.curves += [{"stage": stage, **epoch} for epoch in trained.curves]
        self.found.training_s += trained.training_s
        self.found.resumed_after += trained.resumed_after
        self.found.damaged += trained.damaged
        if trained.diverged is not None:
            raise trained.diverged
        return self._validated()

    def _module(self, step: Step) -> ImageClassifier:
        """The net as it is trained on after ``step``."""
        arguments = (self.net, self._recipe(step.retrain), *self._about())
        if step.method != "distill":
            return ImageClassifier(*arguments)
        from lightning_modules.compression.distillation import Distilled

        assert self.origin.teacher is not None
        return Distilled(*arguments, self.origin.teacher, self.origin.teacher_format, step.options)

    def _recipe(self, retrain: Retrain) -> Any:
        recipe = self.experiment.recipe
        return replace(recipe, lr=recipe.lr * retrain.lr, output_bias=None)  # the bias is the untrained net's

    def _about(self) -> tuple[int, str, int]:
        return self.experiment.data.num_classes, self.config["arch"]["memory_format"], self.config["seed"]

    def _validated(self) -> dict[str, float]:
        """{"loss", "top1_err"} of the net as it is now, on the validation split."""
        module = ImageClassifier(self.net, self._recipe(Retrain()), *self._about())
        trainer = self.experiment.where.trainer(1, logger=False, enable_checkpointing=False)
        trainer.validate(module, datamodule=self.experiment.data, verbose=False)
        return {name: module.epoch_metrics[f"val/{name}"] for name in ("loss", "top1_err")}

    def _saved(self, path: Path) -> Sizes:
        data, arch = self.experiment.data, self.config["arch"]
        return stored.save(
            self.net, path, arch, data.num_classes, data.in_channels,
            self.structure, self.plan.huffman, self.plan.index_bits,
        )  # fmt: skip

    def _test(self) -> None:
        """Tests what the file decodes to: in int8 where that is its arithmetic, otherwise in floats."""
        net, _ = stored.load(self.folder / FILE)
        module = self._tested(net)
        metrics = _of_test(module, "test")
        if self.plan.integers:
            metrics = _of_test(module, "simulated")
            module = self._tested(self._in_integers(net, self.plan.integers))
            metrics |= _of_test(module, "test")
        assert self.found.sizes is not None
        size = self.found.sizes.total
        self.found.metrics = {
            **metrics,
            **{f"val/{name}": value for name, value in self._validated().items()},
            "file/bytes": size,
            "file/ratio": 4 * self.params / size,
            "file/density": stored.density(self.net),
        }
        self.found.module, self.found.net = module, net
        self.found.weights_sha256 = weights_sha256(net)

    def _tested(self, net: nn.Module) -> ImageClassifier:
        module = ImageClassifier(net, self._recipe(Retrain()), *self._about())
        trainer = self.experiment.where.trainer(
            1, callbacks=[self.progress], logger=self.logger or False, enable_checkpointing=False
        )
        trainer.test(module, datamodule=self.experiment.data, verbose=False)
        return module

    def _in_integers(self, net: nn.Module, options: Any) -> nn.Module:
        """The net as ONNX Runtime computes it: the file's weights, and ranges of activations that it finds itself."""
        from lightning_modules.onnx_files import OnnxModule, arithmetic, exported, quantised

        batches = [images.cpu().numpy() for images in self._batches()]
        content = exported(net, batches[0].shape[1:], self.experiment.data.classes)
        content = quantised(content, batches, options.per_channel, options.symmetric)
        found = arithmetic(content)
        self.found.arithmetic = {"int8": found.int8, "float32": found.float32}
        return OnnxModule(content)


def _of_test(module: ImageClassifier, name: str) -> dict[str, float]:
    """What the module's last test found, as ``name``/..."""
    found = sorted(module.epoch_metrics.items())
    return {f"{name}/{key.removeprefix('test/')}": value for key, value in found if key.startswith("test/")}
