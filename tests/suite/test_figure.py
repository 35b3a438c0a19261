"""A figure shows the table's numbers, and equal data give equal files."""

import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image

from experiments.suite import figure
from experiments.suite.contract import load
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
