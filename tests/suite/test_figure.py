"""A figure shows the table's numbers, and equal data give equal files."""

import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from experiments.suite import figure
from experiments.suite.contract import load
from experiments.suite.figure_contract import MOST_SERIES
from experiments.suite.paths import ROOT

MEASURED = {
    "sr_0.125": (4.76, 13.0, 12.5, 13.5),
    "sr_0.5": (12.99, 11.0, None, None),
    "sr_1.0": (23.95, 10.5, 10.1, 10.9),
}


def _data(side: str = "published") -> dict[str, Any]:
    """The table of figure1 as `assemble` gives it, with three rows run."""
    table = load("figure1")
    assert table.figure is not None
    rows = []
    for row in table.rows:
        cells: dict[str, Any] = {
            column.name: {"paper": row.paper[column.name], "published": None, "here": None} for column in table.columns
        }
        if row.name in MEASURED:
            size, mean, low, high = MEASURED[row.name]
            cells["model_mb"][side] = {"mean": size, "low": None, "high": None, "n": None}
            cells["test/top1_err"][side] = {"mean": mean, "low": low, "high": high, "n": 5}
        rows.append({"row": row.name, "label": row.label, "cells": cells})
    columns = [{"name": column.name, "header": column.header} for column in table.columns]
    return {
        "table": "figure1",
        "paper": dict(table.source.paper),
        "budget": "proxy",
        "columns": columns,
        "rows": rows,
        "figure": table.figure.to_json(),
    }


def _crowd(x_interval: float = 0) -> dict[str, Any]:
    """Ten series, 25 rows, none of them the paper's: files of 50 kB to 3 MB, most of them with nearly the same error."""
    generator = np.random.default_rng(0)
    sizes = np.geomspace(50_000, 3_000_000, 25)
    errors = 9 + generator.exponential(1, 25)
    rows = []
    for index, (size, error) in enumerate(zip(sizes, errors, strict=True)):
        across = {"mean": size, "low": size - x_interval, "high": size + x_interval, "n": 5}
        up = {"mean": error, "low": error - 0.3, "high": error + 0.3, "n": 5}
        sides = {"paper": None, "here": None}
        cells = {"file/bytes": {**sides, "published": across}, "test/top1_err": {**sides, "published": up}}
        rows.append({"row": f"r{index}", "cells": cells})
    series = [
        {"label": f"method {index}", "points": {f"r{row}": f"{row} bits" for row in range(index, 25, MOST_SERIES)}}
        for index in range(MOST_SERIES)
    ]
    series[3]["line"] = False
    return {
        "table": "table13",
        "paper": {"title": "A paper"},
        "budget": "proxy",
        "columns": [
            {"name": "file/bytes", "header": "File, bytes", "unit": "bytes", "better": "lower"},
            {"name": "test/top1_err", "header": "Top-1 error, %", "unit": "points", "better": "lower"},
        ],
        "rows": rows,
        "figure": {
            "x": "file/bytes", "y": "test/top1_err", "paper_y": "test/top1_err",
            "series": series, "x_scale": "log", "front": True,
        },
    }  # fmt: skip


def _near(left: Any, right: Any) -> bool:
    """Whether two boxes overlap by more than a pixel of the screen."""
    return bool(np.all(np.minimum(left.max, right.max) - np.maximum(left.min, right.min) > 1))


def test_points_are_the_table_s_numbers() -> None:
    data = _data()
    ratio, share = data["figure"]["series"]
    assert figure.points(data, ratio, "published") == MEASURED
    assert list(figure.points(data, share, "published")) == ["sr_0.5"]
    paper = figure.points(data, ratio, "paper")
    assert list(paper) == ["sr_0.125", "sr_0.5", "sr_0.75"]  # it prints no accuracy at the others
    cells = next(row for row in data["rows"] if row["row"] == "sr_0.5")["cells"]
    assert paper["sr_0.5"][:2] == (cells["model_mb"]["paper"], 100 - cells["test/top5_acc"]["paper"])


def test_an_accuracy_stays_one_beside_accuracies() -> None:
    data = _data()
    data["figure"]["y"] = "test/top5_acc"
    found = figure.points(data, data["figure"]["series"][0], "paper")
    assert found["sr_0.125"][1] == data["rows"][0]["cells"]["test/top5_acc"]["paper"]


@pytest.mark.parametrize("side", ["published", "here"])
def test_the_panels(side: str) -> None:
    assert figure.sources(_data(side)) == ["paper", side]
    unrun = _data(side)
    for row in unrun["rows"]:
        row["cells"]["test/top1_err"][side] = None
    assert figure.sources(unrun) == ["paper"]


def test_the_paper_has_no_panel_where_it_prints_no_point() -> None:
    data = _crowd()
    assert figure.sources(data) == ["published"]
    for row in data["rows"]:
        row["cells"]["test/top1_err"]["published"] = None
    assert figure.sources(data) == ["published"]
    (axes,) = figure._drawn(data).axes
    assert [text.get_text() for text in axes.texts] == ["nothing has been run"]


def test_a_size_that_differs_between_seeds_is_drawn_as_its_mean() -> None:
    assert figure.all_points(_crowd(x_interval=1000), "published") == figure.all_points(_crowd(), "published")


@pytest.mark.parametrize(
    ("numbers", "better", "expected"),
    [
        ({"a": (1, 9), "b": (2, 8), "c": (3, 8.5), "d": (4, 7)}, ("lower", "lower"), ["a", "b", "d"]),
        ({"d": (4, 7), "b": (2, 8), "a": (1, 9)}, ("lower", "lower"), ["a", "b", "d"]),  # whatever the order
        ({"a": (1, 8), "b": (2, 8), "c": (1, 9)}, ("lower", "lower"), ["a"]),  # as good in one, worse in the other
        ({"a": (1, 8), "b": (1, 8)}, ("lower", "lower"), ["a", "b"]),
        ({"a": (1, 9), "b": (2, 8), "c": (3, 8.5), "d": (4, 7)}, ("lower", "higher"), ["a"]),
        ({"a": (1, 9), "b": (2, 8), "c": (3, 8.5), "d": (4, 7)}, ("higher", "higher"), ["a", "c", "d"]),
        ({"a": (1, 9), "b": (2, 8)}, ("higher", "lower"), ["b"]),
        ({}, ("lower", "lower"), []),
    ],
)
def test_the_front(numbers: dict[str, tuple[float, float]], better: tuple[str, str], expected: list[str]) -> None:
    assert figure.front({row: (*xy, None, None) for row, xy in numbers.items()}, better) == expected


def test_texts_stand_where_they_hide_little() -> None:
    page, nothing = np.array([0.0, 0, 100, 100]), np.zeros((0, 4))

    def placed(points: list[tuple[float, float]], ink: np.ndarray = nothing) -> list[tuple[figure.Side, int]]:
        sizes = np.tile([20.0, 8.0], (len(points), 1))
        return figure.placed(np.array(points), sizes, [(1, 1)] * len(points), ink, page)

    near = figure.DISTANCES[0]
    assert placed([(50, 50)]) == [((1, 1), near)]
    assert placed([(50, 50)], np.array([[53.0, 53, 60, 60]])) == [((-1, -1), near)]
    assert placed([(90, 50)]) == [((-1, -1), near)]  # not out of the page
    assert placed([(5, 5)], np.array([[0.0, 0, 40, 12]]))[0][0][1] == 1
    assert placed([(50, 50), (52, 50)]) == [((1, 1), near), ((-1, -1), near)]
    surrounded = np.array([[38.0, 38, 62, 62]])
    assert placed([(50, 50)], surrounded)[0][1] > near
    assert placed([]) == []


def test_every_series_has_its_own_colour_marker_and_line() -> None:
    for kinds in zip(*figure.STYLES, strict=True):
        assert len(set(kinds)) == len(figure.STYLES) == MOST_SERIES


def test_a_crowded_figure() -> None:
    from matplotlib import rc_context

    data = _crowd()
    with rc_context(figure.SETTINGS):
        drawn = figure._drawn(data)
        drawn.draw_without_rendering()
        (axes,), (legend,) = drawn.axes, drawn.legends
        named = {line.get_label(): line for line in axes.lines}
        texts = [text for text in axes.texts if text.get_text()]
        boxes = [text.get_window_extent() for text in texts]
        assert legend.get_window_extent().width <= drawn.bbox.width
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == [*(f"method {index}" for index in range(MOST_SERIES)), "Pareto front"]
    assert (named["method 2"].get_linestyle(), named["method 3"].get_linestyle()) == ("-.", "None")
    found = figure.all_points(data, "published")
    assert list(np.asarray(named["Pareto front"].get_xdata())) == [found[row][0] for row in figure.front(found)]
    assert named["Pareto front"].get_zorder() < named["method 0"].get_zorder()
    assert axes.get_xlabel() == "File, kB" and axes.get_ylabel() == "Top-1 error, %"
    low, high = axes.get_xlim()
    ticks = [tick.get_text() for tick in axes.get_xticklabels() if low <= tick.get_position()[0] <= high]
    assert ticks == ["50", "100", "200", "500", "1,000", "2,000"]
    assert len(texts) == 25 and not any(_near(one, other) for one, other in combinations(boxes, 2))
    assert all(axes.bbox.x0 - 1 <= box.x0 and box.x1 <= axes.bbox.x1 + 1 for box in boxes)


def test_a_roomy_figure_has_the_first_series_texts_below_and_the_second_s_above() -> None:
    from matplotlib.text import Annotation

    drawn = figure._drawn(_data())
    for axes in drawn.axes:
        texts = [text for text in axes.texts if isinstance(text, Annotation)]
        assert {text.xyann for text in texts if text.get_text().endswith("%")} == {(3, 3)}
        assert {text.xyann for text in texts if not text.get_text().endswith("%")} == {(-3, -3)}
        assert axes.get_xscale() == axes.get_yscale() == "linear"
    assert drawn.get_size_inches().tolist() == [figure.WIDTH, 0.5 + 2 * 1.9]


def test_what_is_drawn_can_be_read_and_is_the_same_again(tmp_path: Path) -> None:
    first, again = figure.draw(_data(), tmp_path / "a"), figure.draw(_data(), tmp_path / "b")
    assert [path.name for path in first] == ["figure1.png", "figure1.svg"]  # the last one says that both are there
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    assert all(path.stat().st_size < 2**19 for path in first)
    svg = ElementTree.parse(first[1]).getroot()
    assert svg.get("width") == f"{figure.WIDTH * 72}pt".replace(".0pt", "pt")
    assert "date" not in first[1].read_text(encoding="utf-8").lower()
    with Image.open(first[0]) as png:
        assert png.width == int(figure.WIDTH * figure.DOTS_PER_INCH)
        assert "Software" not in png.info
    moved = _data()
    moved["rows"][0]["cells"]["test/top1_err"]["published"]["mean"] = 14.0
    assert figure.draw(moved, tmp_path / "c")[0].read_bytes() != first[0].read_bytes()


def test_what_is_there_is_not_drawn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = figure.draw(_data(), tmp_path)
    monkeypatch.setattr(figure, "_drawn", lambda data: pytest.fail("drawn again"))
    assert figure.draw(_data(), tmp_path) == paths
    for path in paths:
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(pytest.fail.Exception, match="drawn again"):
            figure.draw(_data(), tmp_path)
        path.write_bytes(content)
    with pytest.raises(pytest.fail.Exception, match="drawn again"):
        figure.draw({**_data(), "title": "Another"}, tmp_path)


def test_a_table_without_a_figure_draws_nothing(tmp_path: Path) -> None:
    assert figure.draw({**_data(), "figure": None}, tmp_path) == []
    assert not list(tmp_path.iterdir())


def test_what_draws_nothing_loads_no_matplotlib() -> None:
    code = "import sys, experiments.suite.figure; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
