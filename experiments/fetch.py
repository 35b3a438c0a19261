"""Finds or fetches a data set and checks it.

python -m experiments.fetch data=fashion_mnist
python -m experiments.fetch data=image_folder data.root=FOLDER
python -m experiments.fetch data=synthetic_faces budget=proxy

Faces are rendered, as many as the budget asks for.
"""

import time
from functools import partial
from typing import Any

from experiments.suite import cli
from experiments.suite.compose import compose
from experiments.suite.paths import DATA_CACHE
from experiments.suite.progress import View, print_line


def main(arguments: list[str]) -> int:
    config = compose(arguments)
    began = time.monotonic()
    found = _faces(config) if "points" in config["data"] else _summary(config)
    print_line(f"{config['data']['name']}: {found} ({time.monotonic() - began:.1f} s)")
    return 0


def _summary(config: dict[str, Any]) -> str:
    from lightning_modules.data.build import summary  # imports torch, which takes seconds

    return summary(config["data"], DATA_CACHE)


def _faces(config: dict[str, Any]) -> str:
    from lightning_modules.landmark_data import read  # imports torch

    with View() as view:
        found = read(config["data"], config["budget"], DATA_CACHE, partial(view.show, config["data"]["name"]))
    return f"{' + '.join(f'{len(faces):,}' for faces in found.values())} faces"


if __name__ == "__main__":
    cli.call(main)
