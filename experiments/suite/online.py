"""Whether a run that should be logged online can be."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from experiments.suite import wandb_server
from experiments.suite.progress import print_line
from lightning_modules.errors import UserError


def reachable(logger: Mapping[str, Any]) -> dict[str, Any]:
    """The logger's configuration: offline where it should be online and W&B can't be reached, which one line says.

    Raises:
        UserError: it should be online and there is no login.
    """
    if logger["name"] == "none" or logger["mode"] != "online":
        return dict(logger)
    if not wandb_server.has_login():
        raise UserError("logger.mode=online needs a login: run `.venv/bin/wandb login`, or use logger.mode=offline")
    return {**logger, "mode": "online" if _said_reachable() else "offline"}


@cache
def _said_reachable() -> bool:
    reason = wandb_server.unreachable()
    if reason:
        print_line(f"warning: W&B cannot be reached ({reason}); logged offline, `make sync` uploads it")
    return reason is None
