"""Uploads what was logged offline to W&B.

python -m experiments.sync
"""

import netrc
import os
import subprocess
import sys
from urllib.parse import urlsplit

from experiments.suite import cli
from experiments.suite.paths import local, shown
from experiments.suite.progress import print_line
from experiments.suite.verb import parse
from lightning_modules.errors import UserError


def main(arguments: list[str]) -> int:
    parse(arguments, {})
    if not any((local() / "wandb").glob("offline-run-*")):
        print_line(f"{shown(local() / 'wandb')} has no runs to upload")
        return 0
    if not (os.environ.get("WANDB_API_KEY") or _has_login()):
        raise UserError("uploading needs a W&B account: run `.venv/bin/wandb login` once, then make sync again")
    environment = {**os.environ, "WANDB_MODE": "online"}
    return subprocess.run([sys.executable, "-m", "wandb", "sync", "--yes"], cwd=local(), env=environment).returncode


def _has_login() -> bool:
    """Whether `wandb login` left a key for the server that W&B will ask."""
    server = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        return netrc.netrc().authenticators(server) is not None
    except (OSError, netrc.NetrcParseError):
        return False


if __name__ == "__main__":
    cli.call(main)
