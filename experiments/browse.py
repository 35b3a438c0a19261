"""The local W&B runs in this terminal: `wandb leet`.

python -m experiments.browse
"""

import os
import sys

from experiments.suite import cli
from experiments.suite.paths import local, shown
from experiments.suite.verb import parse
from lightning_modules.errors import UserError


def main(arguments: list[str]) -> int:
    parse(arguments, {})
    folder = local() / "wandb"
    if not any(folder.glob("*run-*")):
        raise UserError(f"{shown(folder)} has no runs yet; make table3 logs some")
    if not sys.stdout.isatty():
        raise UserError("browsing needs a terminal; the runs are in " + shown(folder))
    os.environ["WANDB_MODE"] = "offline"
    os.execv(sys.executable, [sys.executable, "-m", "wandb", "leet", str(folder)])


if __name__ == "__main__":
    cli.call(main)
