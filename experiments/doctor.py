"""What is in order here and what is not, a line a check, and under what is not what to do: `make doctor`. Exit 1 on FAIL.

python -m experiments.doctor
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from experiments.suite import health_here as here
from experiments.suite.health import Finding, Level, examined
from experiments.suite.paths import CONF, DATA_CACHE

DATA = "fashion_mnist"  # what the tables are trained on at budget proxy
STYLES: dict[Level, str] = {"ok": "green", "warn": "yellow", "FAIL": "bold red"}
NAME, LEVEL = 15, 6  # widths of columns


def main(arguments: list[str]) -> int:
    _refuse(arguments)
    levels = []
    for name, check in CHECKS.items():
        finding = examined(check)
        levels.append(finding.level)
        _show(name, finding)
        if check is here.python and finding.level == "FAIL":
            break  # this Python cannot even read the rest
    failed, warned = levels.count("FAIL"), levels.count("warn")
    print(f"{len(levels)} checks: {failed} failed, {warned} with a warning" if failed or warned else "all is well")
    return 1 if failed else 0


def _refuse(arguments: list[str]) -> None:
    """Raises UserError for arguments: there are none. Without its packages the command's grammar cannot be read."""
    try:
        from experiments.suite.verb import parse
    except Exception:
        return
    parse(arguments, {})


def _show(name: str, finding: Finding) -> None:
    """The check's line and, indented below it, what to do."""
    _say(f"{name:<{NAME}}{finding.what}", finding.level)
    for line in finding.advice:
        _say(f"{'':{NAME}}{line}")


def _say(text: str, level: Level | None = None) -> None:
    """One line that every terminal takes, whatever a file is called; its level in colour where there is colour."""
    encoding = sys.stdout.encoding or "ascii"
    text = "".join(letter if letter.isprintable() else "?" for letter in text.replace("\n", " "))
    text = text.encode(encoding, "replace").decode(encoding)
    mark = f"{level or '':<{LEVEL}}"
    try:
        from rich.console import Console
        from rich.text import Text
    except Exception:
        print(f"{mark}{text}", flush=True)
    else:
        Console().print(Text.assemble((mark, STYLES[level] if level else ""), text), soft_wrap=True)


def _data() -> Finding:
    from experiments.suite.health_project import check_data
    from experiments.suite.yamls import read
    from lightning_modules.data import fashion_mnist

    data = read(CONF / "data" / f"{DATA}.yaml")

    def images(folder: Path) -> int:
        files = fashion_mnist.load(folder, folder, data["sha256"], [], data["timeout_s"])
        return sum(len(array) for name, array in files.items() if "images" in name)

    usual = [fashion_mnist.DEBIAN_FOLDER, DATA_CACHE / data["name"]]
    return check_data(data["name"], [Path(data["root"])] if data["root"] else usual, images)


CHECKS: dict[str, Callable[[], Finding]] = {
    "Python": here.python,
    "packages": here.packages,
    "torch": here.imports,
    "accelerator": here.accelerator,
    "cores": here.cores,
    "memory": here.memory,
    "results folder": here.results,
    "data cache": here.cache,
    "data": _data,
    "tables": here.tables,
    "commit": here.commit,
    "clock": here.clock,
    "W&B": here.logging,
    "W&B server": here.server,
    "runs": here.runs,
    "records": here.records,
    "leftovers": here.rests,
    "published": here.published,
}


def start() -> None:
    """As every verb starts, or, where its packages are missing, without them."""
    try:
        from experiments.suite import cli
    except Exception:
        sys.exit(main(sys.argv[1:]))
    cli.call(main)


if __name__ == "__main__":
    start()
