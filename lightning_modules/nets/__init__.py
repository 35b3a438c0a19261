"""The networks, one paper a file: ``from lightning_modules.nets import SqueezeNet``.

A net's file is imported when its class is first asked for. So a new net is one new file, and a run depends
on (and its record's fingerprint covers) its own net only.
"""

import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any


@cache
def classes() -> dict[str, str]:
    """The public net classes and their modules, read from the sources: {"SqueezeNet": "squeezenet", ...}."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        for name in re.findall(r"^class (\w+)\(nn\.Module\)", path.read_text(encoding="utf-8"), re.MULTILINE):
            found.setdefault(name, path.stem)
    return found


def __getattr__(name: str) -> Any:
    if name not in classes():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{classes()[name]}"), name)
