"""The share of weights that a published compressed net keeps, layer by layer, from conf/paper."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.suite import yamls
from experiments.suite.paper import names, number
from experiments.suite.paths import CONF, shown
from lightning_modules.errors import UserError

Densities = Mapping[str, float] | tuple[float, ...]  # by pattern (compression/selection.py), or in the layers' order

FIELD = "density_"
OTHERS = "others_min"  # all that are not named; the smallest of theirs is known
# SqueezeNet's layers of a fire module, as its paper calls them (Table 1), and as the net does.
IN_A_FIRE = {"s1x1": "squeeze1x1", "e1x1": "expand1x1", "e3x3": "expand3x3"}


def densities(pointer: str, conf: Path = CONF) -> Densities:
    """What is printed at ``pointer``, such as ``deep_compression.table4_alexnet``: the file, then the way down.

    Rows of {layer, weights_pct} give the layers' densities in their order, fields density_<layer> patterns, the general
    ones first.

    Raises:
        UserError: it leads nowhere, there is nothing of the kind, or a number is no share.
    """
    node = _node(pointer, conf)
    if _has_rows(node):
        rows = [row for row in node["rows"] if row["layer"] != "total"]
        return tuple(_share(row, "weights_pct", f"{pointer}: {row['layer']}", 100.0) for row in rows)
    if _has_fields(node):
        return {
            pattern: share for field in node if field.startswith(FIELD) for pattern, share in _by(pointer, node, field)
        }
    raise UserError(
        f"{pointer}: no densities there; name a table of rows {{layer, weights_pct}} or one with fields {FIELD}<layer>"
    )


def _node(pointer: str, conf: Path) -> Any:
    name, *steps = pointer.split(".")
    path = conf / "paper" / f"{name}.yaml"
    if not path.is_file():
        raise UserError(f"{pointer}: {yamls.unknown('paper', name, names(conf))}")
    node: Any = yamls.read(path)
    for step in steps:
        inner = node if isinstance(node, dict) else {}
        if step not in inner:
            known = [key for key, value in inner.items() if _has_rows(value) or _has_fields(value)]
            raise UserError(f"{pointer}: {yamls.unknown(f'place with densities in {shown(path)}', step, known)}")
        node = inner[step]
    return node


def _has_rows(node: Any) -> bool:
    rows = node.get("rows") if isinstance(node, dict) else None
    columns = {"layer", "weights_pct"}
    return isinstance(rows, list) and bool(rows) and all(isinstance(row, dict) and columns <= set(row) for row in rows)


def _has_fields(node: Any) -> bool:
    return isinstance(node, dict) and any(isinstance(key, str) and key.startswith(FIELD) for key in node)


def _by(pointer: str, node: Mapping[str, Any], field: str) -> list[tuple[str, float]]:
    """Patterns and densities of a field: of one layer, or of that layer in several modules."""
    printed = node[field]
    layer = IN_A_FIRE.get(field.removeprefix(FIELD), field.removeprefix(FIELD))
    if not isinstance(printed, dict):
        return [(layer, _share(node, field, pointer))]
    found = {module: _share(printed, module, f"{pointer}.{field}") for module in printed}
    general = [(layer, found.pop(OTHERS))] if OTHERS in found else []
    return general + [(f"{module}.{layer}", share) for module, share in found.items()]


def _share(printed: Mapping[str, Any], field: str, where: str, whole: float = 1.0) -> float:
    found = number(printed, field, where)
    if found is None or not 0 < found <= whole:
        raise UserError(f"{where}: {field} is {found}, not a share above 0 and up to {whole:g}")
    return float(found) / whole
