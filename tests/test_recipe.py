"""Recipes are checked before anything is built."""

import subprocess
import sys
from typing import Any

import pytest
import yaml

from experiments.suite.paths import CONF, ROOT
from lightning_modules.errors import UserError
from lightning_modules.recipe import Recipe, count_epochs
from tests.tiny import recipe


@pytest.mark.parametrize("path", sorted((CONF / "recipe").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_file_is_a_recipe(path: Any) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    made = Recipe.of(content)
    assert made.name == path.stem
    assert made.betas == tuple(content["betas"])


def test_the_authors_recipe_is_the_papers() -> None:
    made = Recipe.of(yaml.safe_load((CONF / "recipe" / "squeezenet.yaml").read_text(encoding="utf-8")))
    paper = yaml.safe_load((CONF / "paper" / "squeezenet.yaml").read_text(encoding="utf-8"))["training_recipe"]
    assert (made.lr, made.momentum, made.weight_decay) == (paper["base_lr"], paper["momentum"], paper["weight_decay"])
    assert made.batch_size == paper["batch_per_step"] * paper["iter_size"]
    assert made.images_seen == paper["max_iter"] * paper["global_batch"]
    assert (made.optimizer, made.schedule, paper["lr_policy"], paper["lr_power"]) == ("sgd", "linear", "poly", 1.0)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("optimizer", "adam", "choose one of sgd, adamw"),
        ("schedule", "step", "choose one of constant, linear, cosine"),
        ("lr", 0.0, "above 0"),
        ("lr", -0.1, "above 0"),
        ("lr", float("nan"), "above 0"),
        ("lr", float("inf"), "above 0"),
        ("images_seen", 0, "above 0"),
        ("batch_size", 0, "above 0"),
        ("momentum", 1.0, "below 1"),
        ("momentum", -0.1, "at least 0"),
        ("weight_decay", -1e-4, "at least 0"),
        ("warmup", 1.0, "below 1"),
        ("warmup", -0.1, "at least 0"),
        ("label_smoothing", 1.0, "below 1"),
        ("label_smoothing", -0.1, "at least 0"),
        ("clip_norm", 0.0, "above 0"),
        ("clip_norm", float("nan"), "above 0"),
        ("betas", [0.9], "two numbers"),
        ("betas", [0.9, 1.0], "two numbers"),
        ("betas", [-0.1, 0.9], "two numbers"),
    ],
)
def test_a_value_out_of_range_is_named(field: str, value: Any, said: str) -> None:
    with pytest.raises(UserError, match=rf"^recipe\.{field}=.*{said}"):
        recipe(**{field: value})


@pytest.mark.parametrize(
    "changes",
    [{"clip_norm": None}, {"clip_norm": 1.0}, {"warmup": 0.0}, {"momentum": 0.0}, {"betas": [0.0, 0.5]}],
)
def test_values_at_the_edge_are_fine(changes: dict[str, Any]) -> None:
    recipe(**changes)


def test_fields_too_many_and_too_few() -> None:
    with pytest.raises(UserError, match=r"unknown fields \['moment'\]"):
        recipe(moment=0.9)
    with pytest.raises(UserError, match=r"missing fields \[.*'lr'.*\]"):
        Recipe.of({"name": "empty"})


@pytest.mark.parametrize(
    ("images_seen", "train_images", "epochs"),
    [
        (216_000, 54_000, 4),
        (54_000, 54_000, 1),
        (2048, 1024, 2),
        (1, 54_000, 1),
        (80_000, 54_000, 1),
        (82_000, 54_000, 2),
    ],
)
def test_whole_epochs_nearest_to_the_images_asked_for(images_seen: int, train_images: int, epochs: int) -> None:
    assert count_epochs(images_seen, train_images) == epochs


def test_planning_needs_no_torch_for_it() -> None:
    code = "import sys, lightning_modules.recipe; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
