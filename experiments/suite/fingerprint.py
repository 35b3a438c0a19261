"""Of which code a record is: a digest for each module of lightning_modules that its process had loaded.

Comments, docstrings and layout do not count. Neither do package __init__ files, which only point to modules.
"""

import ast
import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from experiments.suite.paths import ROOT


def of_modules(modules: Mapping[str, Any], package: str = "lightning_modules") -> dict[str, str]:
    """{path in the project: digest} of the modules of ``package`` among ``modules`` (as in sys.modules)."""
    prefix = f"{package}."
    files = [Path(module.__file__) for name, module in modules.items() if name.startswith(prefix) and module.__file__]
    inside = sorted(path.relative_to(ROOT) for path in files if path.is_relative_to(ROOT))
    return {str(path): of_file(ROOT / path) for path in inside if path.name != "__init__.py"}


def changed(fingerprint: Mapping[str, str]) -> list[str]:
    """The files whose code is no longer what the fingerprint says, in order."""
    return [path for path, digest in sorted(fingerprint.items()) if of_file(ROOT / path) != digest]


def staleness(fingerprint: Mapping[str, str]) -> str:
    """Why what was made of this code may no longer be what it would make: ``stale: x.py changed``; or nothing."""
    paths = changed(fingerprint)
    return f"stale: {', '.join(paths)} changed" if paths else ""


@cache
def of_file(path: Path) -> str:
    """12 hex digits; "missing" or "not Python" where there is nothing to read."""
    try:
        tree = ast.parse(path.read_bytes())
    except FileNotFoundError:
        return "missing"
    except (SyntaxError, ValueError):
        return "not Python"
    return hashlib.sha256("".join(_canonical(tree)).encode()).hexdigest()[:12]


def _canonical(node: Any) -> Iterable[str]:
    """The tree as text, without docstrings, positions and empty fields (which vary between Python versions)."""
    if isinstance(node, ast.AST):
        yield f"{type(node).__name__}("
        for name, value in ast.iter_fields(node):
            if name == "body" and isinstance(value, list) and value and _is_docstring(value[0]):
                value = value[1:]
            if value is not None and value != [] and name not in ("type_comment", "ctx"):
                yield f"{name}="
                yield from _canonical(value)
        yield ")"
    elif isinstance(node, list):
        for item in node:
            yield from _canonical(item)
            yield ","
    else:
        yield repr(node)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
