"""What is the landmark cascade's own of a run: its experiment, what it begins with, what goes into its record and to W&B."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from experiments.ancestors import loaded
from experiments.suite.parents import parents
from experiments.suite.paths import DATA_CACHE
from experiments.suite.progress import View
from experiments.suite.record import Record, pack_numbers
from experiments.suite.store import Run
from lightning_modules import landmark_experiment
from lightning_modules.crops import to_crop, whole
from lightning_modules.landmark_experiment import Experiment, Outcome
from lightning_modules.nets.build import build_net

KEPT = {"": "test/nme", "_diagonal": "test/nme_diagonal"}  # NMEs that a record has of each test face
PICTURES = 16  # of the test faces that were found worst, for W&B


@dataclass(frozen=True)
class Origins:
    """``levels``: the nets that a run begins with, level_1 first. ``of``: which runs they are of."""

    levels: list[nn.Module]
    of: Mapping[str, Any]


def build(config: Mapping[str, Any]) -> Experiment:
    """The experiment, built and checked; renders faces that are missing. Raises UserError."""
    with View() as view:
        built = landmark_experiment.build(config, DATA_CACHE, partial(view.show, config["data"]["name"]))
    if config["compression"]["steps"]:
        from lightning_modules import landmark_compression  # a plain run neither needs nor fingerprints it

        landmark_compression.check(built, config["compression"])
    return built


def origin_of(config: dict[str, Any], built: Experiment, run: Callable[[dict[str, Any]], Record]) -> Origins | None:
    """What the run begins with, trained before that run is claimed; None of one that begins with nothing."""
    levels, of = [], {}
    for role, ancestor in _ancestors(config):
        net = build_net(ancestor["arch"], 2 * built.data.points, built.data.in_channels)
        net = net.to(memory_format=built.module.memory_format)
        record = loaded(net, role, ancestor, run)
        levels.insert(0, net)
        of[role] = {"run_id": record.run_id, "seed": record.seed, "weights_sha256": record.result["weights_sha256"]}
    return Origins(levels, of) if levels else None


def _ancestors(config: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The parent, and the parent's parent as "level_1"."""
    for role in ("parent", "level_1"):
        if (found := parents(config).get("parent")) is None:
            return
        yield role, found
        config = found


def done(
    config: dict[str, Any], name: Run, built: Experiment, origin: Origins | None, logger: Any, report: Any
) -> dict[str, Any]:
    """The run, done: the fields of experiments.run.Done."""
    levels, of = (origin.levels, origin.of) if origin else ([], {})
    if config["compression"]["steps"]:
        from lightning_modules import landmark_compression

        found = landmark_compression.run(built, config, levels, name.folder, logger, report)
        outcome, extra = found.outcome, {"compression": {"stages": found.stages, "file": None}}
    else:
        outcome, extra = landmark_experiment.run(built, levels, name.folder, logger, report), {}
    return {
        "result": _result(outcome, built) | extra,
        "cost": landmark_experiment.cost(config, built),
        "module": built.module,
        "training_s": outcome.training_s,
        "resumed_after": outcome.resumed_after,
        "damaged": outcome.damaged,
        "of": dict(of),
    }


def _result(outcome: Outcome, built: Experiment) -> dict[str, Any]:
    status, metrics = outcome.status, outcome.metrics
    if status == "done" and not all(math.isfinite(value) for value in metrics.values()):
        status, metrics = "diverged", {"train/diverged_epoch": len(outcome.curves)}
    result: dict[str, Any] = {
        "status": status,
        "metrics": metrics,
        "curves": outcome.curves,
        "per_example": {},
        "weights_sha256": outcome.weights_sha256,
    }
    if status == "done" and outcome.points is not None:
        faces = built.data.splits["test"]
        known = {name: values for name, values in faces.attributes.items() if np.shape(values) == (len(faces),)}
        result["per_example"] = {metric: pack_numbers(outcome.nmes[name]) for name, metric in KEPT.items()}
        result["per_example"] |= {f"face/{name}": pack_numbers(values) for name, values in known.items()}
        # In the picture's coordinates, -1 to 1, where 16 bits are a hundredth of a pixel.
        found = to_crop(torch.from_numpy(outcome.points), whole(faces.sizes)).numpy()
        result["test_points"] = pack_numbers(found) | {"shape": list(found.shape)}
    return result


def log_result(logger: Any, record: Record, module: Any, data: Any) -> None:
    """Final metrics, cost and the test faces that were found worst."""
    if logger is None:
        return
    from experiments.tracking import as_a_mirror

    with as_a_mirror():
        import wandb

        run = logger.experiment
        run.summary.update({**record.metrics, "status": record.status})
        run.summary.update({f"cost/{name}": record.cost["run"][name] for name in ("params", "macs")})
        errors = record.per_example("test/nme")
        if errors is None:
            return
        images = data.splits["test"].images
        worst = np.argsort(-errors)[:PICTURES].tolist()
        pictures = [wandb.Image(images[index], caption=f"NME {errors[index]:.1f} %") for index in worst]
        run.log({"test/worst": pictures})
