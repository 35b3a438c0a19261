"""Finds or fetches a data set and checks it.

python -m experiments.fetch data=fashion_mnist
python -m experiments.fetch data=image_folder data.root=FOLDER
"""

import time

from experiments.suite import cli
from experiments.suite.compose import compose
from experiments.suite.paths import DATA_CACHE
from experiments.suite.progress import print_line


def main(arguments: list[str]) -> int:
    config = compose(arguments)
    from lightning_modules.data.build import summary  # imports torch, which takes seconds

    began = time.monotonic()
    found = summary(config["data"], DATA_CACHE)
    print_line(f"{config['data']['name']}: {found} ({time.monotonic() - began:.1f} s)")
    return 0


if __name__ == "__main__":
    cli.call(main)
