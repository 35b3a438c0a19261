"""The report on a net's design as text in a terminal: what it costs, and where it goes against ShuffleNet V2's guidelines.

``Data`` is what ``experiments.design.described`` returns: plain numbers and names, the guidelines' from
lightning_modules/guidelines_check.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

Data = Mapping[str, Any]

LISTED = (
    5  # places named under a guideline; the blocks of G3 all where layers are asked for, in whose table they are not
)
SOURCE = "ShuffleNet V2, arXiv:1807.11164, section 2"
NAMES = {"native_batch_norm": "batch norm", "hardtanh": "relu6", "add": "addition", "mul": "multiplication"}
LAYER_HEADS = ("layer", "what", "channels", "map", "params", "mult-adds", "activations", "access", "ms", "breaks")


@dataclass(frozen=True)
class Verdict:
    """Of one guideline: ``said`` in a line, and ``places``, the worst first, where it is broken."""

    guideline: str
    broken: bool
    said: str
    places: tuple[str, ...] = ()


def show(data: Data, console: Console) -> None:
    console.print(Text(title(data), "bold"))
    console.print(_grid(facts(data), indent=2))
    console.print(Text(f"\nGuidelines ({SOURCE})", "bold"))
    for verdict in verdicts(data):
        console.print(_verdict(verdict, bool(data["layers"])))
    if data["layers"]:
        console.print(Text("\nLayers", "bold"))
        console.print(_layers(data))


def title(data: Data) -> str:
    return f"{data['name']} ({data['net']}), one image of {_by(data['input'])}, {data['classes']} classes"


def facts(data: Data) -> list[tuple[str, str, str]]:
    """(what, number, what the number is) of the whole net."""
    access = data["access"]
    bytes_ = data["weight_bytes"] + data["map_bytes"]
    return [
        ("parameters", f"{data['params']:,}", ""),
        ("multiply-adds", short(data["macs"]), "of convolutions and linear layers"),
        ("activations", short(data["activations"]), "numbers in their outputs"),
        ("memory access", short(access["layer"]), "numbers in their inputs, outputs and weights"),
        ("", short(access["element-wise"]), "read and written by element-wise operations"),
        ("", short(access["other"]), "by others: pools, concatenation, shuffle"),
        ("peak memory", megabytes(bytes_), f"weights {megabytes(data['weight_bytes'])}, "
         f"maps {megabytes(data['map_bytes'])} at most at a time"),
        ("latency", *_latency(data)),
    ]  # fmt: skip


def _latency(data: Data) -> tuple[str, str]:
    found = data["latency_ms"]
    threads = count(data["threads"], "thread")
    said = f"median of {count(found['rounds'], 'round')}, {threads}, PyTorch"
    if found["low"] is not None:
        said += f"; 95 % interval {found['low']:,.3g} to {found['high']:,.3g}"
    return f"{found['estimate']:,.3g} ms", said


def verdicts(data: Data) -> list[Verdict]:
    """One a guideline."""
    found = data["guidelines"]
    return [_balanced(found), _groups(found), _fragments(found), _element_wise(found["element_wise"])]


def _balanced(found: Data) -> Verdict:
    places = tuple(
        f"{one['layer']}: {one['in_channels']} to {one['out_channels']} channels, {one['excess']:.2f} times the access of "
        "equal widths"
        for one in found["unbalanced"]
    )
    many = f"{len(places)} of {count(found['pointwise'], '1x1 convolution')}"
    said = f"equal channel widths: {many} with more than twice as many channels on one side"
    return Verdict("G1", bool(places), said, places)


def _groups(found: Data) -> Verdict:
    places = tuple(
        f"{one['layer']}: {one['groups']} groups, {one['excess']:.2f} times the access of a dense one with as many "
        "multiply-adds"
        for one in found["grouped"]
    )
    said = (
        f"few groups: {len(places)} of {count(found['convolutions'], 'convolution')} in groups (depthwise ones apart)"
    )
    return Verdict("G2", bool(places), said, places)


def _fragments(found: Data) -> Verdict:
    places = tuple(
        f"{one['block'] or 'the net itself'}: {one['operators']} operators, {one['paths']} side by side, "
        f"{short(one['macs'])} multiply-adds each"
        for one in found["fragmented"]
    )
    inside = sum(one["operators"] for one in found["fragmented"])
    said = f"few fragments: {inside} of {count(found['operators'], 'operator')} in "
    said += f"{count(len(places), 'block')} with several side by side"
    return Verdict("G3", bool(places), said, places)


def _element_wise(found: Data) -> Verdict:
    kinds = ", ".join(f"{operation_name(name)} {share:.0%}" for name, share in found["by_operation"])
    said = f"few element-wise operations: {found['share']:.0%} of all memory access" + (f" ({kinds})" if kinds else "")
    if any(name == "native_batch_norm" for name, _ in found["by_operation"]):
        said += "; batch norm goes where it is folded into the convolution before it"
    if found["depthwise"]:
        said += f"; depthwise convolutions, which the paper adds to them, {found['depthwise']:.0%}"
    places = tuple(f"{layer or 'the net itself'}: {share:.1%}" for layer, share in found["by_layer"][:LISTED])
    return Verdict("G4", found["broken"], said, places if found["broken"] else ())


def _verdict(verdict: Verdict, layers: bool) -> Table:
    most = len(verdict.places) if layers and verdict.guideline == "G3" else LISTED
    style = "yellow" if verdict.broken else "green"
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(width=4)
    table.add_column(width=6)
    table.add_column(ratio=1, overflow="fold")
    word = Text("broken" if verdict.broken else "kept", style)
    table.add_row(Text(f"  {verdict.guideline}"), word, Text(verdict.said))
    for place in verdict.places[:most]:
        table.add_row("", "", Text(f"- {place}", "dim"))
    if len(verdict.places) > most:
        where = "marked below" if layers else "layers=true names them"
        table.add_row("", "", Text(f"- and {len(verdict.places) - most} more; {where}", "dim"))
    return table


def _grid(rows: Sequence[tuple[str, str, str]], indent: int) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    for what, number, said in rows:
        table.add_row(Text(" " * indent + what), Text(number), Text(said, "dim"))
    return table


def layer_rows(data: Data) -> list[tuple[str, ...]]:
    """A row of texts, one under each of ``LAYER_HEADS``, for each convolution and linear layer in the order they run."""
    broken = {
        "G1": {one["layer"] for one in data["guidelines"]["unbalanced"]},
        "G2": {one["layer"] for one in data["guidelines"]["grouped"]},
    }
    return [
        (
            layer["layer"],
            _what(layer),
            f"{layer['in_channels']} to {layer['out_channels']}",
            _by(layer["shape"][1:]),
            f"{layer['params']:,}",
            short(layer["macs"]),
            short(layer["activations"]),
            short(layer["access"]),
            "" if layer["ms"] is None else f"{layer['ms']:.3f}",
            " ".join(guideline for guideline, layers in broken.items() if layer["layer"] in layers),
        )
        for layer in data["layers"]
    ]


def _layers(data: Data) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for head in LAYER_HEADS:
        left = head in ("layer", "what", "breaks")
        table.add_column(head, justify="left" if left else "right", overflow="fold")
    for row in layer_rows(data):
        table.add_row(*(Text(text) for text in row))
    return table


def _what(layer: Data) -> str:
    if not layer["kernel"]:
        return "linear"
    kernel = _by(layer["kernel"])
    if layer["depthwise"]:
        return f"{kernel} depthwise"
    return kernel if layer["groups"] == 1 else f"{kernel}, {layer['groups']} groups"


def operation_name(name: str) -> str:
    """PyTorch's name of an element-wise operation in plain words."""
    return NAMES.get(name, name.replace("_", " ").strip())


def short(number: float) -> str:
    """Three digits, in thousands, millions or billions: ``325 M``."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= 0.9995 * size:  # which rounds to 1.00 of them
            return f"{number / size:#.3g}".rstrip(".") + f" {letter}"
    return f"{number:.0f}"


def megabytes(number: int) -> str:
    return f"{number / 1e6:,.1f} MB"


def count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _by(sizes: Sequence[int]) -> str:
    return "x".join(map(str, sizes))
