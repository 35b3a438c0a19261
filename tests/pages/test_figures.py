"""Whose numbers a figure shows: of the paper, of what is published, of this machine, each said, none hidden by another."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.pages import figures, plates, table_page
from experiments.pages.charts import Axis, Bars, Chart, Drawing, Panel, Point, Series
from experiments.pages.gather import Report, View, view_of
from experiments.suite import contract
from experiments.suite.contract import DEFAULT_BUDGET
from experiments.suite.paths import ROOT
from experiments.suite.plan import rows_of
from experiments.suite.regenerate import budget_of
from tests.pages import made

pytestmark = pytest.mark.xdist_group("report")


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COMPACT_NETS_RESULTS", str(tmp_path))
    return tmp_path


def of_one_row(results: Path, table: str) -> None:
    row = rows_of(contract.load(table), DEFAULT_BUDGET)[0]
    made.write(results, made.record(row.contract_id, 0, 12.0, row.label))


def drawn(view: View) -> dict[str, Drawing]:
    return {each.name: each for each in figures.drawings(view)}


def panels(drawing: Drawing) -> dict[str, Panel]:
    assert isinstance(drawing, Chart)
    return {panel.title: panel for panel in drawing.panels}


def test_a_run_of_one_row_leaves_what_is_published_there(results: Path) -> None:
    made.of_table(results, "table3", range(3), public=True)
    before = drawn(view_of("table3", False, budget_of))
    of_one_row(results, "table3")
    after = drawn(view_of("table3", False, budget_of))
    for name in ("table3-curves", "table3-macs"):
        assert panels(after[name])["Published"] == panels(before[name])["Published"], name
    curves = panels(after["table3-curves"])
    assert len(curves["Published"].series) == 3 and len(curves["This machine"].series) == 1
    assert curves["This machine"].series[0].style == curves["Published"].series[0].style


def test_rows_that_have_a_panel_each_show_both_sides_in_it(results: Path) -> None:
    made.of_table(results, "table4", range(2), public=True)
    of_one_row(results, "table4")
    chart = drawn(view_of("table4", False, budget_of))["table4-curves"]
    assert isinstance(chart, Chart) and [each.label for each in chart.legend_entries] == ["Published", "This machine"]
    assert [len(panel.series) for panel in chart.panels] == [2] + [1] * 6
    assert "(published and this machine)" in chart.caption
    assert len({line["label"] for line in csv.DictReader(io.StringIO(chart.csv()))}) == 7  # each by its whole name


def test_speeds_here_do_not_make_published_runs_this_machines(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made.of_table(results, "table3", range(3), public=True)
    view = view_of("table3", False, budget_of)
    monkeypatch.setenv("COMPACT_NETS_RESULTS", str(ROOT / "results"))
    timing = view_of("table6", True, budget_of).published.timing
    assert timing is not None
    view = replace(view, here=replace(view.here, timing=timing))
    assert view.source == "published" and list(view.sides) == ["published"]
    assert list(panels(drawn(view)["table3-curves"])) == ["Published"]


def test_bars_say_whose_they_are_column_by_column() -> None:
    view = view_of("table6", True, budget_of)
    rel = [each["name"] for each in view.data["columns"] if each["kind"] == "timed" and each["name"].endswith("_rel")]
    assert len(rel) > 1
    number = {"mean": 2.0, "low": 1.9, "high": 2.1}
    for row in view.data["rows"]:
        for name in rel:
            row["cells"][name] |= {"published": number, "here": number if name == rel[0] else None}
    bars = [each for each in figures.drawings(view) if isinstance(each, Bars)]
    assert [each.source for each in bars] == ["this machine", *["published"] * (len(rel) - 1)]
    assert all(each.axis == "times better than the first row" for each in bars)
    assert all(each.title.endswith(", times better than the first row of each group") for each in bars)


def test_the_papers_points_alone_are_said_to_be_the_papers(tmp_path: Path) -> None:
    view = view_of("figure1", True, budget_of)
    (chart,) = (each for each in figures.drawings(view) if each.name == "figure1-figure")
    assert isinstance(chart, Chart) and list(panels(chart)) == ["Paper"]
    assert chart.title.startswith("Top-5 error against") and "95 %" not in chart.caption
    page = str(table_page.files(Report([view], {}, True))["tables/figure1.html"])
    assert '<p class="panel-title">Paper</p>' in page
    figure = plates._chart(chart)
    assert figure.axes[0].get_title(loc="left") == "Paper"


def test_one_panel_of_a_row_has_no_title_and_an_empty_chart_none() -> None:
    axes, series = (Axis("x"), Axis("y")), (Series("a", (Point(1, 2), Point(2, 3))),)
    assert not Chart("c", "", "", (Panel("All rows", *axes, series),)).titled
    assert Chart("c", "", "", (Panel("Paper, Table 5", *axes, series),)).titled
    assert Chart("c", "", "", (Panel("a", *axes, series), Panel("b", *axes, series))).titled
    empty = Chart("c", "", "", ())
    assert not empty.titled and table_page.shown_figure(empty)["pictures"] == []


def test_no_text_of_a_plate_is_nearest_to_another_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the published table4, where a text once touched another net's point."""
    monkeypatch.setenv("COMPACT_NETS_RESULTS", str(ROOT / "results"))
    chart = drawn(view_of("table4", True, budget_of))["table4-size"]
    assert isinstance(chart, Chart)
    figure = plates._chart(chart)
    seen = 0
    for axes, panel in zip(figure.axes, chart.panels, strict=True):
        points = axes.transData.transform([(p.x, p.y) for s in panel.series if s.role == "main" for p in s.points])
        for text in axes.texts:
            if text.get_visible():
                low, high = np.array(text.get_window_extent().extents).reshape(2, 2)
                gaps = np.hypot(*np.maximum(np.maximum(low - points, points - high), 0).T)
                own = int(np.argmin(np.hypot(*(points - axes.transData.transform(text.xy)).T)))  # type: ignore[attr-defined]
                assert gaps[own] <= gaps.min() + 1, text.get_text()
                seen += 1
    assert seen > 3
