"""The figure of error distributions draws each row that is known, of this machine where it was run here."""

from pathlib import Path
from typing import Any

from experiments.suite import ced_figure


def _data(**rows: tuple[list[float] | None, list[float] | None]) -> dict[str, Any]:
    found = [
        {"row": name, "label": name, "here": here, "published": published} for name, (here, published) in rows.items()
    ]
    return {
        "table": "made",
        "columns": [{"name": "test/nme", "header": "NME, %"}],
        "ced": {"metric": "test/nme", "at": [0.0, 10.0, 20.0], "rows": found},
    }


def test_a_row_that_is_only_published_stays_beside_one_that_was_run_here(tmp_path: Path) -> None:
    data = _data(run=([0, 50, 90], [0, 40, 80]), kept=(None, [0, 30, 70]), none=(None, None))
    (axes,) = ced_figure._drawn(data).axes
    drawn = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
    assert drawn == {"run": [0, 50, 90], "kept": [0, 30, 70]}
    assert axes.get_legend() is None  # it stands outside, where it hides no curve


def test_nothing_known_is_no_figure(tmp_path: Path) -> None:
    assert ced_figure.draw(_data(none=(None, None)), tmp_path) == [] and not list(tmp_path.iterdir())
