"""Checks a configuration against the files it was composed from: no field they lack, no value of another type.

The value in a group's file says the type of its field, so an option is declared in one place.
"""

import difflib
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import yaml

from experiments.suite.paths import CONF
from lightning_modules.errors import UserError, check_choice
from lightning_modules.recipe import PRECISIONS

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
    "data.listing": str,
    "logger.entity": str,
}
KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", list: "a list", dict: "fields"}


def check_fields(config: dict[str, Any], choices: Mapping[str, Any]) -> None:
    """Brings values to their declared type (1 to 1.0 where a number is due, in place).

    Raises:
        UserError: a field that its file does not have, or a value of another type; names the nearest field.
    """
    for group, fields in config.items():
        if group in choices and isinstance(fields, dict):
            _check(fields, declared(group, choices[group]), group)
        elif group not in TOP and group != "label":
            close = difflib.get_close_matches(group, [*TOP, *choices], n=1)
            raise UserError(f"{group}: no such field; {f'did you mean {close[0]}?' if close else 'see conf/run.yaml'}")
    for name, kind in TOP.items():
        config[name] = _typed(config[name], kind, name)
    if config["seed"] < 0:
        raise UserError(f"seed={config['seed']}: must be 0 or more")


def check_nothing_is_evaluated(value: Any, path: str = "") -> None:
    """Raises UserError where a value, before it is resolved, asks OmegaConf for more than another field's value.

    ``${recipe.lr}`` is a field; ``${oc.env:HOME}`` would carry the environment into records and logs.
    """
    if isinstance(value, dict):
        for name, inner in value.items():
            check_nothing_is_evaluated(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for inner in value:
            check_nothing_is_evaluated(inner, path)
    elif isinstance(value, str) and re.search(r"\$\{[^}]*:", value):
        raise UserError(f"{path}={value}: values are never evaluated; only another field may stand in ${{}}")


def check_values(config: Mapping[str, Any]) -> None:
    """What a type does not say and no other part would find before training. Raises UserError."""
    check_choice("logger.mode", config["logger"]["mode"], ("offline", "online"))
    check_choice("trainer.precision", config["trainer"]["precision"], PRECISIONS)
    for name, least in (("devices", 1), ("workers", 0)):
        if config["trainer"][name] < least:
            raise UserError(f"trainer.{name}={config['trainer'][name]}: must be {least} or more")
    for name in ("channels", "size"):
        if config["data"][name] < 1:
            raise UserError(f"data.{name}={config['data'][name]}: must be 1 or more")
    for name in ("mean", "std"):
        _check_per_channel(config["data"], name)
    for group in ("arch", "data", "recipe", "compression", "budget"):
        _check_name(group, config[group]["name"])
    if config["data"].get("mirrors") and not all(isinstance(mirror, str) for mirror in config["data"]["mirrors"]):
        raise UserError(f"data.mirrors={config['data']['mirrors']}: must be a list of addresses, data.mirrors=[URL]")


def _check_name(group: str, name: str) -> None:
    """Names become folders: none leads elsewhere."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
        raise UserError(f"{group}.name={name}: letters, digits, '_', '-' and '.' only, for it names folders")


def _check_per_channel(data: Mapping[str, Any], name: str) -> None:
    numbers = [number for number in data[name] if isinstance(number, (int, float)) and (name == "mean" or number > 0)]
    if len(numbers) != len(data[name]) or len(numbers) != data["channels"]:
        kind = "numbers" if name == "mean" else "numbers above 0"
        raise UserError(f"data.{name}={data[name]}: must be {data['channels']} {kind}, one a channel")


@cache
def declared(group: str, choice: str) -> dict[str, Any]:
    """The content of conf/<group>/<choice>.yaml, with what it inherits from files of its own group."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    content = yaml.load((CONF / group / f"{choice}.yaml").read_text(encoding="utf-8"), Loader=loader) or {}
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
            values[name] = _typed(value, type(wanted), path)


def _typed(value: Any, kind: type, path: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is str and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise UserError(f"{path}={value}: must be {KINDS[kind]}")
    return value
