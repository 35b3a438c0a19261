"""A search as it is published, and what `make verify` says of it."""

import csv
import dataclasses
from itertools import product

import pytest

from experiments import publish, verify
from experiments.suite import search_page
from experiments.suite.compose import compose
from experiments.suite.files import write_json
from experiments.suite.search_page import Study, folder, grid_runs, read_study, study_path, write
from experiments.suite.store import Run
from experiments.suite.study import Search, load
from experiments.suite.study_report import Tried
from lightning_modules.errors import CorruptFileError, UserError
from tests.suite.records import made

TRIALS = [
    Tried(0, ("recipe.lr=0.01", "recipe.weight_decay=0.1"), {"recipe.lr": 0.01, "recipe.weight_decay": 0.1}, 9.25, "done", 2),
    Tried(1, ("recipe.lr=0.02", "recipe.weight_decay=0.2"), {"recipe.lr": 0.02, "recipe.weight_decay": 0.2}, None, "diverged", 1),
    Tried(2, ("recipe.lr=0.002", "recipe.weight_decay=0.1"), {"recipe.lr": 0.002, "recipe.weight_decay": 0.1}, 8.5, "done", 2),
]  # fmt: skip
STUDY = Study(TRIALS, {"recipe.lr": 0.75, "recipe.weight_decay": 0.25}, {"commit": "0" * 40})


@pytest.fixture(scope="module")
def search() -> Search:
    return load("lr_wd")


@pytest.fixture(scope="module")
def runs(search: Search) -> list[Run]:
    return grid_runs(search)


def finish(search: Search, runs: list[Run]) -> None:
    """This machine's grid: the error is 10 % less a point for each step of the rate, and 0.1 a seed more."""
    points = list(product(*(axis.grid for axis in search.axes)))
    for index, run in enumerate(runs):
        lr, decay = points[index // 3]
        record = made(
            run.seed, {"val/top1_err": 10.0 - index // 9 + 0.1 * run.seed, "test/top1_err": 77.0}, run_id=run.run_id
        )
        point = (f"recipe.lr={lr}", f"recipe.weight_decay={decay}", f"seed={run.seed}")
        config = compose((*search.overrides, *point))
        write_json(run.record_path, dataclasses.replace(record, config=config).to_json())


def test_the_runs_are_the_grid_s(search: Search, runs: list[Run]) -> None:
    assert len(runs) == 27 and len({run.run_id for run in runs}) == 9
    assert [run.seed for run in runs[:3]] == [0, 1, 2]


def test_the_page_has_the_grid_and_the_study(search: Search, runs: list[Run]) -> None:
    finish(search, runs)
    STUDY.write(study_path(search))
    assert publish.main(["search=lr_wd"]) == 0
    assert all(run.published_record() is not None for run in runs)
    text = (folder() / "lr_wd.md").read_text(encoding="utf-8")
    assert "9 points, 3 seeds each" in text and "77" not in text
    assert text.index("| 0.002 |") < text.index("| 0.001 |") < text.index("| 0.0005 |")
    assert "best: recipe.lr=0.002 recipe.weight\\_decay=0.1: val/top1\\_err 8.5" in text and "recipe.lr 75 %" in text
    assert "search=lr_wd method=grid" in text and "proxy\\_images" not in text
    lines = list(csv.DictReader((folder() / "lr_wd-grid.csv").open(encoding="utf-8")))
    assert [float(line["mean"]) for line in lines] == pytest.approx([8.1] * 3 + [9.1] * 3 + [10.1] * 3)
    assert {line["n"] for line in lines} == {"3"}
    for name in ("lr_wd-grid.svg", "lr_wd.svg", "lr_wd-trials.csv"):
        assert (folder() / name).stat().st_size > 50 and name in text


@pytest.mark.parametrize("name", ["lr_wd.md", "lr_wd-grid.csv", "lr_wd.svg", "lr_wd-trials.csv"])
def test_a_changed_file_is_named(
    name: str, search: Search, runs: list[Run], capsys: pytest.CaptureFixture[str]
) -> None:
    finish(search, runs[:6])
    publish.main(["search=lr_wd"])
    STUDY.write(study_path(search))
    write(search, folder())
    assert verify._of_search("lr_wd") == []
    path = folder() / name
    path.write_text(path.read_text(encoding="utf-8") + "x", encoding="utf-8")
    (said,) = verify._of_search("lr_wd")
    assert name in said and "python -m experiments.publish search=lr_wd writes it anew" in said
    publish.main(["search=lr_wd"])
    assert verify._of_search("lr_wd") == []


@pytest.mark.parametrize("axes", [1, 3])
def test_a_study_of_other_axes_is_named(axes: int, search: Search) -> None:
    STUDY.write(study_path(search))
    other = dataclasses.replace(search, axes=(*search.axes, *search.axes)[:axes])
    with pytest.raises(CorruptFileError, match=r"lr_wd-study\.json is of other axes than conf/search/lr_wd\.yaml"):
        write(other, folder())


def test_a_study_is_read_as_it_was_written(search: Search) -> None:
    assert read_study(study_path(search)) is None
    STUDY.write(study_path(search))
    assert read_study(study_path(search)) == STUDY


@pytest.mark.parametrize(
    "content", ["", "[]", '{"trials": 1}', '{"trials": [{"point": []}], "shares": {}, "provenance": {}}']
)
def test_a_damaged_study_is_named(content: str, search: Search) -> None:
    folder().mkdir(parents=True)
    study_path(search).write_text(content, encoding="utf-8")
    with pytest.raises(CorruptFileError, match=r"lr_wd-study\.json"):
        write(search, folder())


def test_where_nothing_is_there_is_nothing_to_publish(search: Search) -> None:
    with pytest.raises(UserError, match="search=lr_wd: this machine has no run of its grid and no study"):
        publish.main(["search=lr_wd"])
    assert not search_page.folder().exists()
