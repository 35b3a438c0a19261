"""The networks, one paper a file: ``from lightning_modules.nets import SqueezeNet``.

A net's file is imported when its class is first asked for. So a new net is one new file, and a run depends
on (and its record's fingerprint covers) its own net only.
"""

import ast
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any


@cache
def classes() -> dict[str, str]:
    """The net classes and their modules, read from the sources: {"SqueezeNet": "squeezenet", ...}.

    A net is a public class that is built with ``num_classes``; its blocks are not.
    """
    found = {}
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and "num_classes" in _arguments(node):
                found[node.name] = path.stem
    return found


def _arguments(node: ast.ClassDef) -> list[str]:
    for member in node.body:
        if isinstance(member, ast.FunctionDef) and member.name == "__init__":
            return [argument.arg for argument in member.args.args + member.args.kwonlyargs]
    return []


def __getattr__(name: str) -> Any:
    if name not in classes():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{classes()[name]}"), name)
