"""Recipes are checked before anything is built."""

import subprocess
import sys
from dataclasses import fields
from typing import Any

import pytest
import yaml

from experiments.suite.paths import CONF, ROOT
from lightning_modules.data.batches import Augment
from lightning_modules.errors import UserError
from lightning_modules.landmark_augment import FaceAugment
from lightning_modules.recipe import Recipe, count_epochs
from tests.tiny import recipe


@pytest.mark.parametrize("path", sorted((CONF / "recipe").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_file_is_a_recipe(path: Any) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    made = Recipe.of(content)
    assert made.name == path.stem
    assert made.betas == tuple(content["betas"])
    classes, faces = ({field.name for field in fields(kind)} for kind in (Augment, FaceAugment))
    of_faces = path.stem in ("landmarks", "landmark_mobilenet_v2")
    assert set(made.augment) == (classes | faces if of_faces else classes)


def named(name: str) -> Recipe:
    return Recipe.of(yaml.safe_load((CONF / "recipe" / f"{name}.yaml").read_text(encoding="utf-8")))


def paper(name: str, part: str = "training_recipe") -> dict[str, Any]:
    return yaml.safe_load((CONF / "paper" / f"{name}.yaml").read_text(encoding="utf-8"))[part]


def test_squeezenets_recipe_is_the_authors() -> None:
    made, said = named("squeezenet"), paper("squeezenet")
    assert (made.lr, made.momentum, made.weight_decay) == (said["base_lr"], said["momentum"], said["weight_decay"])
    assert made.batch_size == said["batch_per_step"] * said["iter_size"]
    assert made.images_seen == said["max_iter"] * said["global_batch"]
    assert (made.optimizer, made.schedule, said["lr_policy"], said["lr_power"]) == ("sgd", "linear", "poly", 1.0)


EPOCH = yaml.safe_load((CONF / "data" / "imagenet.yaml").read_text(encoding="utf-8"))["images"]["train"]


@pytest.mark.parametrize("name", ["shufflenet_v1", "shufflenet_v2"])
def test_shufflenets_recipes_are_the_papers(name: str) -> None:
    made, said = named(name), paper(name)
    code = said.get("author_code", said)
    assert (made.lr, made.weight_decay, made.batch_size) == (said["lr_start"], said["weight_decay"], said["batch"])
    assert made.images_seen == said["iterations"] * said["batch"]
    assert (made.schedule, said["lr_policy"].split()[0]) == ("linear", "linear")
    assert (made.momentum, made.label_smoothing) == (code["momentum"], code["label_smoothing"])
    assert made.augment["color_jitter"] == code["color_jitter"]


def test_mobilenet_v2s_recipe_is_the_papers() -> None:
    made, said = named("mobilenet_v2"), paper("mobilenet_v2", "hyperparameters")
    assert (made.optimizer, said["optimizer"].lower()) == ("rmsprop", "rmsprop")
    assert (made.alpha, made.momentum) == (said["decay"], said["momentum"])
    assert (made.lr, made.weight_decay, made.batch_size) == (said["base_lr"], said["weight_decay"], said["batch"])
    assert made.drop_factor == said["lr_decay_per_epoch"]
    assert made.drop_every * made.images_seen == pytest.approx(EPOCH, rel=1e-4)
    assert "depthwise" in made.decay_exclude


def test_mobilenet_v1s_recipe_says_no_more_than_the_paper() -> None:
    made, said = named("mobilenet_v1"), paper("mobilenet_v1")
    assert made.optimizer == said["optimizer"].lower()
    assert (made.label_smoothing, said["label_smoothing"]) == (0.0, "none")
    assert "depthwise" in made.decay_exclude
    inception = named("inception_v3")
    for field in ("lr", "momentum", "alpha", "eps", "schedule", "drop_factor", "drop_every", "images_seen"):
        assert getattr(made, field) == getattr(inception, field)
    assert made.augment["crop_area"][0] > inception.augment["crop_area"][0]


def test_peleenets_recipe_is_the_papers() -> None:
    made, said = named("peleenet"), paper("peleenet")
    assert (made.lr, made.momentum, made.weight_decay) == (said["lr_start"], said["momentum"], said["weight_decay"])
    assert (made.batch_size, made.schedule) == (said["batch"], said["lr_policy"].split()[0])
    assert made.images_seen == said["epochs"] * EPOCH


def test_compact_mobilenets_recipe_is_fd_mobilenets() -> None:
    made, said = named("compact_mobilenet"), paper("fd_mobilenet")
    assert (made.lr, made.momentum, made.weight_decay) == (said["lr_start"], said["momentum"], said["weight_decay"])
    assert (made.batch_size, made.nesterov) == (said["batch"], said["nesterov"])
    assert made.images_seen == said["epochs"] * EPOCH
    assert said["lr_policy"] == f"x{made.drop_factor} every 30 epochs"
    assert [share * said["epochs"] for share in made.drop_at] == [30, 60, 90]


@pytest.mark.parametrize("name", ["inception_v3", "googlenet"])
def test_the_inceptions_rates_fall_after_whole_epochs(name: str) -> None:
    made = named(name)
    factor, epochs = {"inception_v3": (0.94, 2), "googlenet": (0.96, 8)}[name]
    assert made.drop_factor == factor
    assert made.drop_every * made.images_seen == pytest.approx(epochs * EPOCH, rel=2e-3)


@pytest.mark.parametrize(("name", "epochs"), [("alexnet", 90), ("vgg16", 74)])
def test_the_oldest_recipes_lower_the_rate_three_times(name: str, epochs: int) -> None:
    made = named(name)
    assert len(made.drop_at) == 3 and made.drop_factor == 0.1
    assert made.images_seen / EPOCH == pytest.approx(epochs, rel=2e-3)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("optimizer", "adam", "choose one of sgd, adamw, rmsprop"),
        ("schedule", "step", "choose one of constant, linear, cosine, steps, exponential"),
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
        ("alpha", 1.0, "below 1"),
        ("eps", 0.0, "above 0"),
        ("drop_factor", 0.0, "above 0"),
        ("drop_factor", 1.1, "at most 1"),
        ("drop_every", 0.0, "above 0"),
        ("drop_every", 1.5, "at most 1"),
        ("drop_at", [0.5, 0.25], "rising shares"),
        ("drop_at", [0.5, 0.5], "rising shares"),
        ("drop_at", [0.0], "rising shares"),
        ("drop_at", [1.0], "rising shares"),
        ("drop_at", ["half"], "rising shares"),
        ("decay_exclude", ["bias"], "choose one of vectors, depthwise"),
    ],
)
def test_a_value_out_of_range_is_named(field: str, value: Any, said: str) -> None:
    with pytest.raises(UserError, match=rf"^recipe\.{field}=.*{said}"):
        recipe(**{field: value})


@pytest.mark.parametrize(
    "changes",
    [
        {"clip_norm": None},
        {"clip_norm": 1.0},
        {"warmup": 0.0},
        {"momentum": 0.0},
        {"betas": [0.0, 0.5]},
        {"drop_every": 1.0, "drop_factor": 1.0},
        {"decay_exclude": ["vectors", "depthwise"]},
    ],
)
def test_values_at_the_edge_are_fine(changes: dict[str, Any]) -> None:
    recipe(**changes)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("crop_padding", -1, "at least 0"),
        ("crop_area", [0.08], "two rising shares"),
        ("crop_area", [0.0, 1.0], "two rising shares"),
        ("crop_area", [0.5, 0.4], "two rising shares"),
        ("crop_area", [0.5, 1.1], "two rising shares"),
        ("crop_area", ["a", "b"], "two rising shares"),
        ("color_jitter", -0.1, "at least 0"),
        ("color_jitter", 1.1, "at most 1"),
        ("lighting", -0.1, "at least 0"),
    ],
)
def test_an_augmentation_out_of_range_is_named(name: str, value: Any, said: str) -> None:
    with pytest.raises(UserError, match=rf"^recipe\.augment\.{name}=.*{said}"):
        recipe(augment={"crop_padding": 0, "flip": True, name: value})


def test_a_crop_of_random_area_pads_nothing() -> None:
    with pytest.raises(UserError, match=r"^recipe\.augment\.crop_padding=4: pads nothing where crop_area is given"):
        recipe(augment={"crop_padding": 4, "flip": True, "crop_area": [0.08, 1.0]})


def test_steps_need_to_know_where() -> None:
    with pytest.raises(UserError, match=r"^recipe\.drop_at=\[\]: schedule=steps drops there"):
        recipe(schedule="steps")


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
