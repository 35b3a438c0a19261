"""A table of landmarks: its curves of errors, its example faces, its groups of faces."""

import base64
import csv
import io
from pathlib import Path

import pytest
from PIL import Image

from experiments.pages import figures, plates, table_page
from experiments.pages.charts import Chart, Drawing, Picture
from experiments.pages.gather import Report, View, view_of
from experiments.suite.regenerate import budget_of
from tests.pages import made

FACES = 60

pytestmark = pytest.mark.xdist_group("report")


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COMPACT_NETS_RESULTS", str(tmp_path))
    made.of_faces(tmp_path, ("level_1", "level_2_box"), range(2), FACES)
    return tmp_path


def picture(results: Path, side: str = "local") -> bytes:
    """As `python -m experiments.landmark_figures` leaves it."""
    out = io.BytesIO()
    Image.new("RGB", (8, 6), "red").save(out, format="png")
    path = results / side / "tables" / "table12-faces.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(out.getvalue())
    return out.getvalue()


def view() -> View:
    return view_of("table12", False, budget_of)


def drawn() -> dict[str, Drawing]:
    return {each.name: each for each in figures.drawings(view())}


def test_each_row_with_errors_has_a_curve_that_rises_to_all_faces(results: Path) -> None:
    curves = drawn()["table12-ced"]
    assert isinstance(curves, Chart)
    (panel,) = curves.panels
    assert [series.label for series in panel.series] == ["level_1", "level_2, crop around the points"]
    first, second = ([point.y for point in series.points] for series in panel.series)
    assert first[0] == 0 and first[-1] == 100 and first == sorted(first)
    assert all(better >= worse for better, worse in zip(second, first, strict=True)) and second != first
    assert panel.title == "This machine"


def test_example_faces_are_shown_where_they_have_been_drawn(results: Path) -> None:
    assert "table12-faces" not in drawn()
    picture(results, "published")
    assert "table12-faces" not in drawn()  # this machine's runs have none
    png = picture(results)
    shown = drawn()["table12-faces"]
    assert isinstance(shown, Picture) and shown.png == png and shown.size == (8, 6)
    lines = list(csv.DictReader(io.StringIO(shown.csv())))
    assert [line["line"] for line in lines] == ["best"] * 4 + ["median"] * 4 + ["worst"] * 4
    errors = [float(line["test/nme of level_2"]) for line in lines]
    assert errors == sorted(errors) and errors[-1] < min(float(line["test/nme of level_1"]) for line in lines)


def test_the_page_has_the_picture_as_a_file_and_the_groups_as_a_table(results: Path) -> None:
    png = picture(results)
    found = table_page.files(Report([view()], {}, False))
    page = str(found["tables/table12.html"])
    assert found["tables/table12-faces.png"] == png and '<img src="table12-faces.png" width="8" height="6"' in page
    assert "Groups of test faces" in page and "yaw 15 to 30° (16)" in page and "share of hidden points" in page
    start = page.index("Groups of test faces")
    assert page.count('<td class="number lines"', start) == 2 * 10  # rows, groups


def test_figures_for_papers_have_the_faces_too(results: Path) -> None:
    png = picture(results)
    paths = {path.suffix: path for path in plates.write(drawn()["table12-faces"], results)}
    assert set(paths) == {".png", ".svg", ".csv"} and paths[".png"].read_bytes() == png
    assert base64.b64encode(png).decode() in paths[".svg"].read_text(encoding="utf-8")
