"""A data module from its configuration."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lightning_modules.data import fashion_mnist, split
from lightning_modules.data.batches import Augment, Normalise
from lightning_modules.data.in_memory import InMemoryImages, Split
from lightning_modules.errors import UserError
from lightning_modules.recipe import Recipe

Arrays = tuple[np.ndarray, np.ndarray]


def _read_fashion_mnist(data: Mapping[str, Any], cache: Path) -> tuple[Arrays, Arrays]:
    """Training and test (images (N, 28, 28), labels (N,)), uint8."""
    root = None if data["root"] is None else Path(data["root"])
    if data["mirrors"] is not None and not isinstance(data["mirrors"], list):
        raise UserError(f"data.mirrors={data['mirrors']}: must be a list, such as data.mirrors=[URL]")
    files = fashion_mnist.load(root, cache, data["sha256"], data["mirrors"], data["timeout_s"])
    train_images, train_labels, test_images, test_labels = files.values()
    return (train_images, train_labels), (test_images, test_labels)


READERS: dict[str, Callable[[Mapping[str, Any], Path], tuple[Arrays, Arrays]]] = {"FashionMNIST": _read_fashion_mnist}


def read(data: Mapping[str, Any], cache: Path) -> tuple[Arrays, Arrays]:
    """Training and test arrays of the data set that ``data`` (a conf/data file's content) describes.

    Raises:
        UserError: there is no reader for it, or it is nowhere to be had.
        CorruptFileError: a file is not what was published.
    """
    if data["dataset"] not in READERS:
        raise UserError(
            f"data={data['name']}: nothing here reads {data['dataset']} yet; the readers are {', '.join(READERS)}"
        )
    return READERS[data["dataset"]](data, cache / data["name"])


def build_data(
    data: Mapping[str, Any], recipe: Recipe, budget: Mapping[str, Any], seed: int, cache: Path
) -> InMemoryImages:
    """The splits that ``budget`` allows, as batches that ``recipe`` asks for. Raises what ``read`` raises."""
    (images, labels), (test_images, test_labels) = read(data, cache)
    if not len(data["classes"]) == data["num_classes"] > max(labels.max(), test_labels.max()):
        raise UserError(
            f"data.num_classes={data['num_classes']}: {len(data['classes'])} classes are named, and the labels go up to "
            f"{max(labels.max(), test_labels.max())}"
        )
    held_out = np.zeros(len(labels), dtype=bool)
    held_out[split.read(data["name"], data["validation"]["sha256"])] = True
    size = data["size"]
    return InMemoryImages(
        train=Split.of(images[~held_out], labels[~held_out], size, budget["train_images"]),
        val=Split.of(images[held_out], labels[held_out], size, budget["val_images"]),
        test=Split.of(test_images, test_labels, size, budget["test_images"]),
        classes=data["classes"],
        normalise=Normalise(tuple(data["mean"]), tuple(data["std"])),
        batch_size=recipe.batch_size,
        augment=Augment(**recipe.augment),
        seed=seed,
    )
