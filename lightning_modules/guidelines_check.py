"""Where a net goes against the four guidelines of ShuffleNet V2.

Ma et al., 2018, arXiv:1807.11164, section 2: G1, equal channel widths need the least memory access; G2, so do fewer groups;
G3, fragments are less parallel; G4, element-wise operations are not negligible. The paper measures how much speed each
costs and draws no line; the lines drawn here are ours, and say where to look.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lightning_modules.memory_access import Filters, ForwardPass, Operation

BALANCED = 2.0  # G1: a 1x1 convolution with no more than so many times as many channels on one side as on the other
LITTLE = 0.5  # G4: no larger share of all memory access

Placed = tuple[int, Operation]  # an operation and its place in the order of operations


@dataclass(frozen=True)
class Unbalanced:
    """G1: a 1x1 convolution. ``excess``: its memory access over that of one with as many multiply-adds and equal widths."""

    layer: str
    in_channels: int
    out_channels: int
    excess: float


@dataclass(frozen=True)
class Grouped:
    """G2: a grouped convolution. ``excess``: its memory access over that of a dense one with its input and as many
    multiply-adds, which has fewer outputs."""

    layer: str
    groups: int
    excess: float


@dataclass(frozen=True)
class Fragmented:
    """G3: convolutions, linear layers and pools of ``block``, ``paths`` of them side by side where it is widest.

    ``block`` is empty where that is the net itself; ``macs``: multiply-adds of one operator, the mean.
    """

    block: str
    operators: int
    paths: int
    macs: float


@dataclass(frozen=True)
class ElementWise:
    """G4: shares of the memory access of all operations.

    ``by_operation``, ``by_layer``: (name, share), the largest first; ``depthwise``: of the depthwise convolutions, which
    the paper counts as element-wise; they are not part of ``share``.
    """

    broken: bool
    share: float
    depthwise: float
    by_operation: tuple[tuple[str, float], ...]
    by_layer: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Guidelines:
    """What breaks them, each as often as it is run, the worst first. ``pointwise``, ``convolutions``: how many were
    looked at for G1 and G2; ``operators``: for G3."""

    unbalanced: tuple[Unbalanced, ...]
    pointwise: int
    grouped: tuple[Grouped, ...]
    convolutions: int
    fragmented: tuple[Fragmented, ...]
    operators: int
    element_wise: ElementWise


def check(found: ForwardPass) -> Guidelines:
    convolutions = [(operation, filters) for operation, filters in found.layers if filters.kernel]
    pointwise = [(operation, filters) for operation, filters in convolutions if _is_pointwise(operation, filters)]
    operators = [(place, operation) for place, operation in enumerate(found.operations) if _is_operator(operation)]
    unbalanced = [_unbalanced(operation, filters) for operation, filters in pointwise if _is_unbalanced(filters)]
    grouped = [
        _grouped(operation, filters)
        for operation, filters in convolutions
        if filters.groups > 1 and not filters.depthwise
    ]
    fragmented = [_fragmented(block, inside) for block, inside in _blocks("", operators)]
    return Guidelines(
        unbalanced=tuple(sorted(unbalanced, key=lambda one: -one.excess)),
        pointwise=len(pointwise),
        grouped=tuple(sorted(grouped, key=lambda one: -one.excess)),
        convolutions=len(convolutions),
        fragmented=tuple(sorted(fragmented, key=lambda one: (-one.paths, -one.operators))),
        operators=len(operators),
        element_wise=_element_wise(found.operations),
    )


def balanced_excess(in_channels: int, out_channels: int, pixels: int, groups: int = 1) -> float:
    """h w (c1 + c2) + c1 c2 / g over its least value at the same multiply-adds, that of c1 = c2 (equation 1, G1)."""
    equal = math.sqrt(in_channels * out_channels)
    return _access(in_channels, out_channels, pixels, groups) / _access(equal, equal, pixels, groups)


def _access(c1: float, c2: float, pixels: int, groups: int) -> float:
    return pixels * (c1 + c2) + c1 * c2 / groups


def _is_pointwise(operation: Operation, filters: Filters) -> bool:
    """On a map of one pixel it is a linear layer, whose weights alone count."""
    return set(filters.kernel) == {1} and not filters.depthwise and math.prod(operation.shape[1:]) > 1


def _is_unbalanced(filters: Filters) -> bool:
    narrow, wide = sorted((filters.in_channels, filters.out_channels))
    return wide > BALANCED * narrow


def _unbalanced(operation: Operation, filters: Filters) -> Unbalanced:
    c1, c2 = filters.in_channels, filters.out_channels
    excess = balanced_excess(c1, c2, math.prod(operation.shape[1:]), filters.groups)
    return Unbalanced(operation.layer, c1, c2, excess)


def _grouped(operation: Operation, filters: Filters) -> Grouped:
    """A dense convolution with c2 / g outputs has as many weights and multiply-adds (equation 2, G2)."""
    dense = operation.reads + operation.writes / filters.groups
    return Grouped(operation.layer, filters.groups, operation.access / dense)


def _is_operator(operation: Operation) -> bool:
    """G3 counts "individual convolution or pooling operations"; a mean over the whole map is no fragment."""
    return operation.kind == "layer" or "pool" in operation.name


def _blocks(module: str, inside: Sequence[Placed]) -> Iterator[tuple[str, list[Placed]]]:
    """The operators that run side by side, with the innermost module that holds them all.

    A module's parts that wait for one another are taken apart; those that don't are one block.
    """
    for parts in _side_by_side(_parts(module, inside)):
        together = sorted((placed for part in parts.values() for placed in part), key=lambda placed: placed[0])
        (name, *others) = parts
        if others:
            yield module, together
        elif len(together) > 1:
            yield from _blocks(name, together)


def _parts(module: str, inside: Sequence[Placed]) -> dict[str, list[Placed]]:
    """By the direct parts of the module. What it runs itself, by a function, has parts of its own."""
    found: dict[str, list[Placed]] = {}
    start = f"{module}." if module else ""
    for place, operation in inside:
        rest = operation.layer.removeprefix(start) if operation.layer != module else ""
        name = start + rest.partition(".")[0] if rest else f"{start}{operation.name}#{place}"
        found.setdefault(name, []).append((place, operation))
    return found


def _side_by_side(parts: dict[str, list[Placed]]) -> list[dict[str, list[Placed]]]:
    """The parts in groups: within one each runs beside another, and groups wait for one another."""
    groups: list[dict[str, list[Placed]]] = []
    for name, part in parts.items():
        joined = [group for group in groups if any(_independent(part, other) for other in group.values())]
        groups = [group for group in groups if group not in joined]
        groups.append({key: value for group in joined for key, value in group.items()} | {name: part})
    return groups


def _independent(some: Sequence[Placed], others: Sequence[Placed]) -> bool:
    """Whether any two of them do not need each other's results."""
    return any(a not in two.after and b not in one.after for a, one in some for b, two in others)


def _fragmented(block: str, inside: Sequence[Placed]) -> Fragmented:
    depth: dict[int, int] = {}
    for place, operation in inside:
        depth[place] = 1 + max((depth[earlier] for earlier in operation.after if earlier in depth), default=0)
    macs = sum(operation.filters.macs for _, operation in inside if operation.filters)
    return Fragmented(block, len(inside), max(Counter(depth.values()).values()), macs / len(inside))


def _element_wise(operations: Sequence[Operation]) -> ElementWise:
    total = sum(operation.access for operation in operations)
    by_operation: Counter[str] = Counter()
    by_layer: Counter[str] = Counter()
    depthwise = 0
    for operation in operations:
        if operation.kind == "element-wise":
            by_operation[operation.name] += operation.access
            by_layer[operation.layer] += operation.access
        elif operation.filters and operation.filters.depthwise:
            depthwise += operation.access
    return ElementWise(
        broken=by_operation.total() > LITTLE * total,
        share=by_operation.total() / total,
        depthwise=depthwise / total,
        by_operation=tuple((name, access / total) for name, access in by_operation.most_common()),
        by_layer=tuple((name, access / total) for name, access in by_layer.most_common()),
    )
