"""Records as means over seeds: which are meant, what a line stands for, in which order, with which interval."""

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from experiments.suite import aggregate_figure, aggregate_view
from experiments.suite.aggregate import Aggregate, aggregate, chosen, fields, read_all
from experiments.suite.columns import column
from experiments.suite.files import write_json
from experiments.suite.paths import published
from experiments.suite.record import Record
from experiments.suite.store import Run
from lightning_modules.errors import UserError
from tests.suite.records import made

ERRORS = {0.001: (9.0, 9.5, 10.0), 0.01: (8.0, 8.2, 8.7), 0.1: (30.0, 31.0, 29.0)}


def record(lr: float, decay: float, seed: int, error: float | None, arch: str = "squeezenet", **more: Any) -> Record:
    """A run of this rate and decay; None: it diverged."""
    config = {
        "arch": {"name": arch, "bypass": more.pop("bypass", None), "width": more.pop("width", 1.0)},
        "data": {"name": "fashion_mnist"},
        "recipe": {"name": "proxy", "lr": lr, "weight_decay": decay, "nesterov": False},
        "budget": {"name": "smoke"},
        "trainer": {"threads": seed + 1, "precision": more.pop("precision", "32-true")},
        "seed": seed,
    }
    name = f"{arch}-fashion_mnist-none-smoke-{abs(hash(json.dumps({**config, 'seed': 0, 'trainer': config['trainer']['precision']}))):x}"[
        :60
    ]
    metrics = {"val/top1_err": error, "test/top1_err": error} if error is not None else {}
    found = made(seed, metrics, run_id=name, status="done" if error is not None else "diverged", **more)
    return dataclasses.replace(found, config=config)


def grid(**more: Any) -> list[Record]:
    return [record(lr, 0.01, seed, error, **more) for lr, errors in ERRORS.items() for seed, error in enumerate(errors)]


def of(records: list[Record], *by: str, metric: str = "val/top1_err") -> Aggregate:
    return aggregate(records, by, column(metric))


def test_a_line_is_the_mean_over_seeds_with_its_t_interval_best_first() -> None:
    found = of(grid(), "recipe.lr")
    assert [line.values for line in found.lines] == [(0.01,), (0.001,), (0.1,)]
    assert found.added == ()
    for line in found.lines:
        values = np.array(ERRORS[line.values[0]])
        assert line.estimate and line.seeds == (0, 1, 2)
        low, high = stats.t.interval(0.95, 2, values.mean(), values.std(ddof=1) / np.sqrt(3))
        assert (line.estimate.estimate, line.estimate.n) == (pytest.approx(values.mean()), 3)
        assert (line.estimate.low, line.estimate.high) == (pytest.approx(low), pytest.approx(high))


def test_an_accuracy_is_best_where_it_is_highest() -> None:
    assert [line.values[0] for line in of(grid(), "recipe.lr", metric="val/top1_acc").lines] == [0.01, 0.001, 0.1]
    first = of(grid(), "recipe.lr", metric="val/top1_acc").lines[0].estimate
    assert first and first.estimate == pytest.approx(100 - np.mean(ERRORS[0.01]))


def test_of_a_test_metric_the_interval_has_the_choice_of_images_in_it() -> None:
    generator = np.random.default_rng(0)
    right = {seed: generator.random(500) < 0.9 for seed in range(3)}
    records = [
        record(0.1, 0.0, seed, 100 * float((~bits).mean()), per_example={"test/top1_acc": bits})
        for seed, bits in right.items()
    ]
    (line,) = of(records, "recipe.lr", metric="test/top1_err").lines
    images = 100.0 * ~np.stack(list(right.values()))
    per_seed = images.mean(axis=1)
    se = np.sqrt(per_seed.var(ddof=1) / 3 + images.mean(axis=0).var(ddof=1) / 500)
    assert line.estimate and line.estimate.se == pytest.approx(se)


def test_runs_that_differ_in_more_than_was_asked_for_are_never_mixed() -> None:
    records = grid() + [record(0.01, decay, 0, 9.0) for decay in (0.1, 1.0)]
    found = of(records, "recipe.lr")
    assert found.by == ("recipe.lr", "recipe.weight_decay") and found.added == ("recipe.weight_decay",)
    assert len(found.lines) == 5
    assert len({line.run_id for line in found.lines}) == 5


def test_without_fields_the_lines_are_called_by_those_that_differ() -> None:
    found = of(grid() + grid(arch="mobilenet_v1", width=0.5, bypass="x"))
    assert found.by == ("arch", "recipe.lr")
    assert of(grid(precision="bf16-mixed") + grid(), "recipe.lr").by == ("recipe.lr", "trainer.precision")
    assert of([record(0.1, 0.1, 0, 5.0)]).by == ()


def test_what_was_lost_is_said_and_stands_last() -> None:
    records = [*grid(), record(1.0, 0.01, 0, None), record(1.0, 0.01, 1, None), record(0.001, 0.01, 3, None)]
    found = of(records, "recipe.lr")
    assert [line.values[0] for line in found.lines] == [0.01, 0.001, 0.1, 1.0]
    assert found.lines[-1].estimate is None and found.lines[-1].note == "diverged (seeds 0, 1)"
    assert found.lines[1].note == "diverged (seed 3)" and found.lines[1].seeds == (0, 1, 2)


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({}, 18), ({"arch": "squeezenet"}, 9), ({"arch": "squeeze*"}, 9), ({"arch": ["squeezenet", "mobilenet_v1"]}, 18),
        ({"recipe.lr": 0.01}, 6), ({"recipe.lr": [0.01, 0.1], "arch": "mobilenet_v1"}, 6), ({"seed": 0}, 6),
        ({"arch.bypass": None}, 18), ({"recipe.nesterov": False}, 18), ({"recipe.nesterov": 0}, 0),
        ({"arch.width": 1}, 18), ({"data": "cifar10"}, 0),
    ],
)  # fmt: skip
def test_records_are_chosen_by_any_field(wanted: dict[str, Any], count: int) -> None:
    assert len(chosen(grid() + grid(arch="mobilenet_v1"), wanted)) == count


def test_a_field_that_no_record_has_is_a_mistake() -> None:
    with pytest.raises(UserError, match=r"unknown field 'recipe.lrr', did you mean recipe.lr\?"):
        chosen(grid(), {"recipe.lrr": 1})
    with pytest.raises(UserError, match=r"unknown field 'recipe.wd'"):
        of(grid(), "recipe.wd")


def written(records: list[Record]) -> None:
    for each in records:
        write_json(Run(each.run_id, each.seed).record_path, each.to_json())


def test_the_command_prints_and_writes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = grid()
    written(records)
    broken = Run("a-b-c-d-0", 0).record_path
    broken.parent.mkdir(parents=True)
    broken.write_text("{", encoding="utf-8")
    typed = ["runs={arch:squeezenet,data:fashion_mnist}", "by=[recipe.lr,recipe.weight_decay]", "name=mine"]
    assert aggregate_view.main(typed) == 0
    said = capsys.readouterr().out
    assert said.index("0.01 ") < said.index("0.001 ") < said.index("0.1 ")
    assert "8.30" in said and "7.40 to 9.20" in said
    assert f"warning: {broken}" in said
    folder = tmp_path / "results" / "local" / "sweeps"
    lines = list(csv.DictReader((folder / "mine.csv").open(encoding="utf-8")))
    assert [line["recipe.lr"] for line in lines] == ["0.01", "0.001", "0.1"]
    assert [float(line["mean"]) for line in lines] == pytest.approx([8.3, 9.5, 30.0])
    assert lines[0]["seeds"] == "0 1 2" and lines[0]["metric"] == "val/top1_err" and lines[0]["n"] == "3"
    first = (folder / "mine.svg").read_bytes()
    assert (folder / "mine.png").stat().st_size > 1000 and b"<svg" in first
    aggregate_view.main(typed)
    assert (folder / "mine.svg").read_bytes() == first


def test_published_records_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    for each in grid():
        write_json(published() / "records" / each.run_id / f"{each.seed}.json", each.to_json())
    with pytest.raises(UserError, match="no record that this machine has is of these; try of=published"):
        aggregate_view.main(["runs={}"])
    assert aggregate_view.main(["runs={}", "of=published"]) == 0
    assert len(read_all("published")[0]) == 9


@pytest.mark.parametrize(
    "typed",
    ["runs=squeezenet", "runs={arch:", "by=a,b", "of=there", "name=../x", "runs={} seed=1", "runs={} metric=top1"],
)
def test_a_slip_is_one_line(typed: str) -> None:
    written(grid())
    with pytest.raises(UserError) as error:
        aggregate_view.main(typed.split())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["seed", "trainer.threads"])
def test_what_differs_between_the_seeds_of_a_line_is_no_name_for_it(name: str) -> None:
    with pytest.raises(UserError, match=rf"^by={name}: a line is a mean over seeds"):
        of(grid(), "recipe.lr", name)
    with pytest.raises(UserError, match=r"^by=seed: a line is a mean over seeds"):
        of([record(0.1, 0.1, 0, 5.0)], "seed")


def test_a_metric_that_no_record_has_is_a_mistake_and_runs_that_all_diverged_are_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    written(grid())
    with pytest.raises(UserError, match=r"^metric=val/nope: no record of these has it; they have test/top1_err, val/"):
        aggregate_view.main(["runs={}", "metric=val/nope"])
    written([record(7.0, 0.01, 0, None)])
    assert aggregate_view.main(["runs={recipe.lr:7.0}"]) == 0
    assert "diverged (seed 0)" in capsys.readouterr().out


def test_a_figure_takes_a_dollar_for_a_dollar(tmp_path: Path) -> None:
    records = [record(lr, 0.0, 0, 5.0, arch=arch) for lr in (0.1, 0.2) for arch in ("a$x_$", "b$\\frac$")]
    paths = aggregate_figure.draw(of(records, "recipe.lr", "arch"), tmp_path, "dollars")
    assert [path.suffix for path in paths] == [".png", ".svg"]


def test_a_group_without_a_name_is_only_its_fields() -> None:
    nameless = dataclasses.replace(record(0.1, 0.2, 3, 1.0), config={"arch": {"width": 2.0}, "data": "old"})
    assert fields(nameless) == {"arch.width": 2.0, "data": "old", "seed": 3}


def test_a_group_is_meant_by_its_name() -> None:
    found = fields(record(0.1, 0.2, 3, 1.0))
    assert (found["arch"], found["arch.width"], found["seed"]) == ("squeezenet", 1.0, 3)
