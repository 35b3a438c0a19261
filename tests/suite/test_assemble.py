"""A table as data."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.suite import rendering
from experiments.suite.assemble import assemble
from experiments.suite.coded_sizes import Coded
from experiments.suite.contract import Table, load
from experiments.suite.evidence import Evidence
from experiments.suite.record import Record
from experiments.suite.subjects import Subject
from tests.suite import records
from tests.suite.records import made, row
from tests.suite.test_costs import ARCH, NONE
from tests.suite.test_costs import made as cost
from tests.suite.test_file_parts import compressed, file

TOP1 = "test/top1_acc"


def _table3(published: dict[str, list[Record]], here: dict[str, list[Record]], **notes: str) -> dict[str, Any]:
    return _assembled(load("table3"), published, here, notes)


def _assembled(
    table: Table,
    published: dict[str, list[Record]],
    here: dict[str, list[Record]],
    notes: dict[str, str] | None = None,
) -> dict[str, Any]:
    return assemble(table, "proxy", Evidence(published), Evidence(here), notes or {})


def _full() -> dict[str, list[Record]]:
    generator = np.random.default_rng(0)
    levels = {"vanilla": 88.0, "simple_bypass": 90.0, "complex_bypass": 89.0}
    return {name: row(name, [level] * 5, 200, generator) for name, level in levels.items()}


def _cell(data: dict[str, Any], name: str, column: str) -> dict[str, Any]:
    return next(row for row in data["rows"] if row["row"] == name)["cells"][column]


def test_the_shape_that_is_promised() -> None:
    data = _table3(_full(), {"vanilla": row("vanilla", [88.0])})
    assert {"table", "title", "paper", "budget", "data", "rows", "claims", "notes"} <= set(data)
    assert (data["table"], data["budget"]) == ("table3", "proxy")
    assert data["paper"]["arxiv"] == "1602.07360"
    assert data["paper_source"] == {"pointer": "squeezenet.table3_bypass", "printed_as": "Table 3", "verified": True}
    assert data["data"] == "fashion_mnist, 216,000 training images seen"
    assert [found["row"] for found in data["rows"]] == ["vanilla", "simple_bypass", "complex_bypass"]
    for claim in data["claims"]:
        assert {"id", "kind", "statement", "margin", "published", "here"} <= set(claim)
        for side in ("published", "here"):
            assert {"verdict", "estimate", "low", "high", "n", "p", "p_holm"} <= set(claim[side])
    json.dumps(data, allow_nan=False)


def test_cells() -> None:
    published = _full()
    data = _table3(published, {"vanilla": row("vanilla", [88.0])})
    measured = _cell(data, "vanilla", TOP1)
    values = [record.metrics[TOP1] for record in published["vanilla"]]
    assert measured["paper"] == 57.5 and measured["printed"] == "57.5"
    assert measured["published"]["mean"] == pytest.approx(np.mean(values))
    assert measured["published"]["low"] < np.mean(values) < measured["published"]["high"]
    assert measured["published"]["n"] == 5
    assert measured["published"]["runs"][4] == "vanilla-fashion_mnist-none-proxy-0123456789/4"
    assert measured["here"] == {
        "mean": 88.0, "low": None, "high": None, "n": 1, "runs": ["vanilla-fashion_mnist-none-proxy-0123456789/0"],
    }  # fmt: skip
    assert measured["difference"] == pytest.approx(88.0 - np.mean(values))
    computed = _cell(data, "simple_bypass", "params")
    assert computed["paper"] is None and computed["here"] is None
    assert {**computed["published"], "runs": len(computed["published"]["runs"])} == {
        "mean": 1_248_424, "low": None, "high": None, "n": None, "runs": 5,
    }  # fmt: skip


def test_verdicts_of_table3() -> None:
    verdicts = {claim["id"]: claim for claim in _table3(_full(), {})["claims"]}
    assert verdicts["size-complex"]["published"]["verdict"] == "not replicated"
    assert verdicts["size-vanilla"]["published"]["verdict"] == "replicated"
    assert verdicts["simple-bypass-is-free"]["published"]["verdict"] == "replicated"
    assert verdicts["simple-bypass-helps"]["here"]["verdict"] == "not run"
    assert verdicts["simple-bypass-helps"]["paper"] == pytest.approx(2.9)
    assert verdicts["size-complex"]["margin"] is None


def test_nothing_has_run() -> None:
    data = _table3({}, {})
    assert data["data"] is None
    assert all(found["note"] == "not run" for found in data["rows"])
    assert {claim[side]["verdict"] for claim in data["claims"] for side in ("published", "here")} == {"not run"}


def test_row_notes(tmp_path: Path) -> None:
    rows = (
        "{a: {label: A, paper: vanilla, note: a tale}, b: {label: B, paper: simple_bypass}, "
        "z: {label: Z, paper: complex_bypass, implemented: false}}"
    )
    table = load("made", records.contract(tmp_path, rows=rows))
    failed = made(9, status="failed", run_id="a-fashion_mnist-none-proxy-0123456789")
    kept = [*row("a", [90.0, None, None]), failed]
    data = _assembled(table, {"a": kept}, {}, {"a": "ran with recipe.lr=0.02"})
    notes = {found["row"]: found["note"] for found in data["rows"]}
    assert notes["a"] == (
        "a tale; published: diverged (seeds 1, 2); published: failed (seed 9); ran with recipe.lr=0.02"
    )
    assert notes["b"] == "not run"
    assert notes["z"] == "not implemented"
    assert _cell(data, "z", TOP1)["paper"] == 58.8
    assert _cell(data, "a", TOP1)["published"]["n"] == 1


def test_a_row_that_is_not_trained_is_counted(tmp_path: Path) -> None:
    rows = "{a: {label: A, paper: vanilla}, b: {label: B, trained: false}}"
    claims = (
        "[{id: same, kind: exact, metric: params, row: b, equals: a}, "
        "{id: size, kind: exact, metric: model_mb, row: a, equals: paper}]"
    )
    table = load("made", records.contract(tmp_path, claims, rows))
    counted = cost()
    data = assemble(table, "proxy", Evidence(), Evidence({"a": []}, {"a": counted, "b": counted}), {})
    assert [found["note"] for found in data["rows"]] == ["not run", "not run"]
    cell = _cell(data, "b", "params")
    assert cell["published"] is None
    assert cell["here"] == {"mean": 1_248_424, "low": None, "high": None, "n": None, "runs": [], "cost": counted.name}
    assert _cell(data, "b", TOP1)["here"] is None
    verdicts = {claim["id"]: (claim["here"]["verdict"], claim["published"]["verdict"]) for claim in data["claims"]}
    assert verdicts == {"same": ("replicated", "not run"), "size": ("replicated", "not run")}
    trained = assemble(table, "proxy", Evidence(), Evidence({"a": [made(0)]}, {"a": counted, "b": counted}), {})
    assert _cell(trained, "a", "params")["here"]["runs"] == ["net-data-none-proxy-0123456789/0"]
    assert "note" not in trained["rows"][0]


def test_a_table_without_training_says_not_run_of_nothing() -> None:
    table = load("table1")
    data = assemble(table, "proxy", Evidence(), Evidence({}, {"squeezenet": cost()}), {})
    assert not any("not run" in found.get("note", "") for found in data["rows"])
    found = _cell(data, "squeezenet", "params_m")
    assert found["here"]["mean"] == 1.248424
    assert found["also"]["torchvision"] == {"value": 1.248424, "printed": "1.248424"}
    assert "MobileNet's paper" in next(row for row in data["rows"] if row["row"] == "squeezenet")["also"]


def _with_extra_row(folder: Path) -> Table:
    conf = records.contract(folder)
    (conf / "experiment" / "made" / "mine.yaml").write_text("label: My net\n", encoding="utf-8")
    return load("made", conf)


def test_an_extra_row_is_measured_as_any_other_and_promised_nothing(tmp_path: Path) -> None:
    table = _with_extra_row(tmp_path)
    data = _assembled(table, {}, {"mine": row("mine", [70.0, 72.0])})
    *listed, mine = data["rows"]
    assert [found["row"] for found in listed] == ["a", "b", "c"] and not any("extra" in found for found in listed)
    assert (mine["row"], mine["label"], mine["extra"]) == ("mine", "My net", True)
    assert mine["note"] == "not in the paper's table"
    assert mine["cells"]["params"]["here"]["mean"] == 1_248_424
    assert mine["cells"][TOP1]["here"]["mean"] == 71.0 and mine["cells"][TOP1]["here"]["n"] == 2
    for cell in mine["cells"].values():
        assert cell["paper"] is None and cell["published"] is None
    assert all(rendering.number(column, mine["cells"][column["name"]], "paper") == "–" for column in data["columns"])
    assert "**My net** | paper | – |" in rendering.markdown(data)
    assert "My net: not in the paper's table" in rendering.notes(data)
    assert "made,mine,My net,test/top1_acc,here,71.0," in rendering.csv(data)


def test_an_extra_row_is_published_when_somebody_published_a_run_of_it(tmp_path: Path) -> None:
    table = _with_extra_row(tmp_path)
    none = [found["row"] for found in _assembled(table, {"mine": []}, {})["rows"]]
    assert none == ["a", "b", "c"]
    asked = _assembled(table, {}, {"mine": []})["rows"][-1]
    assert (asked["row"], asked["note"]) == ("mine", "not in the paper's table; not run")
    published = _assembled(table, {"mine": row("mine", [70.0])}, {})["rows"][-1]
    assert (published["row"], published["cells"][TOP1]["published"]["mean"]) == ("mine", 70.0)


def test_records_that_disagree_are_told() -> None:
    run_id = "vanilla-fashion_mnist-none-proxy-0123456789"
    torn = [made(0, run_id=run_id), made(1, run_id=run_id, cost={"params": 5, "macs": 832_667_936})]
    note = _table3({"vanilla": torn}, {})["rows"][0]["note"]
    assert "the runs disagree on params: 5 and 1,248,424" in note
    mixed = _table3({"vanilla": [made(0, run_id="one"), made(1, run_id="two")]}, {})["rows"][0]["note"]
    assert "published: runs of 2 configurations, one, two" in mixed


def test_a_computed_number_beside_the_paper_s_has_a_note(tmp_path: Path) -> None:
    noted = _cell(_table3(_full(), {}), "complex_bypass", "model_mb")
    assert "D06" in noted["note"]
    assert "note" not in _cell(_table3(_full(), {}), "vanilla", "model_mb")
    table = load("made", records.contract(tmp_path))
    data = _assembled(table, {"c": [made(0)]}, {})
    assert _cell(data, "c", "model_mb")["note"] == "4.76 is not what the paper prints"


def test_sides_on_different_data_are_told_apart() -> None:
    other = Record({**made(0).result}, made(0).cost, {"data": {"name": "cifar10"}}, made(0).provenance)
    data = _table3({"vanilla": [made(0)]}, {"vanilla": [other]})
    assert data["data"] == (
        "published: fashion_mnist, 216,000 training images seen; "
        "this machine: cifar10, the recipe's own training length"
    )


def test_numbers_do_not_hang_on_the_last_bits() -> None:
    data = _table3({"vanilla": row("vanilla", [0.1 + 0.2, 0.1 + 0.2, 0.1 + 0.2])}, {})
    assert _cell(data, "vanilla", TOP1)["published"]["mean"] == 0.3


def test_files_are_told_only_where_there_are_some() -> None:
    assert "files" not in _table3(_full(), {})
    (entry,) = _table3({"vanilla": [compressed(0, file(100))]}, {})["files"]
    assert (entry["row"], entry["scale"], entry["published"]["bytes"], entry["here"]) == ("vanilla", "run", 130, None)


def test_files_of_an_extra_row_that_is_not_shown_are_not_told(tmp_path: Path) -> None:
    table = _with_extra_row(tmp_path)
    assert "files" not in _assembled(table, {"stranger": [compressed(0, file(100))]}, {})
    assert _assembled(table, {}, {"mine": [compressed(0, file(100))]})["files"][0]["label"] == "My net"


CODED_HEAD = "title: T\npaper: squeezenet.table3_bypass\nseeds: [0, 1]\ncolumns: [coded_mb, run_macs_m, test/top1_acc]"


def test_the_file_at_the_paper_s_scale_is_a_computed_cell(tmp_path: Path) -> None:
    claims = "[{id: smaller, kind: ordering, metric: coded_mb, better: b, worse: a, margin: 0}]"
    rows = "{a: {label: A}, b: {label: B, paper_scale: {}}}"
    table = load("made", records.contract(tmp_path, claims, rows, CODED_HEAD))
    subjects = {"a": Subject(ARCH, NONE), "b": Subject(ARCH, {**NONE, "name": "deep"}, {})}
    stored = Coded(ARCH, subjects["b"].compression, {}, file(2**20), {}, {})
    here = Evidence({"b": [compressed(0, file(100))]}, {"a": cost()}, {"b": stored}, subjects=subjects)
    data = assemble(table, "proxy", Evidence(), here, {})
    plain, small = (_cell(data, name, "coded_mb")["here"] for name in "ab")
    assert (plain["mean"], plain["cost"]) == (pytest.approx(4 * 1_248_424 / 2**20), cost().name)
    assert (small["mean"], small["cost"], small["runs"]) == (pytest.approx(1 + 30 / 2**20), stored.name, [])
    assert _cell(data, "b", "coded_mb")["published"] is None
    assert [claim["here"]["verdict"] for claim in data["claims"]] == ["replicated"]
    assert [(entry["row"], entry["scale"], bool(entry["here"])) for entry in data["files"]] == [
        ("b", "run", True), ("b", "paper", True),
    ]  # fmt: skip


def test_runs_that_disagree_on_what_they_were_trained_with_are_told(tmp_path: Path) -> None:
    table = load("made", records.contract(tmp_path, rows="{a: {label: A}}", head=CODED_HEAD))
    runs = row("a", [70.0, 72.0])
    for run, macs in zip(runs, (5_000_000, 6_000_000), strict=True):
        run.cost["run"] = {"macs": macs}
    note = _assembled(table, {"a": runs}, {})["rows"][0]["note"]
    assert "the runs disagree on run_macs_m: 5.00 and 6.00" in note


def test_a_simulated_column_is_marked_and_no_other(tmp_path: Path) -> None:
    rows = "{a: {label: A, paper: vanilla, simulated: [test/top1_acc]}, b: {label: B, paper: simple_bypass}}"
    table = load("made", records.contract(tmp_path, rows=rows))
    data = _assembled(table, {"a": row("a", [70.0]), "b": row("b", [70.0])}, {})
    cells = [(each["row"], name, cell) for each in data["rows"] for name, cell in each["cells"].items()]
    assert [(name, column) for name, column, cell in cells if "simulated" in cell] == [("a", TOP1)]
    assert _cell(data, "a", TOP1)["simulated"] is True
