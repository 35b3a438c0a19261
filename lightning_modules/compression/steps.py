"""The steps of conf/compression: which there are, in which order they make sense, and how each is trained on."""

import difflib
import importlib
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from lightning_modules.errors import UserError, check_choice

if TYPE_CHECKING:
    from torch import nn

# In the order in which they may follow each other: module and name of their options. What changes the net's layers
# comes before what chooses among their weights, and that before what gives the weights their last values.
METHODS = {
    "distill": ("distillation", "Distillation"),
    "low_rank": ("low_rank", "LowRankOptions"),
    "xnor": ("xnor", "XnorOptions"),
    "prune": ("pruning", "PruneOptions"),
    "share": ("sharing", "ShareOptions"),
    "quantize": ("quantization", "Quantization"),
}
LAST_VALUES = ("xnor", "share", "quantize")  # a weight has the values of one of them
OTHER_LAYERS = ("low_rank", "xnor")  # after which layers have other names
STARTS = ("parent", "scratch")


@dataclass(frozen=True)
class Retrain:
    """How a step is trained on: for ``images`` times the images of plain training, at ``lr`` times the recipe's rate.

    ``images`` 0: not at all. Each round of a step is trained on so long.
    """

    images: float = 0.0
    lr: float = 1.0

    def __post_init__(self) -> None:
        for name, least in (("images", True), ("lr", False)):
            value = getattr(self, name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
            if not number or value < 0 or (value == 0 and not least):
                raise UserError(
                    f"compression.steps: retrain.{name}={value}: must be a number {'from' if least else 'above'} 0"
                )


@dataclass(frozen=True)
class Step:
    method: str
    options: Any  # of the class that METHODS names
    retrain: Retrain


@dataclass(frozen=True)
class Plan:
    """conf/compression/*.yaml, read and checked.

    Args:
        steps: one after another.
        huffman: whether codes in the file are Huffman's, or of one width.
        index_bits: of relative positions in the file.
    """

    steps: tuple[Step, ...]
    huffman: bool
    index_bits: int

    @property
    def integers(self) -> Any:
        """The options of the step after which the net is to be computed in int8: activations are rounded, too. Or None."""
        return next(
            (step.options for step in self.steps if step.method == "quantize" and step.options.activations), None
        )

    @classmethod
    def of(cls, compression: Mapping[str, Any]) -> "Plan":
        """Raises UserError: what ``check`` raises; an unknown field or a value out of range."""
        from lightning_modules.compression.relative_index import MOST_BITS  # NumPy, which a plan does without

        check(compression)
        steps = tuple(_step(number, content) for number, content in enumerate(compression["steps"], 1))
        if type(bits := compression["file"]["index_bits"]) is not int or not 1 <= bits <= MOST_BITS:
            raise UserError(f"compression.file.index_bits={bits}: must be a whole number from 1 to {MOST_BITS}")
        if not isinstance(huffman := compression["file"]["huffman"], bool):
            raise UserError(f"compression.file.huffman={huffman}: must be true or false")
        return cls(steps, compression["file"]["huffman"], compression["file"]["index_bits"])


def check_layers(plan: Plan, net: "nn.Module") -> None:
    """Finds patterns that fit no layer before anything is trained, as far as the layers are those of the plain ``net``.

    Raises:
        UserError: a pattern fits no layer, or is none.
    """
    for step in plan.steps:
        if hasattr(step.options, "layers_of"):
            step.options.layers_of(net)
        if step.method in OTHER_LAYERS:
            return


def check(compression: Mapping[str, Any]) -> None:
    """Everything but the steps' own options, whose classes import torch; a plan is made without it.

    Raises:
        UserError: an unknown method; steps that don't follow each other; a teacher without a student, or the other way.
    """
    check_choice("compression.start", compression["start"], STARTS)
    for number, content in enumerate(compression["steps"], 1):
        if not isinstance(content, Mapping) or "method" not in content:
            raise UserError(
                f"compression.steps[{number}]: each step is {{method: ..., ...}}, with one of {', '.join(METHODS)}"
            )
        check_choice(f"compression.steps[{number}]: method", content["method"], tuple(METHODS))
    methods = [content["method"] for content in compression["steps"]]
    _check_order(methods)
    if "distill" in methods and not compression["teacher"]:
        raise UserError("compression.teacher=[]: distill learns from a net; choose it, such as [arch=squeezenet]")
    if compression["teacher"] and "distill" not in methods:
        raise UserError(f"compression.teacher={compression['teacher']}: no step learns from it; leave it empty, []")


def _step(number: int, content: Mapping[str, Any]) -> Step:
    where = f"compression.steps[{number}]"
    module, name = METHODS[content["method"]]
    options = getattr(importlib.import_module(f"lightning_modules.compression.{module}"), name)
    rest = {key: value for key, value in content.items() if key not in ("method", "retrain")}
    retrain = content.get("retrain") or {}
    if not isinstance(retrain, Mapping):
        raise UserError(f"{where}: retrain={retrain}: is {{images: ..., lr: ...}}")
    return Step(content["method"], _made(where, options, rest), _made(f"{where}: retrain", Retrain, retrain))


def _made(where: str, kind: type, content: Mapping[str, Any]) -> Any:
    """An options object of ``content``; what is missing or unknown is named as it was typed."""
    known = [field.name for field in fields(kind)]
    for name in content:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            raise UserError(
                f"{where}: {name}: no such field; " + (f"did you mean {close[0]}?" if close else _list(known))
            )
    try:
        return kind(**content)
    except TypeError as error:
        raise UserError(f"{where}: {error}".replace(f"{kind.__name__}.__init__() ", "")) from error


def _list(known: Sequence[str]) -> str:
    return f"there are {', '.join(known)}"


def _check_order(methods: Sequence[str]) -> None:
    order = list(METHODS)
    for before, after in itertools.pairwise(methods):
        if order.index(before) >= order.index(after):
            raise UserError(
                f"compression.steps: {after} after {before}: each at most once, and in this order: {', '.join(order)}"
            )
    last = [method for method in methods if method in LAST_VALUES]
    if len(last) > 1:
        raise UserError(f"compression.steps: {' and '.join(last)}: a weight has the values of one of them; choose one")
    if "xnor" in methods and "prune" in methods:
        raise UserError("compression.steps: prune after xnor: a weight of one bit has no zero; leave one of them out")
