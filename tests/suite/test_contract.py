"""Contracts: the real ones load, and every mistake in one is a single line that names the place."""

from pathlib import Path

import pytest

from experiments.suite import contract, row_contract, statements
from experiments.suite.contract import load
from lightning_modules.errors import UserError
from tests.suite import records

HEAD = "title: t\npaper: squeezenet.table3_bypass\nseeds: [0]\ncolumns: [params, test/top1_acc]\n"
ROW = "{a: {label: Net A, paper: vanilla}}"


@pytest.mark.parametrize("name", contract.names())
def test_every_contract_loads_and_is_worded(name: str) -> None:
    table = load(name)
    for claim in table.claims:
        assert statements.statement(table, claim)


def test_table3() -> None:
    table = load("squeezenet-bypass")
    assert (table.name, table.seeds) == ("table3", (0, 1, 2, 3, 4))
    listed = [row.name for row in table.rows if not row.extra]
    assert listed == [row.name for row in table.rows][:3] == ["vanilla", "simple_bypass", "complex_bypass"]
    assert [claim.kind for claim in table.claims] == ["ordering"] * 3 + ["exact"] * 4
    assert table.row("complex_bypass").paper["model_mb"] == 7.7
    assert table.row("complex_bypass").paper["params"] is None
    assert "D06" in table.row("complex_bypass").cell_notes["model_mb"]
    assert any("D10" in note for note in table.notes) and any("D02" in note for note in table.notes)
    assert statements.statement(table, table.claims[0]) == (
        "Top-1 accuracy: SqueezeNet + simple bypass above Vanilla SqueezeNet"
    )
    assert statements.statement(table, table.claims[-1]) == (
        "Model size: SqueezeNet + complex bypass as printed, 7.7 MB"
    )


def test_names_are_in_a_reader_s_order(tmp_path: Path) -> None:
    (tmp_path / "table").mkdir()
    for name in ("table10", "figure1", "table2", "table1"):
        (tmp_path / "table" / f"{name}.yaml").touch()
    assert contract.names(tmp_path) == ["figure1", "table1", "table2", "table10"]


def test_a_table_that_does_not_exist() -> None:
    with pytest.raises(UserError, match="unknown table 'tabel3', did you mean table3"):
        load("tabel3")
    with pytest.raises(UserError, match="unknown table"):
        load("../table/table3")


def test_a_row_of_the_paper_that_we_do_not_have(tmp_path: Path) -> None:
    rows = "{a: {label: Net A, paper: vanilla}, z: {label: Net Z, paper: complex_bypass, implemented: false}}"
    table = load("made", records.contract(tmp_path, rows=rows))
    assert not table.row("z").implemented
    assert table.row("z").paper["test/top1_acc"] == 58.8


UNTRAINED = "{a: {label: A, paper: vanilla}, b: {label: B, trained: false}}"


def test_a_row_that_is_not_trained_here(tmp_path: Path) -> None:
    claims = "[{id: x, kind: exact, metric: params, row: a, equals: b}]"
    table = load("made", records.contract(tmp_path, claims, UNTRAINED))
    assert [(row.name, row.trained, row.implemented) for row in table.rows] == [("a", True, True), ("b", False, True)]
    assert table.is_trained


def test_a_table_without_training(tmp_path: Path) -> None:
    conf = records.contract(tmp_path, rows="{b: {label: B, trained: false}}", head=HEAD.replace("[0]", "[]"))
    (conf / "experiment" / "made" / "mine.yaml").write_text("seed: 1\n", encoding="utf-8")
    table = load("made", conf)
    assert table.seeds == () and not table.is_trained
    assert [(row.name, row.trained, row.extra) for row in table.rows] == [("b", False, False), ("mine", False, True)]


def test_what_others_print_of_a_net(tmp_path: Path) -> None:
    rows = (
        "{a: {label: A, paper: vanilla, also: {torchvision: {paper_table: peers.torchvision, paper: SqueezeNet1_0}, "
        "elsewhere: {paper_table: peers.pytorchcv, paper: SqueezeNet v1.0, fields: {params: null}}}}}"
    )
    also = load("made", records.contract(tmp_path, rows=rows)).row("a").also
    assert list(also) == ["torchvision", "elsewhere"]
    assert (also["torchvision"]["params"], also["torchvision"]["model_mb"]) == (1248424, 4.778)
    assert (also["elsewhere"]["params"], also["elsewhere"]["test/top1_err"]) == (None, 39.29)


def test_a_row_from_another_table_and_from_a_column_of_it(tmp_path: Path) -> None:
    rows = (
        "{a: {label: g3, paper: 1.0, paper_table: shufflenet_v1.table2_groups, fields: {test/top1_err: g3}}, "
        "b: {label: ours}}"
    )
    table = load("made", records.contract(tmp_path, rows=rows))
    assert table.row("a").paper["test/top1_err"] == 32.6
    assert table.row("a").source.printed_as == "Table 2"
    assert set(table.row("b").paper.values()) == {None}


def _with_files(folder: Path, files: dict[str, str], claims: str = "[]") -> Path:
    """A conf folder with the table ``made`` and these files beside the ones of its rows a, b and c."""
    conf = records.contract(folder, claims)
    for name, text in files.items():
        (conf / "experiment" / "made" / name).write_text(text, encoding="utf-8")
    return conf


def test_a_file_that_the_contract_does_not_list_is_an_extra_row(tmp_path: Path) -> None:
    files = {
        "my_net.yaml": "# @package _global_\ndefaults: [override /arch: squeezenet]\nlabel: ' My net '\n",
        "another-0.5.yaml": "seed: 1\n",
        "third.yaml": "label: null\n",
        ".swap.yaml": "[",
        "notes.txt": "",
    }
    table = load("made", _with_files(tmp_path, files))
    assert [row.name for row in table.rows] == ["a", "b", "c", "another-0.5", "my_net", "third"]
    assert [row.label for row in table.rows[3:]] == ["another-0.5", "My net", "third"]
    assert [row.extra for row in table.rows] == [False] * 3 + [True] * 3
    for row in table.rows[3:]:
        assert row.implemented and row.note == row_contract.EXTRA_NOTE and not row.cell_notes
        assert row.paper == dict.fromkeys((column.name for column in table.columns), None)


def test_a_row_that_is_not_implemented_stays_so_with_a_file(tmp_path: Path) -> None:
    conf = records.contract(tmp_path, rows="{a: {label: A}, z: {label: Z, implemented: false}}")
    (conf / "experiment" / "made" / "z.yaml").write_text("seed: 1\n", encoding="utf-8")
    table = load("made", conf)
    assert [row.name for row in table.rows] == ["a", "z"]
    assert not table.row("z").implemented and not table.row("z").extra


def test_nothing_can_be_claimed_of_an_extra_row(tmp_path: Path) -> None:
    claims = "[{id: x, kind: exact, metric: params, row: a, equals: mine}]"
    _fails(_with_files(tmp_path, {"mine.yaml": "seed: 1\n"}, claims), "claims.x.equals: unknown row 'mine'")


EXTRAS = [
    ({"my net.yaml": "seed: 1"}, "my net.yaml: a row's file is named in letters, digits, _ - and . only, rename it"),
    ({"x.yaml": "label: 5"}, "x.yaml: label: is 5, write a text"),
    ({"x.yaml": "label: ' '"}, "x.yaml: label: is ' ', write a text"),
    ({"x.yaml": "label: Net B"}, "x.yaml: label: 'Net B' is the label of row 'b', choose another"),
    ({"x.yaml": "label: Y", "y.yaml": "label: Y"}, "y.yaml: label: 'Y' is the label of row 'x', choose another"),
    ({"x.yaml": "label: ["}, "x.yaml is not valid YAML"),
    ({"x.yaml": ""}, "x.yaml is not a mapping"),
]


@pytest.mark.parametrize(("files", "message"), EXTRAS)
def test_mistakes_in_extra_rows(files: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load("made", _with_files(tmp_path, files))
    text = str(caught.value)
    assert message in text and "experiment/made/" in text and "\n" not in text


CLAIM = "{{id: x, kind: {}, metric: test/top1_acc, {}}}"
ORDER = "better: a, worse: b"


def _gap(wider: str, than: str, margin: str = "0") -> str:
    return "[" + CLAIM.format("gap", f"wider: {wider}, than: {than}, margin: {margin}") + "]"


CLAIMS = [
    ("[{kind: exact}]", "claims.0: no id, add one"),
    ("[" + CLAIM.format("ordring", ORDER) + "]", "claims.x: unknown kind 'ordring', did you mean ordering?"),
    ("[" + CLAIM.format("ordering", ORDER) + "]", "claims.x: no margin, add one"),
    ("[" + CLAIM.format("ordering", ORDER + ", margin: -1") + "]", "claims.x.margin: is -1, write a number, 0 or more"),
    ("[" + CLAIM.format("ordering", ORDER + ", margin: yes") + "]", "claims.x.margin: is True"),
    ("[" + CLAIM.format("ordering", ORDER + ", margin: .nan") + "]", "claims.x.margin: is nan"),
    ("[" + CLAIM.format("equivalent", "row: a, to: b, margin: 0") + "]", "write a number, more than 0"),
    ("[" + CLAIM.format("ordering", "better: a, worse: bb, margin: 0") + "]", "claims.x.worse: unknown row 'bb'"),
    ("[" + CLAIM.format("ordering", "better: a, worse: a, margin: 0") + "]", "claims.x: names one row twice"),
    (
        "[" + CLAIM.format("ordering", "better: a, worst: b, margin: 0") + "]",
        "unknown key 'worst', did you mean worse?",
    ),
    ("[" + CLAIM.format("ordering", "better: a, worse: z, margin: 0") + "]", "row 'z' is not implemented"),
    ("[{id: x, kind: exact, metric: parms, row: a, equals: b}]", "unknown column 'parms', did you mean params?"),
    ("[{id: x, kind: exact, metric: params, row: a, equals: paper}]", "the paper prints no params for row 'a'"),
    ("[{id: x, kind: exact, metric: params, row: a, equals: paaper}]", "did you mean paper?"),
    ("[{id: x, kind: exact, metric: test/top1_acc, row: a, equals: b}]", "an exact claim needs a computed column"),
    (
        "[{id: x, kind: exact, metric: params, row: a, equals: b}, "
        "{id: x, kind: exact, metric: params, row: b, equals: a}]",
        "the id 'x' is used twice",
    ),
    ("[" + CLAIM.format("trend", "rows: [a, b], direction: increasing, margin: 0") + "]", "at least 3 rows"),
    ("[" + CLAIM.format("trend", "rows: [a, b, c], direction: up, margin: 0") + "]", "unknown direction 'up'"),
    ("[" + CLAIM.format("ratio", "row: a, over: b, margin: 1") + "]", "less than 1"),
    (_gap("{better: a, worse: b}", "{better: a, worse: d}"), "claims.x.than.worse: unknown row 'd'"),
    (_gap("{better: a, worse: b}", "{better: a, worse: z}"), "claims.x.than.worse: row 'z' is not implemented"),
    (_gap("{better: a, wors: b}", "{better: a, worse: c}"), "claims.x.wider: unknown key 'wors', did you mean worse?"),
    (_gap("{better: a}", "{better: a, worse: c}"), "claims.x.wider: no worse, add one"),
    (_gap("a", "{better: a, worse: c}"), "claims.x.wider: is 'a', write a mapping"),
    (_gap("{better: a, worse: a}", "{better: a, worse: c}"), "claims.x.wider: names one row twice"),
    (_gap("{better: a, worse: b}", "{better: b, worse: a}"), "wider and than compare the same two rows"),
    (_gap("{better: a, worse: b}", "{better: a, worse: c}", "-1"), "claims.x.margin: is -1, write a number, 0 or more"),
    ("[{id: x, kind: delta, metric: model_mb, row: a, minus: b, margin: 0}]", "its difference has no sign"),
    ("[3]", "claims.0: is 3, write a mapping"),
    ("3", "claims: is 3, write a list"),
]


@pytest.mark.parametrize(("claims", "message"), CLAIMS)
def test_mistakes_in_claims(claims: str, message: str, tmp_path: Path) -> None:
    rows = (
        "{a: {label: A, paper: vanilla}, b: {label: B, paper: simple_bypass}, c: {label: C, paper: complex_bypass}, "
        "z: {label: Z, implemented: false}}"
    )
    _fails(records.contract(tmp_path, claims, rows), message)


ROWS = [
    (
        "{a: {label: A, paper: vanila}}",
        "rows.a.paper: squeezenet.table3_bypass: unknown row 'vanila', did you mean vanilla?",
    ),
    ("{a: {paper: vanilla}}", "rows.a: no label, add one"),
    ("{a: {label: '', paper: vanilla}}", "rows.a.label: is '', write a text"),
    ("{a: {label: A, papper: vanilla}}", "rows.a: unknown key 'papper', did you mean paper?"),
    ("{a: {label: A, fields: {test/top1_ac: g3}}}", "rows.a.fields: unknown key 'test/top1_ac', did you mean"),
    (
        "{a: {label: A, paper: vanilla, fields: {params: top1}}}",
        "rows.a.paper: squeezenet.table3_bypass: unknown field",
    ),
    ("{a: {label: A, implemented: maybe}}", "rows.a.implemented: is 'maybe', write true or false"),
    ("{a: {label: A, trained: maybe}}", "rows.a.trained: is 'maybe', write true or false"),
    ("{a: {label: A, implemented: false, trained: false}}", "rows.a.trained: the row is not implemented"),
    ("{d: {label: D, trained: false}, a: {label: A}}", "add it or say implemented: false"),
    ("{a: {label: A, trained: false}}", "seeds: is [0, 1, 2, 3, 4], but no row is trained: write []"),
    ("{a: {label: A, also: {x: {paper_table: peers.torchvision}}}}", "rows.a.also.x: no paper, add one"),
    ("{a: {label: A, also: {x: {paper_table: peers.torch, paper: AlexNet}}}}", "also.x.paper_table: peers.torch: unkn"),
    ("{a: {label: A, note: {see: D99}}}", "rows.a.note.see: unknown discrepancy 'D99'"),
    ("{a: {label: A, cell_notes: {macs: x}}}", "rows.a.cell_notes: unknown key 'macs'"),
    ("{a: {label: A}, b: {label: A}}", "rows.b.label: 'A' is the label of row 'a', choose another"),
    ("{d: {label: D}}", "add it or say implemented: false"),
    ("{8: {label: D}}", "rows: the key 8 is no text"),
    ("{}", "rows: is empty"),
    ("[a]", "rows: is ['a'], write a mapping"),
    ("{a: {label: A}, a: {label: B}}", "'a' is written twice"),
]


@pytest.mark.parametrize(("rows", "message"), ROWS)
def test_mistakes_in_rows(rows: str, message: str, tmp_path: Path) -> None:
    _fails(records.contract(tmp_path, rows=rows), message)


HEADS = [
    (HEAD.replace("title: t", "titel: t"), "unknown key 'titel', did you mean title?"),
    (HEAD.replace("title: t\n", ""), "no title, add one"),
    (HEAD.replace("table3_bypass", "table3_bypas"), "paper: squeezenet.table3_bypas: unknown table of"),
    (HEAD.replace("params", "parms"), "columns: unknown column 'parms', did you mean params?"),
    (HEAD.replace("params", "test/top1_acc"), "columns: name each column once"),
    (HEAD.replace("[0]", "[0, 0]"), "seeds: is [0, 0], write different whole numbers"),
    (HEAD.replace("[0]", "[]"), "seeds: is []"),
    (HEAD.replace("[0]", "[true]"), "seeds: is [True]"),
    (HEAD + "notes: [{}]\n", "notes.0: is empty"),
    (HEAD + "aliases: [made]\n", "'made' already means made, choose another"),
    (HEAD + "title: again\n", "'title' is written twice"),
]


def test_nothing_trained_can_be_claimed_of_a_row_that_is_not(tmp_path: Path) -> None:
    claims = "[{id: x, kind: ordering, metric: test/top1_acc, better: a, worse: b, margin: 0}]"
    message = "claims.x: row 'b' is not trained, so nothing can be claimed of its test/top1_acc"
    _fails(records.contract(tmp_path, claims, UNTRAINED), message)


@pytest.mark.parametrize(("head", "message"), HEADS)
def test_mistakes_at_the_top(head: str, message: str, tmp_path: Path) -> None:
    _fails(records.contract(tmp_path, rows=ROW, head=head), message)


def _fails(conf: Path, message: str) -> None:
    with pytest.raises(UserError) as caught:
        load("made", conf)
    text = str(caught.value)
    assert message in text
    assert "made.yaml" in text and "\n" not in text


def test_a_row_may_have_fewer_seeds_than_the_table(tmp_path: Path) -> None:
    rows = "{a: {label: Net A, paper: vanilla}, b: {label: Net B, paper: simple_bypass, seeds: [0, 2]}}"
    table = load("made", records.contract(tmp_path, rows=rows))
    assert [table.row("b").runs_with(seed) for seed in range(4)] == [True, False, True, False]
    assert table.row("a").runs_with(3)
    with pytest.raises(UserError, match=r"rows.b.seeds: the table has no seed 7, choose some of its own"):
        load("made", records.contract(tmp_path, rows=rows.replace("[0, 2]", "[0, 7]")))
    with pytest.raises(UserError, match=r"rows.b.seeds: is \[\], write different whole numbers from 0 on"):
        load("made", records.contract(tmp_path, rows=rows.replace("[0, 2]", "[]")))
