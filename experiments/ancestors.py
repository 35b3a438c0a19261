"""The runs that another begins with: their weights, trained first where they are missing."""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from experiments.suite.identity import run_id
from experiments.suite.progress import print_line
from experiments.suite.record import Record, outcome
from experiments.suite.store import Busy, Run
from lightning_modules.callbacks.checkpoint import latest
from lightning_modules.errors import UserError
from lightning_modules.training import weights_sha256

WAIT_S = 2.0  # between two looks at a run that another process is at


def loaded(net: nn.Module, role: str, config: dict[str, Any], run: Callable[[dict[str, Any]], Record]) -> Record:
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
