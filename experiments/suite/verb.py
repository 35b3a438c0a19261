"""The arguments of a verb: its own ``key=value`` pairs, typed by their defaults, and the overrides meant for runs."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from experiments.suite.fields import SEEDS
from lightning_modules.errors import UserError


def parse(
    arguments: Sequence[str], own: Mapping[str, Any], passes_on: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """The verb's own values (a default of None: text; a list: ``[0,1]`` or ``0,1``) and, in order, all other overrides.

    Raises:
        UserError: an argument is not ``key=value``, a value is not of its default's type, or, unless the verb
            ``passes_on`` what it does not know, an unknown key.
    """
    values, rest = dict(own), []
    for argument in arguments:
        key, equals, text = argument.partition("=")
        if not equals:
            raise UserError(f"{argument}: arguments are key=value; this command has {', '.join(own) or 'none'}")
        if key in own:
            values[key] = _typed(key, text, own[key])
        elif passes_on:
            rest.append(argument)
        else:
            close = difflib.get_close_matches(key, own, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(own)}" if own else "there is none"
            raise UserError(f"{key}: no such argument; {hint}")
    return values, rest


def _typed(key: str, text: str, default: Any) -> Any:
    if not text or default is None or isinstance(default, str):
        return text or default
    try:
        value = yaml.safe_load(f"[{text}]" if isinstance(default, list) and not text.startswith("[") else text)
    except yaml.YAMLError:
        value = text
    if isinstance(default, list):
        if not all(isinstance(item, int) and not isinstance(item, bool) and 0 <= item < SEEDS for item in value):
            raise UserError(f"{key}={text}: give whole numbers from 0 with commas between, such as {key}=0,1,2")
        return list(dict.fromkeys(value))
    if isinstance(default, bool) and value in (0, 1):
        return bool(value)
    if type(value) is not type(default) or (isinstance(value, int) and value < 0):
        kind = {bool: "true or false", int: "a whole number from 0"}[type(default)]
        raise UserError(f"{key}={text}: must be {kind}")
    return value
