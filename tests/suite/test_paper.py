"""The published numbers: found, printed as the paper prints them, and named when missing."""

from pathlib import Path

import pytest

from experiments.suite import paper, yamls
from experiments.suite.paths import CONF
from lightning_modules.errors import CorruptFileError, UserError


@pytest.mark.parametrize("path", sorted((CONF / "paper").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_paper_parses_and_its_tables_have_a_source(path: Path) -> None:
    content = yamls.read(path)
    for name, value in content.items():
        if isinstance(value, dict) and value.get("rows"):
            table = paper.table(f"{path.stem}.{name}")
            assert table.rows
            assert table.paper["title"]
            assert table.printed_as or "paper" not in value.get("source", {})


def test_a_row_by_its_first_field() -> None:
    table = paper.table("squeezenet.table3_bypass")
    assert table.row("simple_bypass")["top1_acc"] == 60.4
    assert (table.printed_as, table.verified) == ("Table 3", True)
    assert table.paper["arxiv"] == "1602.07360"


def test_a_row_by_several_fields() -> None:
    table = paper.table("squeezenet.table2_compression")
    assert table.row({"net": "AlexNet", "method": "SVD"})["model_mb"] == 48
    assert table.row({"net": "SqueezeNet", "bits": 6})["model_mb"] == 0.47  # printed as text, asked for as a number


def test_an_inner_table_inherits_the_source() -> None:
    table = paper.table("deep_compression.pruning_2015.summary_rows")
    assert "1506.02626" in str(table.printed_as)
    assert table.row("LeNet-5")["ratio"] == 12


def test_true_is_not_one() -> None:
    table = paper.table("shufflenet_v2.table4_g4_elementwise")
    assert table.row({"relu": True, "shortcut": False})["gpu_c32"] == 2647
    with pytest.raises(UserError, match="unknown row"):
        table.row({"relu": 1, "shortcut": 0})


@pytest.mark.parametrize(
    ("pointer", "message"),
    [
        ("squezenet.table3_bypass", "unknown paper 'squezenet', did you mean squeezenet?"),
        ("squeezenet.table3_bypas", "did you mean table3_bypass?"),
        ("squeezenet.training_recipe", "no rows there"),
        ("squeezenet", "no rows there"),
        ("", "unknown paper"),
        ("../paper/squeezenet.x", "unknown paper"),
    ],
)
def test_a_pointer_that_leads_nowhere(pointer: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        paper.table(pointer)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_rows_and_fields_that_do_not_exist() -> None:
    table = paper.table("squeezenet.table2_compression")
    with pytest.raises(UserError, match="4 rows match AlexNet; name more fields"):
        table.row("AlexNet")
    with pytest.raises(UserError, match="unknown field 'metod', did you mean method"):
        table.row({"metod": "SVD"})
    with pytest.raises(UserError, match="unknown row 'simple_bypas', did you mean simple_bypass"):
        paper.table("squeezenet.table3_bypass").row("simple_bypas")
    row = paper.table("squeezenet.table3_bypass").row("vanilla")
    with pytest.raises(UserError, match="unknown field 'top1_ac', did you mean top1_acc"):
        paper.number(row, "top1_ac", "here")
    with pytest.raises(UserError, match="not one number"):
        paper.number(row, "variant", "here")
    assert paper.number({"a": None}, "a", "here") is None


def test_printed_precision_keeps_trailing_zeros() -> None:
    row = paper.table("deep_compression.table1_summary").row("VGG-16")
    assert row["ref_top1_err"] == 31.5
    assert paper.text(row["ref_top1_err"]) == "31.50"
    assert paper.decimals(row["ref_top1_err"]) == 2
    assert [paper.decimals(number) for number in (48, 4.8, 0.47)] == [0, 1, 2]


def test_agreement_to_the_printed_precision() -> None:
    assert paper.agrees(1_248_424 * 4 / 2**20, 4.8)
    assert not paper.agrees(1_589_672 * 4 / 2**20, 7.7)
    assert paper.agrees(4.85, 4.8) and paper.agrees(4.85, 4.9)
    assert not paper.agrees(4.8501, 4.8)
    assert paper.agrees(239.6, 240)


def test_a_discrepancy_in_a_line() -> None:
    assert paper.discrepancy("D06").startswith("D06: SqueezeNet complex bypass size; printed_mb = 7.7")
    with pytest.raises(UserError, match="unknown discrepancy 'D99'"):
        paper.discrepancy("D99")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "paper").mkdir()
    path = tmp_path / "paper" / "odd.yaml"
    for text in ("a: [1, 2", "a: 1\na: 2\n", "- 1\n", "\x00"):
        path.write_text(text)
        with pytest.raises(CorruptFileError) as caught:
            yamls.read(path)
        assert "odd.yaml" in str(caught.value) and "\n" not in str(caught.value)
        path.unlink()
