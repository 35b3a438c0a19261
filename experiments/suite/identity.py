"""What a run is: a name made of what determines its result, and of nothing else."""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from experiments.suite import yamls
from experiments.suite.paths import conf, shown

PROTOCOL = 1  # raised when the meaning of a result changes (what is measured, on what); old ids then stay apart


def run_id(config: Mapping[str, Any]) -> str:
    """``<arch>-<data>-<compression>-<budget>-<10 hex digits>``; the seed is not part of it."""
    canonical = json.dumps(identity(config), sort_keys=True, separators=(",", ":"), allow_nan=False)
    digest = hashlib.sha256(canonical.encode()).hexdigest()[:10]
    names = [config[group]["name"].replace("-", "_") for group in ("arch", "data", "compression", "budget")]
    return "-".join([*names, digest])


def identity(config: Mapping[str, Any]) -> dict[str, Any]:
    """What determines the result, without options that change nothing.

    The fields and the values at which they change nothing are listed in conf/identity.yaml. Leaving those out means
    that a new option, whose default does nothing, renames no run.
    """
    rules = _rules()
    kept: dict[str, Any] = {"protocol": PROTOCOL}
    for path, value in leaves(config):
        if any(path == field or path.startswith(f"{field}.") for field in rules["determines"]):
            if not any(path == field or path.startswith(f"{field}.") for field in rules["except"]):
                if not (path in rules["no_op"] and _same(rules["no_op"][path], value)):
                    kept[path] = _canonical(value)
    if config.get("compression", {}).get("teacher"):
        from experiments.suite.parents import parents  # composes

        if teacher := parents(config).get("teacher"):
            kept["compression.teacher"] = run_id(teacher)
    if config.get("task") == "landmarks":
        from experiments.suite.parents import parents

        if parent := parents(config).get("parent"):
            kept["landmarks.parent"] = run_id(parent)
    return kept


def _canonical(value: Any) -> Any:
    """1.0 and 1 are one number; also in lists."""
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _same(no_op: Any, value: Any) -> bool:
    return no_op == value and isinstance(no_op, bool) == isinstance(value, bool)


def leaves(value: Any, path: str = "") -> list[tuple[str, Any]]:
    """Dotted path and value of every field; lists are values."""
    if not isinstance(value, Mapping):
        return [(path, value)]
    return [leaf for key in value for leaf in leaves(value[key], f"{path}.{key}" if path else str(key))]


@cache
def _rules() -> dict[str, Any]:
    """Raises UserError, naming the file, where it is not what it should be."""
    path = conf() / "identity.yaml"
    place = yamls.Place(shown(path))
    rules = place.mapping(yamls.read(path), ("determines", "except", "no_op"))
    for name in ("determines", "except"):
        (place / name).sequence(rules[name])
    (place / "no_op").mapping(rules["no_op"], (), None)
    return rules
