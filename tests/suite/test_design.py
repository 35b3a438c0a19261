"""The report on a design as text, from numbers that are made up."""

import io
from typing import Any

import pytest
from rich.console import Console

from experiments.suite import design
from experiments.suite.design import LAYER_HEADS, LISTED, facts, layer_rows, short, show, verdicts


def unbalanced(number: int) -> dict[str, Any]:
    return {"layer": f"stage.{number}", "in_channels": 24, "out_channels": 144, "excess": 1.25}


def layer(name: str, **changes: Any) -> dict[str, Any]:
    usual = {
        "layer": name, "in_channels": 24, "out_channels": 144, "kernel": (1, 1), "groups": 1, "depthwise": False,
        "params": 3456, "macs": 2_709_504, "activations": 112_896, "access": 135_168, "shape": (144, 28, 28), "ms": 0.25,
    }  # fmt: skip
    return usual | changes


def data(**changes: Any) -> dict[str, Any]:
    kept = {
        "unbalanced": [], "pointwise": 3, "grouped": [], "convolutions": 5, "fragmented": [], "operators": 6,
        "element_wise": {"broken": False, "share": 0.25, "depthwise": 0.0, "by_operation": (("relu", 0.25),),
                         "by_layer": (("stage.1", 0.25),)},
    }  # fmt: skip
    usual = {
        "name": "mine", "net": "Mine", "input": [3, 56, 56], "classes": 1000, "params": 2_585_560, "macs": 325_441_000,
        "activations": 3_780_000, "access": {"layer": 10_200_000, "element-wise": 15_200_000, "other": 38_400},
        "weight_bytes": 10_400_000, "map_bytes": 6_600_000, "threads": 1, "layers": [],
        "latency_ms": {"estimate": 35.71, "low": 35.2, "high": 36.44, "rounds": 12}, "guidelines": kept,
    }  # fmt: skip
    return usual | {"guidelines": kept | changes.pop("guidelines", {})} | changes


def printed(found: dict[str, Any], width: int = 120, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    show(found, Console(file=stream, width=width))
    stream.flush()
    return raw.getvalue().decode(encoding)


def test_what_it_costs() -> None:
    found = facts(data())
    assert [number for _, number, _ in found] == [
        "2,585,560", "325 M", "3.78 M", "10.2 M", "15.2 M", "38.4 k", "17.0 MB", "35.7 ms",
    ]  # fmt: skip
    assert found[6][2] == "weights 10.4 MB, maps 6.6 MB at most at a time"
    assert found[7][2] == "median of 12 rounds, 1 thread, PyTorch; 95 % interval 35.2 to 36.4"


def test_of_few_rounds_there_is_no_interval() -> None:
    few = {"estimate": 35.71, "low": None, "high": None, "rounds": 1}
    assert facts(data(latency_ms=few))[7][1:] == ("35.7 ms", "median of 1 round, 1 thread, PyTorch")


def test_a_net_that_keeps_all_guidelines() -> None:
    found = verdicts(data())
    assert [(one.guideline, one.broken, one.places) for one in found] == [
        (name, False, ()) for name in ("G1", "G2", "G3", "G4")
    ]
    assert found[0].said.startswith("equal channel widths: 0 of 3 1x1 convolutions with")
    assert found[3].said == "few element-wise operations: 25% of all memory access (relu 25%)"
    text = printed(data())
    assert text.count("kept") == 4 and "broken" not in text and "Layers" not in text
    assert "mine (Mine), one image of 3x56x56, 1000 classes" in text


def test_a_net_that_breaks_all() -> None:
    broken = {
        "unbalanced": [unbalanced(1)],
        "grouped": [{"layer": "stage.2", "groups": 3, "excess": 2.0949}],
        "fragmented": [
            {"block": "cell", "operators": 4, "paths": 2, "macs": 2.08e6},
            {"block": "", "operators": 2, "paths": 2, "macs": 10.0},
        ],
        "element_wise": {
            "broken": True,
            "share": 0.6,
            "depthwise": 0.15,
            "by_operation": (("native_batch_norm", 0.4), ("leaky_relu", 0.2)),
            "by_layer": (("", 0.4), ("stage.1", 0.2)),
        },
    }
    found = verdicts(data(guidelines=broken))
    assert all(one.broken for one in found)
    assert found[0].places == ("stage.1: 24 to 144 channels, 1.25 times the access of equal widths",)
    assert "stage.2: 3 groups, 2.09 times" in found[1].places[0]
    assert "6 of 6 operators in 2 blocks" in found[2].said
    assert found[2].places == (
        "cell: 4 operators, 2 side by side, 2.08 M multiply-adds each",
        "the net itself: 2 operators, 2 side by side, 10 multiply-adds each",
    )
    assert "60% of all memory access (batch norm 40%, leaky relu 20%); batch norm goes" in found[3].said
    assert found[3].said.endswith("depthwise convolutions, which the paper adds to them, 15%")
    assert found[3].places == ("the net itself: 40.0%", "stage.1: 20.0%")


def test_the_worst_are_named() -> None:
    many = {"unbalanced": [unbalanced(number) for number in range(LISTED + 3)]}
    text = printed(data(guidelines=many))
    assert f"stage.{LISTED - 1}:" in text and f"stage.{LISTED}:" not in text
    assert "and 3 more; layers=true names them" in text
    assert "and 3 more; marked below" in printed(data(guidelines=many, layers=[layer("stage.0")]))


def test_blocks_are_all_named_where_layers_are() -> None:
    block = {"operators": 4, "paths": 2, "macs": 1.0}
    many = {"fragmented": [{"block": f"cell{number}", **block} for number in range(LISTED + 1)]}
    assert f"cell{LISTED}" not in printed(data(guidelines=many))
    assert f"cell{LISTED}" in printed(data(guidelines=many, layers=[layer("stage.0")]))


def test_layers() -> None:
    layers = [
        layer("stage.1"),
        layer("stage.2", groups=3),
        layer("dw", kernel=(3, 3), groups=24, out_channels=24, depthwise=True, ms=None),
        layer("fc", kernel=(), shape=(10,)),
    ]
    grouped = [{"layer": "stage.2", "groups": 3, "excess": 2.0}]
    found = data(layers=layers, guidelines={"unbalanced": [unbalanced(1), unbalanced(2)], "grouped": grouped})
    rows = [dict(zip(LAYER_HEADS, row, strict=True)) for row in layer_rows(found)]
    assert [row["what"] for row in rows] == ["1x1", "1x1, 3 groups", "3x3 depthwise", "linear"]
    assert [row["breaks"] for row in rows] == ["G1", "G1 G2", "", ""]
    assert [row["map"] for row in rows] == ["28x28", "28x28", "28x28", ""]
    assert [row["ms"] for row in rows] == ["0.250", "0.250", "", "0.250"]
    first = rows[0]
    assert (first["channels"], first["params"], first["mult-adds"]) == ("24 to 144", "3,456", "2.71 M")
    assert (first["activations"], first["access"]) == ("113 k", "135 k")
    assert "3x3 depthwise" in printed(found)


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1000, "1.00 k"), (38_400, "38.4 k"), (325e6, "325 M"), (999_600, "1.00 M"), (9.996e6, "10.0 M"), (15.47e9, "15.5 G")],
)  # fmt: skip
def test_three_digits(number: float, text: str) -> None:
    assert short(number) == text


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_it_fits_narrow_terminals_and_plain_letters(encoding: str) -> None:
    text = printed(data(layers=[layer("a.rather.long.name.of.a.layer")]), width=60, encoding=encoding)
    assert max(len(line) for line in text.splitlines()) <= 60
    assert "[bold" not in printed(data(name="[bold]x"), encoding=encoding).replace("[bold]x", "")


def test_names_are_no_markup() -> None:
    assert "[red]mine" in printed(data(name="[red]mine"))
    assert design.operation_name("mul") == "multiplication"
