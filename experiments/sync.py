"""Uploads what was logged offline to W&B.

python -m experiments.sync
"""

import os
import subprocess
import sys

from experiments.suite import cli, wandb_server
from experiments.suite.paths import local, shown
from experiments.suite.progress import print_line
from experiments.suite.verb import parse
from lightning_modules.errors import UserError


def main(arguments: list[str]) -> int:
    parse(arguments, {})
    if not any((local() / "wandb").glob("offline-run-*")):
        print_line(f"{shown(local() / 'wandb')} has no runs to upload")
        return 0
    if not wandb_server.has_login():
        raise UserError("uploading needs a W&B account: run `.venv/bin/wandb login` once, then make sync again")
    if reason := wandb_server.unreachable():
        raise UserError(f"the W&B server cannot be reached ({reason}); nothing was uploaded, try make sync again later")
    # W&B is told the server that was just reached: started in another folder, it reads other settings files.
    environment = {**os.environ, "WANDB_MODE": "online", "WANDB_BASE_URL": wandb_server.address()}
    return subprocess.run([sys.executable, "-m", "wandb", "sync", "--yes"], cwd=local(), env=environment).returncode


if __name__ == "__main__":
    cli.call(main)
