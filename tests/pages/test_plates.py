"""`make figures`: every figure as PNG and SVG, a column wide, equal for equal records."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from experiments import figures
from experiments.pages import plates
from experiments.pages.charts import Axis, Bar, Bars, Chart, Panel, Point, Series
from experiments.suite.figure import DOTS_PER_INCH, WIDTH
from experiments.suite.paths import ROOT
from tests.pages import made

BARS = Bars(
    "bars",
    "Speed",
    "",
    "times",
    "published",
    (("GPU x1", (Bar("1:1", 1.0, 1.0, 1.0, 1.0), Bar("1:2", 0.8, 0.7, 0.9, 0.5))),),
)
LINES = tuple(
    Series(
        f"row {index}",
        tuple(Point(x, 10 / x + index, 9 / x, 11 / x) for x in range(1, 5)),
        index,
        marks=False,
        band=True,
    )
    for index in range(4)
)
CURVES = Chart(
    "curves",
    "Curves",
    "",
    tuple(Panel(each.label, Axis("Epoch"), Axis("Error, %"), (each,)) for each in LINES),
    legend=False,
    shared=True,
)


@pytest.mark.parametrize("drawn", [BARS, CURVES], ids=["bars", "curves"])
def test_a_figure_is_a_column_wide_and_the_same_again(drawn: Bars | Chart, tmp_path: Path) -> None:
    first = {path.name: path.read_bytes() for path in plates.write(drawn, tmp_path)}
    assert set(first) == {f"{drawn.name}.png", f"{drawn.name}.svg", f"{drawn.name}.csv"}
    assert {path.name: path.read_bytes() for path in plates.write(drawn, tmp_path)} == first
    with Image.open(tmp_path / f"{drawn.name}.png") as picture:
        assert picture.width == round(WIDTH * DOTS_PER_INCH)
    width = re.search(r'width="([\d.]+)pt"', (tmp_path / f"{drawn.name}.svg").read_text(encoding="utf-8"))
    assert width and float(width[1]) == pytest.approx(72 * WIDTH)


@pytest.mark.slow
def test_all_figures_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPACT_NETS_RESULTS", str(tmp_path))
    made.of_table(tmp_path, "table3", range(3))
    assert figures.main([]) == 0
    names = {path.name for path in (tmp_path / "local" / "figures").iterdir()}
    for name in ("table3-curves", "table3-macs", "table3-size", "figure1-figure", "table7-images_s_b1_rel"):
        assert {f"{name}.png", f"{name}.svg", f"{name}.csv"} <= names


def test_an_unknown_table_is_one_line() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "experiments.figures", "table=table99"], cwd=ROOT, capture_output=True, text=True
    )
    assert answer.returncode == 2 and len(answer.stderr.strip().splitlines()) == 1 and "table99" in answer.stderr
