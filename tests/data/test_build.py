"""A data module from its configuration, on a small data set in the true format."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightning_modules.data import split
from lightning_modules.data.build import build_data, read
from lightning_modules.errors import UserError
from tests.data.conftest import TEST, TRAIN, Small, conf
from tests.tiny import recipe

ALL = {"train_images": None, "val_images": None, "test_images": None}


@pytest.fixture
def configured(small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """conf/data/fashion_mnist.yaml, with the small data set and a split of ten validation images of it."""
    monkeypatch.setattr(split, "FOLDER", tmp_path / "splits")
    digest = split.store("fashion_mnist", split.draw(np.arange(TRAIN) % 10, 10, seed=0))
    root = str(small.write(tmp_path / "mine", packed=True))
    return {**conf(), "sha256": small.sha256, "root": root, "validation": {"images": 10, "seed": 0, "sha256": digest}}


def numbers(images: Any) -> list[int]:
    """Which images they are: each is filled with its number, centred on zeros."""
    assert images.shape[1:] == (1, 32, 32)
    assert not images[:, :, :2].any()
    assert not images[..., -2:].any()
    return [int(image.max()) for image in images]


def test_validation_is_cut_from_train(configured: dict[str, Any], tmp_path: Path) -> None:
    splits = build_data(configured, recipe(), ALL, 0, tmp_path).splits
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
    data = build_data(configured, recipe(), limits, 0, tmp_path)
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


def test_a_data_set_that_nothing_reads(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data=imagenet: nothing here reads ImageFolder yet; the readers are Fashion"):
        read({**conf(), "name": "imagenet", "dataset": "ImageFolder"}, tmp_path)


def test_the_real_data(real: dict[str, np.ndarray], tmp_path: Path) -> None:
    budget = {"train_images": 128, "val_images": None, "test_images": 10}
    data = build_data(conf(), recipe(), budget, 0, tmp_path)
    assert {name: len(found.labels) for name, found in data.splits.items()} == {"train": 128, "val": 6000, "test": 10}
    assert np.bincount(data.splits["val"].labels).tolist() == [600] * 10
