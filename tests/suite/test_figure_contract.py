"""A contract's figure: read, and each mistake in it one line that names the place."""

import json
from pathlib import Path

import pytest

from experiments.suite.contract import load
from experiments.suite.paths import ROOT
from lightning_modules.errors import UserError
from tests.suite import records

HEAD = (
    "title: A made table\npaper: squeezenet.table3_bypass\nseeds: [0]\n"
    "columns: [model_mb, test/top1_err, test/top1_acc]\nfigure: {}"
)
SERIES = "series: [{label: nets, points: {b: B, a: A}}]"
GOOD = f"{{x: model_mb, y: test/top1_err, paper_y: test/top1_acc, {SERIES}}}"
FULL = GOOD.replace("x: model_mb,", "x: model_mb, x_scale: log, y_scale: log, front: true,")


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


def test_scales_front_and_points_without_a_line(tmp_path: Path) -> None:
    text = FULL.replace("label: nets", "label: nets, line: false")
    figure = load("made", records.contract(tmp_path, head=HEAD.format(text))).figure
    assert figure is not None
    assert (figure.x_scale, figure.y_scale, figure.front, figure.series[0].line) == ("log", "log", True, False)
    said = figure.to_json()
    assert (said["x_scale"], said["y_scale"], said["front"]) == ("log", "log", True)
    assert said["series"] == [{"label": "nets", "points": {"b": "B", "a": "A"}, "line": False}]


def test_what_a_contract_leaves_out_is_not_in_the_data(tmp_path: Path) -> None:
    figure = load("made", records.contract(tmp_path, head=HEAD.format(GOOD))).figure
    spelled_out = GOOD.replace("x: model_mb,", "x: model_mb, x_scale: linear, y_scale: linear, front: false,")
    same = load("made", records.contract(tmp_path, head=HEAD.format(spelled_out))).figure
    assert figure is not None and figure == same
    assert list(figure.to_json()) == ["x", "y", "paper_y", "series"]
    published = json.loads((ROOT / "results/published/tables/figure1.json").read_text(encoding="utf-8"))
    drawn = load("figure1").figure
    assert drawn is not None and published["figure"] == drawn.to_json()


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
        (
            GOOD.replace("[{label: nets, points: {b: B, a: A}}]", str([1] * 11)),
            "figure.series: has 11 series, write at most 10",
        ),
        (FULL.replace("x_scale: log", "x_scale: lgo"), "figure.x_scale: unknown scale 'lgo', did you mean log?"),
        (FULL.replace("y_scale: log", "y_scale: [log]"), "figure.y_scale: unknown scale '['log']', did you mean log?"),
        (FULL.replace("front: true", "front: 1"), "figure.front: is 1, write true or false"),
        (FULL.replace("nets,", "nets, line: no-one,"), "figure.series.0.line: is 'no-one', write true or false"),
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
