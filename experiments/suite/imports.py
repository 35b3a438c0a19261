"""What a module of this project imports from this project, read from the sources: of which code something is, unrun."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from experiments.suite import fingerprint
from experiments.suite.paths import ROOT


def code_of(modules: Iterable[str], package: str = "lightning_modules") -> dict[str, str]:
    """{path in the project: digest} of these modules and of all that they import from ``package``, in order.

    As in a record's fingerprint, package __init__ files are left out.
    """
    found: dict[str, str] = {}
    waiting = list(modules)
    while waiting:
        path = ROOT.joinpath(*waiting.pop().split(".")).with_suffix(".py")
        name = str(path.relative_to(ROOT))
        if name not in found and path.is_file():
            found[name] = fingerprint.of_file(path)
            waiting += _imported(path, f"{package}.")
    return dict(sorted(found.items()))


def _imported(path: Path, prefix: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith(prefix))
        elif isinstance(node, ast.ImportFrom) and node.module and f"{node.module}.".startswith(prefix):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
