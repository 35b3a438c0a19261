"""A data module from its configuration, on small data sets in their true formats."""

import ast
import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.suite.paths import CONF
from lightning_modules.data import build, split
from lightning_modules.data.build import READERS, build_data, read, summary
from lightning_modules.data.in_memory import InMemoryImages
from lightning_modules.errors import UserError
from lightning_modules.faces.annotated import READERS as FACES
from tests.data.conftest import TEST, TRAIN, Small, conf
from tests.data.folders import blank_folder
from tests.tiny import recipe

ALL = {"train_images": None, "val_images": None, "test_images": None}


@pytest.fixture
def configured(small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """conf/data/fashion_mnist.yaml, with the small data set and a split of ten validation images of it."""
    monkeypatch.setattr(split, "FOLDER", tmp_path / "splits")
    digest = split.store("fashion_mnist", split.draw(np.arange(TRAIN) % 10, 10, seed=0))
    root = str(small.write(tmp_path / "mine", packed=True))
    return {**conf(), "sha256": small.sha256, "root": root, "validation": {"images": 10, "seed": 0, "sha256": digest}}


def in_memory(*arguments: Any) -> InMemoryImages:
    data = build_data(*arguments)
    assert isinstance(data, InMemoryImages)
    return data


def numbers(images: Any) -> list[int]:
    """Which images they are: each is filled with its number, centred on zeros."""
    assert images.shape[1:] == (1, 32, 32)
    assert not images[:, :, :2].any()
    assert not images[..., -2:].any()
    return [int(image.max()) for image in images]


def test_validation_is_cut_from_train(configured: dict[str, Any], tmp_path: Path) -> None:
    splits = in_memory(configured, recipe(), ALL, 0, tmp_path).splits
    train, val = numbers(splits["train"].images), numbers(splits["val"].images)
    assert len(val) == 10
    assert not set(train) & set(val)
    assert sorted(train + val) == list(range(TRAIN))
    assert numbers(splits["test"].images) == list(range(200, 200 + TEST))
    for name, first in (("train", 0), ("val", 0), ("test", 200)):
        found = splits[name]
        assert found.labels.tolist() == [(number - first) % 10 for number in numbers(found.images)]
    assert sorted(splits["val"].labels.tolist()) == list(range(10))


def test_the_budget_limits_each_split(configured: dict[str, Any], tmp_path: Path) -> None:
    limits = {"train_images": 12, "val_images": 5, "test_images": 7}
    data = in_memory(configured, recipe(), limits, 0, tmp_path)
    assert {name: len(found.labels) for name, found in data.splits.items()} == {"train": 12, "val": 5, "test": 7}
    assert data.train_images == 12


def test_what_the_recipe_and_the_configuration_say(configured: dict[str, Any], tmp_path: Path) -> None:
    data = build_data(configured, recipe(batch_size=6, augment={"crop_padding": 0, "flip": False}), ALL, 0, tmp_path)
    assert data.classes == conf()["classes"]
    images, labels = next(iter(data.train_dataloader()))
    assert images.shape == (6, 1, 32, 32)
    values = sorted({round(float(value), 4) for value in images.unique()})
    assert values[0] == pytest.approx(-0.2860 / 0.3530, abs=1e-3)  # black
    assert len(labels) == 6


def test_the_seed_decides_the_order(configured: dict[str, Any], tmp_path: Path) -> None:
    def first(seed: int) -> list[int]:
        return next(iter(build_data(configured, recipe(), ALL, seed, tmp_path).train_dataloader()))[1].tolist()

    assert first(0) == first(0)
    assert first(0) != first(1)


def test_mistakes_are_the_users(configured: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.size=27: the images have 28x28 pixels; choose 28 or more"):
        build_data({**configured, "size": 27}, recipe(), ALL, 0, tmp_path)
    with pytest.raises(UserError, match=r"recipe\.batch_size=51: larger than the training split of 50 images"):
        build_data(configured, recipe(batch_size=51), ALL, 0, tmp_path)
    with pytest.raises(UserError, match=r"recipe\.batch_size=8: larger than the training split of 4 images"):
        build_data(configured, recipe(), {**ALL, "train_images": 4}, 0, tmp_path)


@pytest.mark.parametrize(("name", "value"), [("crop_area", [0.08, 1.0]), ("color_jitter", 0.4), ("lighting", 0.1)])
def test_images_in_ram_have_no_colours_and_no_random_area(
    configured: dict[str, Any], tmp_path: Path, name: str, value: Any
) -> None:
    given = recipe(augment={"crop_padding": 0, "flip": True, name: value})
    with pytest.raises(
        UserError, match=rf"^recipe\.augment\.{name}=.*images that live in RAM have none; set .* choose"
    ):
        build_data(configured, given, ALL, 0, tmp_path)


def test_a_data_set_that_nothing_reads(tmp_path: Path) -> None:
    expected = "data=mine: nothing here reads Mine; the readers are FashionMNIST, CIFAR10, CIFAR100, ImageFolder"
    for function in (read, summary):
        with pytest.raises(UserError) as raised:
            function({**conf(), "name": "mine", "dataset": "Mine"}, tmp_path)
        assert str(raised.value) == expected


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "data").glob("*.yaml")))
def test_every_configuration_has_a_reader_and_names_itself(name: str) -> None:
    data = conf(name)
    assert data["dataset"] in {*READERS, *FACES, "SyntheticFaces"}
    assert data["name"] == name
    assert len(data["mean"]) == len(data["std"]) == data["channels"]
    assert (data["root"], data.get("mirrors"), data.get("listing")) == (None, None, None)


@pytest.mark.parametrize("name", ["../evil", "/etc", ".hidden", "a/b", ""])
def test_a_name_that_would_lead_out_of_the_cache(configured: dict[str, Any], tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError) as raised:
        read({**configured, "name": name}, tmp_path)
    assert str(raised.value).startswith(f"data.name={name}: use letters, digits")


@pytest.mark.parametrize("mirrors", ["http://localhost", [1], {"a": "b"}, [None]])
@pytest.mark.parametrize("name", ["fashion_mnist", "cifar10"])
def test_mirrors_that_are_no_list_of_addresses(tmp_path: Path, mirrors: Any, name: str) -> None:
    with pytest.raises(UserError, match=r"data\.mirrors=.*: must be a list, such as data\.mirrors=\[URL\]"):
        read({**conf(name), "mirrors": mirrors}, tmp_path)


def test_a_summary(configured: dict[str, Any], tmp_path: Path) -> None:
    assert summary(configured, tmp_path) == f"{TRAIN} + {TEST} images, checksums right"
    folder = {**conf("image_folder"), "root": str(blank_folder(tmp_path / "folder"))}
    assert summary(folder, tmp_path) == "28 + 10 images in 3 classes"
    large = {**conf("imagenet"), "root": str(blank_folder(tmp_path / "large", {"a": 1200, "b": 34}, {"a": 1, "b": 1}))}
    assert summary({**large, "num_classes": 2}, tmp_path) == "1,234 + 2 images in 2 classes"


def test_a_run_loads_the_reader_of_its_own_data_set_alone() -> None:
    """A record is of the code that its run had loaded: it must not go stale with another data set's reader."""
    at_once = ast.parse(inspect.getsource(build)).body
    names = {alias.name for node in at_once if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert "split" in names
    assert not names & {"fashion_mnist", "cifar", "FolderImages", "hold_out", "limited"}


def test_the_real_data(real: dict[str, np.ndarray], tmp_path: Path) -> None:
    budget = {"train_images": 128, "val_images": None, "test_images": 10}
    data = in_memory(conf(), recipe(), budget, 0, tmp_path)
    assert {name: len(found.labels) for name, found in data.splits.items()} == {"train": 128, "val": 6000, "test": 10}
    assert np.bincount(data.splits["val"].labels).tolist() == [600] * 10
