"""Finds or fetches a data set and checks it.

python -m experiments.fetch data=fashion_mnist
"""

import time

from experiments.suite import cli
from experiments.suite.compose import compose
from experiments.suite.paths import DATA_CACHE
from experiments.suite.progress import print_line


def main(arguments: list[str]) -> int:
    from lightning_modules.data.build import read

    config = compose(arguments)
    began = time.monotonic()
    (images, _), (test_images, _) = read(config["data"], DATA_CACHE)
    print_line(
        f"{config['data']['name']}: {len(images):,} + {len(test_images):,} images, checksums right "
        f"({time.monotonic() - began:.1f} s)"
    )
    return 0


if __name__ == "__main__":
    cli.call(main)
