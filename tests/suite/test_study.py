"""Searches: what conf/search says, and what is listed of their trials."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from experiments.suite import study, study_figure, study_report
from experiments.suite.study import load, rounded
from experiments.suite.study_report import Tried
from lightning_modules.errors import UserError
from tests.suite.records import made
from tests.suite.searches import EXTRA, contract


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path / "search"
    found.mkdir()
    monkeypatch.setattr(study, "FOLDER", found)
    return found


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (contract(metric="test/top1_err"), "metric: test/top1_err is not of validation"),
        (contract(metric="val/top1_er"), "did you mean"),
        (contract(axes={}), "axes: is empty"),
        (contract(axes={"recipe.lr": {"low": 1.0}}), "axes.recipe.lr: give low and high, or choices"),
        (contract(axes={"recipe.lr": {"low": 1.0, "high": 0.1}}), "axes.recipe.lr: low must be a number below high"),
        (contract(axes={"recipe.lr": {"low": 0, "high": 0.1, "log": True}}), "low must be above 0"),
        (contract(axes={"recipe.lrr": {"low": 0.01, "high": 0.1}}), "recipe.lrr: no such field"),
        (contract(trails=3), "did you mean trials"),
        (contract(title=3), "title: is 3, write a text"),
        (contract(overrides="arch=squeezenet"), "overrides: is 'arch=squeezenet', write a list"),
        (contract(cheaper=[1]), "cheaper: is 1, write a text"),
        (contract(metric=["val/top1_err"]), "metric: is .*, write a text"),
        (contract(metric="val/speed"), "metric: unknown metric 'val/speed'"),
        (contract(seed="0"), "seed: is '0', write a whole number from 0"),
        (contract(seed=-1), "seed: is -1, write a whole number from 0"),
        (contract(trials=0), "trials: is 0, write a whole number from 1"),
        (contract(trials=True), "trials: is True, write a whole number"),
        (contract(pruning=6), "pruning: is 6, write a mapping"),
        (contract(pruning={"after_trials": "x"}), "pruning.after_trials: is 'x', write a whole number"),
        (contract(pruning={"after": 1}), "pruning: unknown key 'after'"),
        (contract(grid_seeds=3), "grid_seeds: is 3, write a list"),
        (contract(grid_seeds=[0, "a"]), "grid_seeds: is 'a', write a whole number"),
        (contract(axes=["recipe.lr"]), "axes: is .*, write a mapping"),
        (contract(axes={"recipe.lr": {"low": "a", "high": 1}}), "axes.recipe.lr: low must be a number below high"),
        (contract(axes={"recipe.lr": {"low": 0.1, "high": float("inf")}}), "low must be a number below high"),
        (contract(axes={"recipe.lr": {"low": 0.1, "high": 1.0, "log": "yes"}}), "log: is 'yes', write true or false"),
        (contract(axes={"recipe.lr": {"low": 0.1, "high": 1.0, "grid": 0.2}}), "grid: is 0.2, write a list"),
        (contract(axes={"recipe.optimizer": {"choices": ["adamw", "sgdd"]}}), "axes.recipe.optimizer: .*sgdd"),
        (contract(axes={"recipe.lr": {"low": 0.1, "high": 1.0, "grid": [-1.0]}}), "axes.recipe.lr: recipe.lr=-1"),
        (contract(axes={"trainer.threads": {"choices": [1, 2]}}), "trainer.threads: changes nothing of a run's result"),
        (contract(axes={"recipe.lr": {"choices": "abc"}}), "choices: is 'abc', write a list"),
        (contract(axes={"recipe.lr": {"choices": [[1], [2]]}}), "choices: is .* write single values"),
    ],
)
def test_a_mistake_in_its_file_is_named(folder: Path, content: dict[str, Any], said: str) -> None:
    (folder / "mine.yaml").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UserError, match=said):
        load("mine", EXTRA)


def test_a_search_that_is_not_there(folder: Path) -> None:
    with pytest.raises(UserError, match="search: say which"):
        load(None)
    with pytest.raises(UserError, match="unknown search 'lr'"):
        load("lr")


def test_what_is_searched_for_is_not_set(folder: Path) -> None:
    (folder / "mine.yaml").write_text(json.dumps(contract()), encoding="utf-8")
    for override in ("recipe.lr=1", "+recipe.lr=1", "++recipe.lr=1"):
        with pytest.raises(UserError, match=rf"{re.escape(override)}: is searched for"):
            load("mine", [override])


def test_other_runs_are_another_study() -> None:
    assert load("lr_wd").folder != load("lr_wd", ["recipe.batch_size=32"]).folder
    assert load("lr_wd").folder == load("lr_wd", ["logger=none"]).folder == load("lr_wd", trials=3).folder


def test_choices_and_whole_numbers_are_axes_too(folder: Path) -> None:
    axes = {
        "arch.bypass": {"choices": ["none", "simple"]},
        "recipe.batch_size": {"low": 16, "high": 64, "log": True},
    }
    (folder / "lr_wd.yaml").write_text(json.dumps(contract(axes=axes)), encoding="utf-8")
    search = load("lr_wd", EXTRA)
    assert [axis.override(value) for axis, value in zip(search.axes, ("simple", 33), strict=True)] == [
        "arch.bypass=simple", "recipe.batch_size=33",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "said"), [(0.00123456, 0.00123), (12345.0, 12300.0), (0.0, 0.0), (-0.0129951, -0.013), (1.0, 1.0)]
)
def test_numbers_are_as_people_type_them(value: float, said: float) -> None:
    assert rounded(value) == said


def test_of_a_record_only_validation_is_told() -> None:
    record = made(0, {"val/top1_err": 8.0, "test/top1_err": 9.0, "before/top1_err": 7.0, "train/loss": 0.1})
    assert dict(study.validation(record)) == {"val/top1_err": 8.0}


def test_the_list_and_the_figure() -> None:
    search = load("lr_wd", EXTRA)
    trials = [
        Tried(number, (f"recipe.lr={lr}", "recipe.weight_decay=0.1"), {"recipe.lr": lr, "recipe.weight_decay": 0.1}, value,
              state, 3)
        for number, (lr, value, state) in enumerate(
            [(0.01, 20.0, "hopeless"), (0.002, 9.0, "done"), (0.001, 9.5, "done"), (0.02, None, "diverged")]
        )
    ]  # fmt: skip
    assert study_report.best(search, trials) == trials[1]
    lines = (
        study_report.write_csv(search, trials, search.folder / "trials.csv").read_text(encoding="utf-8").splitlines()
    )
    assert lines[0] == "trial,recipe.lr,recipe.weight_decay,val/top1_err,state,epochs"
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2", "0", "3"]
    drawn = study_figure.draw(search, trials, search.folder)
    assert [path.suffix for path in drawn] == [".png", ".svg"] and all(path.stat().st_size > 1000 for path in drawn)
    assert study_figure.draw(search, trials[3:], search.folder) == []
