"""Which layers of a net a compression step works on: by their names, as patterns."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TypeVar

from torch import nn

from lightning_modules.errors import UserError

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)  # what has a weight to compress, and all derived from them
Value = TypeVar("Value")


def select(net: nn.Module, patterns: str | Iterable[str], field: str = "layers") -> dict[str, nn.Module]:
    """The convolutions and linear layers whose names fit any of the patterns, by name, in the net's order.

    A pattern is a shell's: ``*`` is any text, dots included, ``?`` a character, ``[a-c]`` one of these. It fits a whole
    name or its end, from a dot on: ``fire*.expand3x3`` fits ``layers.fire2.expand3x3``, ``conv1`` does not fit
    ``layers.conv10``. ``*`` fits all.

    Args:
        patterns: one text is one pattern.
        field: of a step, as the user types it, for the message.

    Raises:
        UserError: a pattern is no text or fits no layer, or there is no pattern.
    """
    given = [patterns] if isinstance(patterns, str) or not isinstance(patterns, Iterable) else list(patterns)
    if not all(isinstance(pattern, str) for pattern in given):
        raise UserError(f"compression.steps: {field}={patterns}: give names of layers, such as ['fire*', conv1]")
    layers = {name: module for name, module in net.named_modules() if isinstance(module, LAYERS)}
    if not given:
        raise UserError(f"compression.steps: {field}=[]: names no layer; ['*'] are all")
    for pattern in given:
        if not any(fits(name, pattern) for name in layers):
            raise UserError(
                f"compression.steps: {field}={pattern}: fits no layer of {type(net).__name__}; "
                f"the nearest: {', '.join(_nearest(pattern, layers))}"
            )
    return {name: layer for name, layer in layers.items() if any(fits(name, pattern) for pattern in given)}


def assign(net: nn.Module, table: Mapping[str, Value], field: str = "layers") -> dict[str, Value]:
    """A value for each layer that a pattern of ``table`` fits, by name, in the net's order. Of several the last counts.

    So what holds in general comes first, its exceptions after it: ``{"*": 0.3, "conv1": 1.0}``.

    Raises:
        UserError: as ``select``; or later patterns fit all the layers that a pattern fits.
    """
    layers = select(net, table, field)
    deciding = {name: [pattern for pattern in table if fits(name, pattern)][-1] for name in layers}
    for pattern in table:
        if pattern not in deciding.values():
            raise UserError(
                f"compression.steps: {field}={pattern}: patterns below it fit all its layers, and the last counts; "
                "put it below them or drop it"
            )
    return {name: table[pattern] for name, pattern in deciding.items()}


def fits(name: str, pattern: str) -> bool:
    """Whether ``pattern`` fits the name of a layer, or its end from a dot on."""
    return fnmatchcase(name, pattern) or fnmatchcase(name, f"*.{pattern}")


def _nearest(pattern: str, names: Iterable[str]) -> list[str]:
    return get_close_matches(pattern, list(names), n=3, cutoff=0.0) or ["it has none"]
