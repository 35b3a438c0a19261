"""A run on W&B: its curves while it trains, its numbers and pictures when it is done. W&B mirrors the record."""

import logging
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import wandb
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities import rank_zero_only
from wandb.errors import UsageError

from experiments.suite.paths import local, shown
from experiments.suite.progress import print_line
from experiments.suite.record import Record
from experiments.suite.store import Run
from experiments.suite.timings import Timing
from lightning_modules.classifier import ImageClassifier
from lightning_modules.data.image_data import ImageData
from lightning_modules.errors import UserError

logging.raiseExceptions = False  # a full disk is told in a line, not in a traceback for each line of W&B's own log
# Its hints would tear the progress view; a server that does not answer must not hold a run up.
# Whose machine it is stays there (`make sync` uploads what is logged); the record says which kind it is.
QUIET = wandb.Settings(
    console="off", silent=True, init_timeout=15, finish_timeout=60, x_disable_machine_info=True, disable_git=True
)
# The default workspace draws each curve over its own measure of time. Of a compressed run epochs begin anew in each step,
# so that its curves are over W&B's own count of what was logged.
AXES = {
    "epoch": {"hidden": True},
    "trainer/global_step": {"hidden": True},
    "train/step_loss": {"step_metric": "trainer/global_step", "summary": "none"},  # noise in a table of runs
}
EPOCHS = {name: {"step_metric": "epoch"} for name in ("train/*", "val/*")}
ARTIFACT = 128  # letters of a name that W&B takes
PICTURES = 16  # misclassified test images shown for each run
MATRIX_CLASSES = 100  # W&B's confusion matrix is a table of all pairs of classes


@contextmanager
def tracked(
    config: Mapping[str, Any], run_id: str, number: int, label: str, entity: str | None = None
) -> Iterator[WandbLogger | None]:
    """The run's W&B logger (None with logger=none), closed whatever happens, so that the next run gets its own.

    Group: the run id, so that seeds stand side by side. Offline runs are kept in results/local/wandb. ``entity``: whose
    account it goes to, which ``config``, as it is logged, does not say.
    """
    if config["logger"]["name"] == "none":
        yield None
        return
    groups = [config[group]["name"] for group in ("arch", "data", "compression", "budget")]
    run = _started(
        {**config["logger"], "entity": entity},
        group=run_id,
        job_type="compress" if config["compression"]["steps"] else "train",
        name=f"{label}/{config['seed']}",
        id=f"{run_id}-{config['seed']}-{number}",
        tags=[*groups, *config["tags"]],
        config=dict(config),
    )
    failed = True
    try:
        with as_a_mirror():
            for name, axis in (AXES if config["compression"]["steps"] else AXES | EPOCHS).items():
                run.define_metric(name, **axis)
        yield Mirror(experiment=run)
        failed = False
    finally:
        with as_a_mirror():
            wandb.finish(exit_code=int(failed))


def _started(logger: Mapping[str, Any], **about: Any) -> Any:
    """A W&B run; an offline one where the server does not take it. Raises UserError where W&B refuses what it is told."""
    about = {"project": logger["project"], "entity": logger["entity"], "dir": str(local()), "settings": QUIET, **about}
    try:
        return wandb.init(mode=logger["mode"], **about)
    except UsageError as error:
        raise UserError(f"W&B refuses the run: {_in_a_line(error)}") from error
    except wandb.Error as error:
        print_line(f"warning: W&B does not take the run ({_in_a_line(error)}); logged offline, `make sync` uploads it")
        wandb.teardown()  # or the name of the run is in use
        return wandb.init(mode="offline", **about)


class Mirror(WandbLogger):
    """Logs to W&B as long as W&B takes it. What it does not take is in the record, so that no run ends for it."""

    def __init__(self, experiment: Any):
        super().__init__(experiment=experiment)
        self._taken = True

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if self._taken:
            self._taken = False
            with as_a_mirror():
                super().log_metrics(metrics, step)
                self._taken = True


@contextmanager
def as_a_mirror() -> Iterator[None]:
    """Whatever W&B raises inside costs a line, not the result: the record is what counts."""
    try:
        yield
    except Exception as error:
        print_line(f"warning: not all was logged to W&B ({_in_a_line(error)})")


def _in_a_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def wandb_path(logger: WandbLogger | None) -> str | None:
    """Where the run's W&B files are, relative to the project."""
    if logger is None or not getattr(logger.experiment, "dir", None):
        return None
    return shown(Path(logger.experiment.dir).parent)


def log_result(logger: WandbLogger | None, record: Record, module: ImageClassifier, data: ImageData) -> None:
    """Final metrics, cost, confusion matrix and a few misclassified images; online the run's files, too."""
    if logger is not None:
        with as_a_mirror():
            _log_result(logger.experiment, record, module, data)
        shape = (data.in_channels, record.config["data"]["size"], record.config["data"]["size"])
        log_files(logger, record, lambda: _onnx(record, module.net, shape, data.classes))


def _log_result(run: Any, record: Record, module: ImageClassifier, data: ImageData) -> None:
    run.summary.update({**record.metrics, "status": record.status})
    run.summary.update(
        {f"cost/{scale}/{name}": counts[name] for scale, counts in record.cost.items() for name in ("params", "macs")}
    )
    if record.status != "done":
        return
    labels, predicted = data.test_labels.tolist(), module.predicted.tolist()
    pictures = [
        wandb.Image(
            data.test_picture(index),
            caption=f"{data.classes[labels[index]]}, taken for {data.classes[predicted[index]]}",
        )
        for index in torch.nonzero(~module.top1_correct).flatten()[:PICTURES].tolist()
    ]
    run.log({"test/misclassified": pictures})
    if data.num_classes <= MATRIX_CLASSES:
        matrix = wandb.plot.confusion_matrix(y_true=labels, preds=predicted, class_names=data.classes)
        run.log({"test/confusion_matrix": matrix})


def log_files(logger: WandbLogger | None, record: Record, onnx: Callable[[], bytes]) -> None:
    """A run's record, its last checkpoint, its compressed file and its net as ONNX, as an artifact; nothing offline.

    ``onnx`` makes the last one, on use. What cannot be made or is not there is left out.
    """
    if logger is None or logger.experiment.offline or record.status != "done":
        return
    with as_a_mirror():
        run = Run(record.run_id, record.seed)
        about = {"label": record.provenance.get("label"), "code": record.provenance.get("commit"), **record.metrics}
        artifact = wandb.Artifact(f"{run.run_id}-{run.seed}"[-ARTIFACT:], type="run", metadata=about)
        for path in (run.record_path, *sorted(run.folder.glob("epoch-*.ckpt"))[-1:], *run.folder.glob("model.cnz")):
            artifact.add_file(str(path))
        with as_a_mirror(), artifact.new_file("model.onnx", mode="wb") as file:
            file.write(onnx())
        logger.experiment.log_artifact(artifact)


def _onnx(record: Record, net: Any, shape: tuple[int, int, int], classes: Sequence[str]) -> bytes:
    from lightning_modules.onnx_files import exported  # imports onnx, which takes seconds

    return exported(net, shape, classes, {"run": record.run_id, "seed": str(record.seed)})


def log_table(data: Mapping[str, Any], logger: Mapping[str, Any]) -> None:
    """One summary run for a table: its numbers as a wandb.Table, its verdicts in the summary."""
    with as_a_mirror():
        name = data["table"]
        tags = [name, data["budget"]]
        run = _started(logger, group=name, job_type="table", name=f"{name}/{data['budget']}", tags=tags)
        try:
            run.log({name: wandb.Table(columns=["row", "source", *_columns(data)], data=_lines(data))})
            run.summary.update({f"claim/{claim['id']}": claim["here"]["verdict"] for claim in data["claims"]})
        finally:
            run.finish()


def log_timing(table: str, budget: str, timing: Timing, logger: Mapping[str, Any]) -> None:
    """One run for a measurement of speeds: each net's in the columns' units, over its rounds, as a wandb.Table."""
    with as_a_mirror():
        about = {"group": table, "job_type": "measure", "name": f"{table}/{budget}/speed", "tags": [table, budget]}
        run = _started(logger, **about, config=dict(timing.provenance))
        try:
            lines = [
                [row, column, statistics.median(values), min(values), max(values), len(values)]
                for row, columns in timing.samples.items()
                for column, values in columns.items()
            ]
            columns: list[Any] = ["row", "column", "median", "lowest", "highest", "rounds"]
            run.log({f"{table}/speed": wandb.Table(columns=columns, data=lines)})
            run.summary.update({f"{row}/{column}": median for row, column, median, *_ in lines})
        finally:
            run.finish()


def _columns(data: Mapping[str, Any]) -> list[Any]:
    return [column["name"] for column in data["columns"]]


def _lines(data: Mapping[str, Any]) -> list[list[Any]]:
    """Three lines a row as in the printed table: the paper's numbers, the published means, this machine's."""
    lines = []
    for row in data["rows"]:
        cells = [row["cells"][name] for name in _columns(data)]
        lines.append([row["label"], "paper", *(_number(cell["paper"]) for cell in cells)])
        for side in ("published", "here"):
            lines.append([row["label"], side, *(_number((cell[side] or {}).get("mean")) for cell in cells)])
    return lines


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)
