"""A contract's figure: read, and each mistake in it one line that names the place."""

from pathlib import Path

import pytest

from experiments.suite.contract import load
from lightning_modules.errors import UserError
from tests.suite import records

HEAD = (
    "title: A made table\npaper: squeezenet.table3_bypass\nseeds: [0]\n"
    "columns: [model_mb, test/top1_err, test/top1_acc]\nfigure: {}"
)
SERIES = "series: [{label: nets, points: {b: B, a: A}}]"
GOOD = f"{{x: model_mb, y: test/top1_err, paper_y: test/top1_acc, {SERIES}}}"


def test_a_figure_names_columns_and_rows(tmp_path: Path) -> None:
    figure = load("made", records.contract(tmp_path, head=HEAD.format(GOOD))).figure
    assert figure is not None
    assert (figure.x, figure.y, figure.paper_y) == ("model_mb", "test/top1_err", "test/top1_acc")
    assert list(figure.series[0].points.items()) == [("b", "B"), ("a", "A")]
    assert figure.to_json()["series"] == [{"label": "nets", "points": {"b": "B", "a": "A"}}]


def test_the_paper_s_axis_is_ours_where_nothing_else_is_said(tmp_path: Path) -> None:
    text = f"{{x: model_mb, y: test/top1_acc, {SERIES}}}"
    figure = load("made", records.contract(tmp_path, head=HEAD.format(text))).figure
    assert figure is not None and figure.paper_y == "test/top1_acc"


def test_a_table_without_a_figure(tmp_path: Path) -> None:
    assert load("made", records.contract(tmp_path)).figure is None


@pytest.mark.parametrize(
    ("figure", "message"),
    [
        (GOOD.replace("x: model_mb", "x: model_m"), "figure.x: unknown column 'model_m', did you mean model_mb?"),
        (GOOD.replace("paper_y: test/top1_acc", "paper_y: 3"), "figure.paper_y: unknown column '3'"),
        (GOOD.replace("y: test/top1_err, ", ""), "figure: no y, add one"),
        (GOOD.replace("series", "serie"), "figure: unknown key 'serie', did you mean series?"),
        (GOOD.replace("b: B", "d: D"), "figure.series.0.points: unknown row 'd'"),
        (GOOD.replace("b: B", "b: 3"), "figure.series.0.points.b: is 3, write a text"),
        (GOOD.replace("{b: B, a: A}", "{}"), "figure.series.0.points: is empty, add a row"),
        (GOOD.replace(SERIES, "series: []"), "figure.series: is empty, add a series"),
        ("3", "figure: is 3, write a mapping"),
    ],
)
def test_mistakes(figure: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load("made", records.contract(tmp_path, head=HEAD.format(figure)))
    assert f"made.yaml: {message}" in str(caught.value) and "\n" not in str(caught.value)


def test_figure1_shows_each_of_its_rows() -> None:
    table = load("squeezenet-design-space")
    assert table.figure is not None
    shown = [row for series in table.figure.series for row in series.points]
    assert sorted(set(shown)) == sorted(row.name for row in table.rows if not row.extra)
    assert (shown.count("sr_0.5"), len(shown)) == (2, len(set(shown)) + 1)  # where the two series meet
    assert {name for claim in table.claims for name in claim.rows} <= {row.name for row in table.rows if row.trained}
    printed = {row.name: row.paper["test/top5_acc"] for row in table.rows}
    assert printed["sr_0.5"] == printed["pct_99"] == 85.3
