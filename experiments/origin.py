"""What a compressed run begins with: the weights of its plain run and its teacher, trained first where they are missing."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from experiments.suite.identity import run_id
from experiments.suite.parents import parents
from experiments.suite.progress import print_line
from experiments.suite.record import Record, outcome
from experiments.suite.store import Busy, Run
from lightning_modules.callbacks.checkpoint import latest
from lightning_modules.compression.pipeline import Origin
from lightning_modules.errors import UserError
from lightning_modules.experiment import Experiment
from lightning_modules.nets.build import build_net, check_images
from lightning_modules.training import weights_sha256

ERRORS = ("top1_err", "top5_err")
WAIT_S = 2.0  # between two looks at a run that another process is at


@dataclass(frozen=True)
class Origins:
    """``of``: which runs it is of, {"parent": {run_id, seed, weights_sha256}}; ``before``: the parent's errors."""

    begins_with: Origin
    of: Mapping[str, Any]
    before: Mapping[str, float]


def origin_of(config: Mapping[str, Any], built: Experiment, run: Callable[[dict[str, Any]], Record]) -> Origins:
    """What the run of ``config`` begins with.

    ``run`` trains what is missing. Waits where another process is at it.

    Raises:
        UserError: such a run came to nothing.
    """
    weights: Mapping[str, Tensor] | None = None
    teacher: nn.Module | None = None
    teacher_format = "contiguous"
    of, before = {}, {}
    for role, ancestor in parents(config).items():
        net = build_net(ancestor["arch"], built.data.num_classes, built.data.in_channels)
        if role == "teacher":
            check_images(
                net, built.data.in_channels, config["data"]["size"], built.data.num_classes, ancestor["arch"]["name"]
            )
        record = _loaded(net, role, ancestor, run)
        of[role] = {"run_id": record.run_id, "seed": record.seed, "weights_sha256": record.result["weights_sha256"]}
        if role == "parent":
            weights = net.state_dict()
            before = {f"before/{name}": record.metrics[f"test/{name}"] for name in ERRORS}
        else:
            teacher, teacher_format = net, ancestor["arch"]["memory_format"]
    return Origins(Origin(weights, teacher, teacher_format), of, before)


def _loaded(net: nn.Module, role: str, config: dict[str, Any], run: Callable[[dict[str, Any]], Record]) -> Record:
    """Gives ``net`` the weights that the run of ``config`` ended with, and returns its record."""
    name = Run(run_id(config), config["seed"])
    for _ in range(2):
        record = _ended(config, run)
        if record.status != "done":
            raise UserError(
                f"the {role}'s run {name.run_id}, seed {name.seed}, has no weights to begin with: {outcome(record)}"
            )
        if trained(net, name, record):
            return record
        print_line(f"the weights of {name.run_id}, seed {name.seed}, are not there any more; it is trained again")
        with name.claimed():
            name.start_over()
    raise UserError(f"{name.run_id}, seed {name.seed}: its weights are not those of its record; remove its folder")


def trained(net: nn.Module, name: Run, record: Record) -> bool:
    """Gives ``net`` the weights that a plain run ended with, if its last checkpoint is there and holds those of its record."""
    path, _damaged = latest(name.folder)
    if path is None:
        return False
    content = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    net.load_state_dict({key[4:]: value for key, value in content.items() if key.startswith("net.")})
    return weights_sha256(net) == record.result["weights_sha256"]


def _ended(config: dict[str, Any], run: Callable[[dict[str, Any]], Record]) -> Record:
    said = False
    while True:
        try:
            return run(config)
        except Busy as busy:
            if not said:
                print_line(f"waits for {run_id(config)}, seed {config['seed']} ({busy.owner})")
            said = True
            time.sleep(WAIT_S)
