"""A run on W&B: its curves while it trains, its numbers and pictures when it is done. W&B mirrors the record."""

import csv
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import wandb
from pytorch_lightning.loggers import WandbLogger
from wandb.errors import UsageError

from experiments.suite import rendering
from experiments.suite.paths import local, shown
from experiments.suite.record import Record
from lightning_modules.errors import UserError
from lightning_modules.experiment import Experiment

QUIET = wandb.Settings(console="off", silent=True)  # its hints would tear the progress view
PICTURES = 16  # misclassified test images shown for each run


@contextmanager
def tracked(config: Mapping[str, Any], run_id: str, attempt: int, label: str) -> Iterator[WandbLogger | None]:
    """The run's W&B logger (None with logger=none), closed whatever happens, so that the next run gets its own.

    Group: the run id, so that seeds stand side by side. Offline runs are kept in results/local/wandb.
    """
    if config["logger"]["name"] == "none":
        yield None
        return
    groups = [config[group]["name"] for group in ("arch", "data", "compression", "budget")]
    try:
        run = wandb.init(
            project=config["logger"]["project"],
            entity=config["logger"]["entity"],
            dir=str(local()),
            mode=config["logger"]["mode"],
            group=run_id,
            job_type="train",
            name=f"{label}/{config['seed']}",
            id=f"{run_id}-{config['seed']}-{attempt}",
            tags=[*groups, *config["tags"]],
            config=dict(config),
            settings=QUIET,
        )
    except UsageError as error:
        raise UserError(
            f"logger.mode=online needs a login: run `wandb login`, or use logger.mode=offline ({error})"
        ) from error
    failed = True
    try:
        yield WandbLogger(experiment=run)
        failed = False
    finally:
        wandb.finish(exit_code=int(failed))


def wandb_path(logger: WandbLogger | None) -> str | None:
    """Where the run's W&B files are, relative to the project."""
    if logger is None or not getattr(logger.experiment, "dir", None):
        return None
    return shown(Path(logger.experiment.dir).parent)


def log_result(logger: WandbLogger | None, record: Record, experiment: Experiment) -> None:
    """Final metrics, cost, confusion matrix and a few misclassified images."""
    if logger is None:
        return
    run = logger.experiment
    run.summary.update({**record.metrics, "status": record.status})
    run.summary.update(
        {f"cost/{scale}/{name}": counts[name] for scale, counts in record.cost.items() for name in ("params", "macs")}
    )
    if record.status != "done":
        return
    module, data = experiment.module, experiment.data
    test = data.splits["test"]
    run.log(
        {
            "test/confusion_matrix": wandb.plot.confusion_matrix(
                y_true=test.labels.tolist(), preds=module.predicted.tolist(), class_names=data.classes
            ),
            "test/misclassified": [
                wandb.Image(
                    test.images[index].permute(1, 2, 0).squeeze(-1).numpy(),
                    caption=f"{data.classes[int(test.labels[index])]}, taken for {data.classes[int(module.predicted[index])]}",
                )
                for index in torch.nonzero(~module.top1_correct).flatten()[:PICTURES].tolist()
            ],
        }
    )


def log_table(data: Mapping[str, Any], logger: Mapping[str, Any]) -> None:
    """One summary run for a table: its numbers as a wandb.Table, its verdicts in the summary."""
    lines: list[list[Any]] = list(csv.reader(io.StringIO(rendering.csv(dict(data)))))
    run = wandb.init(
        project=logger["project"],
        entity=logger["entity"],
        dir=str(local()),
        mode=logger["mode"],
        group=data["table"],
        job_type="table",
        name=f"{data['table']}/{data['budget']}",
        tags=[data["table"], data["budget"]],
        settings=QUIET,
    )
    try:
        run.log({data["table"]: wandb.Table(columns=list(lines[0]), data=lines[1:])})
        verdicts = {
            f"claim/{claim['id']}": (claim["here"] or {"verdict": "not run"})["verdict"] for claim in data["claims"]
        }
        run.summary.update(verdicts)
    finally:
        run.finish()
