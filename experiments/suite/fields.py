"""Checks a configuration against the files it was composed from: no field they lack, no value of another type.

The value in a group's file says the type of its field, so an option is declared in one place.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from experiments.suite.paths import conf, shown
from lightning_modules.errors import UserError

TOP = {"task": str, "seed": int, "tags": list, "proxy_images": int}
# Fields that may be null, and what they are otherwise. Their files cannot say both.
NULLABLE = {
    "recipe.clip_norm": float,
    "recipe.output_bias": float,
    "budget.images_seen": int,
    "budget.train_images": int,
    "budget.val_images": int,
    "budget.test_images": int,
    "trainer.threads": int,
    "data.root": str,
    "data.mirrors": list,
    "data.num_classes": int,
    "data.resize": int,
    "data.listing": str,
    "data.subset": str,
    "logger.entity": str,
}
# Fields that a file may set to another field's value (${...}), and what they are.
LINKED = {"data.size": int, "budget.image_size": int}
SEEDS = 2**32  # numpy's generators take no higher seed
KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", list: "a list", dict: "fields"}


def check_fields(config: dict[str, Any], choices: Mapping[str, Any]) -> None:
    """Brings values to their declared type (1 to 1.0 where a number is due, in place).

    Raises:
        UserError: a field that its file does not have, or a value of another type; names the nearest field.
    """
    _check_choices(choices)
    for group, fields in config.items():
        if group in choices and isinstance(fields, dict):
            _check(fields, declared(group, choices[group]), group)
            _check_reader(fields, group, choices[group])
        elif group == config["task"] and isinstance(fields, dict):
            _check(fields, declared("task", group)[group], group)
        elif group not in TOP and group != "label":
            close = difflib.get_close_matches(group, [*TOP, *choices], n=1)
            raise UserError(f"{group}: no such field; {f'did you mean {close[0]}?' if close else 'see conf/run.yaml'}")
    for name, kind in TOP.items():
        config[name] = _typed(config[name], kind, name)
    if config.get("label") is not None:
        config["label"] = _typed(config["label"], str, "label")
    if not 0 <= config["seed"] < SEEDS:
        raise UserError(f"seed={config['seed']}: must be 0 or more, and below {SEEDS}")


def _check_choices(choices: Mapping[str, Any]) -> None:
    """Raises UserError where the file chosen for a group lies elsewhere."""
    for group, choice in choices.items():
        if isinstance(choice, str) and (choice.startswith("/") or ".." in choice.split("/")):
            raise UserError(f"{group}={choice}: leads out of conf/{group}; choose one of its files")


def _check_reader(fields: Mapping[str, Any], group: str, choice: str) -> None:
    """Raises UserError where the data of one file are to be read as those of another."""
    if group == "data" and fields["dataset"] != declared(group, choice)["dataset"]:
        raise UserError(f"data.dataset={fields['dataset']}: cannot be changed in data={choice}; choose another data")


def scalars(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted path and value of everything in a configuration; what a list holds has the list's path."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from scalars(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for inner in value:
            yield from scalars(inner, path)
    else:
        yield path, value


def check_nothing_is_evaluated(config: Any) -> None:
    """Raises UserError where a value, before it is resolved, asks OmegaConf for more than another field's value.

    ``${recipe.lr}`` is a field; ``${oc.env:HOME}`` would carry the environment into records and logs.
    """
    for path, value in scalars(config):
        if isinstance(value, str) and re.search(r"\$\{[^}]*:", value):
            raise UserError(f"{path}={value}: values are never evaluated; only another field may stand in ${{}}")


def read_yaml(path: Path) -> Any:
    """What a file of conf/ says. Raises UserError, naming the line, where it is no YAML."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(not_yaml(path, error)) from error


def not_yaml(path: Path, error: Exception) -> str:
    """In one line, where a file is no YAML."""
    mark = getattr(error, "problem_mark", None)
    return f"{shown(path)}: {f'line {mark.line + 1} ' if mark else ''}is not valid YAML; mend it"


@cache
def declared(group: str, choice: str) -> dict[str, Any]:
    """The content of conf/<group>/<choice>.yaml, with what it inherits from files of its own group."""
    content = read_yaml(conf() / group / f"{choice}.yaml") or {}
    inherited: dict[str, Any] = {}
    for entry in content.pop("defaults", []):
        if isinstance(entry, str) and entry != "_self_":
            inherited |= declared(group, entry)
    return inherited | (content.get(group, content) if isinstance(content.get(group), dict) else content)


def _check(values: dict[str, Any], model: Mapping[str, Any], where: str) -> None:
    for name, value in values.items():
        path = f"{where}.{name}"
        if name not in model:
            close = difflib.get_close_matches(name, model, n=1)
            hint = f"did you mean {where}.{close[0]}?" if close else f"{where} has {', '.join(model)}"
            raise UserError(f"{path}: no such field; {hint}")
        wanted = model[name]
        if isinstance(wanted, dict) and isinstance(value, dict):
            _check(value, wanted, path)
        elif path in NULLABLE:
            values[name] = None if value is None else _typed(value, NULLABLE[path], path)
            if NULLABLE[path] is int and value is not None and value < 1:
                raise UserError(f"{path}={value}: must be 1 or more, or null")
        elif wanted is not None:
            values[name] = _typed(value, LINKED.get(path, type(wanted)), path)


def _typed(value: Any, kind: type, path: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is str and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise UserError(f"{path}={_typed_as(value)}: must be {KINDS[kind]}")
    return value


def _typed_as(value: Any) -> Any:
    """As the user typed it."""
    return {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else value
