"""The article's picture of a landmark table, where `python -m experiments.landmark_figures` has drawn it."""

from pathlib import Path

import numpy as np

from experiments.landmark_figures import FIRST, LINES, chosen
from experiments.pages.charts import Drawing, Picture, as_csv
from experiments.pages.gather import View
from experiments.suite.contract import DEFAULT_BUDGET
from experiments.suite.paths import local, published
from experiments.suite.rendering import SOURCES
from experiments.suite.samples import by_seed

METRIC = "test/nme"


def drawings(view: View) -> list[Drawing]:
    """It is drawn of runs at budget proxy, which must still be there to say what it shows: this machine's come first."""
    if view.table.weights is None or view.request.budget != DEFAULT_BUDGET:
        return []
    found = {side: errors for side in view.sides if (errors := _errors(view, side, FIRST, view.table.weights))}
    side = next((side for side in ("here", "published") if side in found and _path(view, side).is_file()), None)
    if side is None:
        return []
    caption = (
        "Test faces that the second level finds best, in the middle, and worst, each with its error. Green: the true points; "
        f"red: the first level's; blue: the second level's ({SOURCES[side]})."
    )
    return [
        Picture(f"{view.name}-faces", "Example faces", caption, _path(view, side).read_bytes(), _numbers(*found[side]))
    ]


def _path(view: View, side: str) -> Path:
    folder = local() if side == "here" else published()
    return folder / "tables" / f"{view.name}-faces.png"


def _errors(view: View, side: str, first: str, second: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Two (N,): of each test face, by the first seed of which both rows have kept the points."""
    before, after = (
        {
            seed: values
            for seed, record in by_seed(view.records(row, side)).items()
            if "test_points" in record.result and (values := record.per_example(METRIC)) is not None
        }
        for row in (first, second)
    )
    seed = next((seed for seed in before if seed in after and before[seed].size == after[seed].size), None)
    return None if seed is None else (before[seed], after[seed])


def _numbers(before: np.ndarray, after: np.ndarray) -> str:
    lines = [(line, index, before[index], after[index]) for line in LINES for index in chosen(after, line)]
    return as_csv(("line", "test face", f"{METRIC} of level_1", f"{METRIC} of level_2"), lines)
