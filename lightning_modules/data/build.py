"""A data module from its configuration."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lightning_modules.data import split
from lightning_modules.data.batches import Augment, Normalise
from lightning_modules.data.image_data import ImageData
from lightning_modules.data.in_memory import InMemoryImages, Split
from lightning_modules.data.listing import Listing, content_id, listing_of
from lightning_modules.data.names import file_name
from lightning_modules.errors import UserError, check_choice
from lightning_modules.recipe import Recipe

Arrays = tuple[np.ndarray, np.ndarray]
InRam = tuple[Arrays, Arrays]  # training and test (images (N, H, W) or (N, H, W, C), labels (N,))

# What reads a data set is imported when that is first asked for: a run is of the code that it loaded.


def _read_fashion_mnist(data: Mapping[str, Any], cache: Path) -> InRam:
    from lightning_modules.data import fashion_mnist

    files = fashion_mnist.load(_root(data), cache, data["sha256"], _mirrors(data), data["timeout_s"])
    train_images, train_labels, test_images, test_labels = files.values()
    return (train_images, train_labels), (test_images, test_labels)


def _read_cifar(data: Mapping[str, Any], cache: Path) -> InRam:
    from lightning_modules.data import cifar

    release = {"CIFAR10": cifar.CIFAR10, "CIFAR100": cifar.CIFAR100}[data["dataset"]]
    found = cifar.load(release, _root(data), cache, data["sha256"], data["md5"], _mirrors(data), data["timeout_s"])
    if found.classes != data["classes"]:
        raise UserError(f"data.classes={data['classes']}: the files name them {', '.join(found.classes)}")
    return found.train, found.test


def _list_folder(data: Mapping[str, Any], cache: Path) -> Listing:
    root = _root(data)
    if root is None:
        what = "ImageNet is" if data["name"] == "imagenet" else "the images are"
        raise UserError(f"data.root: say where {what}, data.root=FOLDER with train/<class>/* and val/<class>/*")
    listing, wanted = listing_of(root), data["num_classes"]
    if wanted is not None and wanted != len(listing.classes):
        raise UserError(f"data.num_classes={wanted}: {root}/train has {len(listing.classes)} class folders")
    if data["listing"] not in (None, content_id(data)):
        raise UserError(f"data.root={root}: its files are not those of data.listing={data['listing']}")
    return listing


READERS: dict[str, Callable[[Mapping[str, Any], Path], InRam | Listing]] = {
    "FashionMNIST": _read_fashion_mnist,
    "CIFAR10": _read_cifar,
    "CIFAR100": _read_cifar,
    "ImageFolder": _list_folder,
}


def read(data: Mapping[str, Any], cache: Path) -> InRam | Listing:
    """The data set that ``data`` (a conf/data file's content) describes: its arrays, or the files of an image folder.

    Raises:
        UserError: there is no reader for it, it is nowhere to be had, or it is not as described.
        CorruptFileError: a file is not what was published.
    """
    if data["dataset"] not in READERS:
        raise UserError(
            f"data={data['name']}: nothing here reads {data['dataset']}; the readers are {', '.join(READERS)}"
        )
    return READERS[data["dataset"]](data, cache / file_name(data["name"]))


def summary(data: Mapping[str, Any], cache: Path) -> str:
    """How much there is of the data set, after all checks. Raises what ``read`` raises."""
    found = read(data, cache)
    if isinstance(found, Listing):
        return f"{len(found.train):,} + {len(found.test):,} images in {len(found.classes)} classes"
    (images, _), (test_images, _) = found
    return f"{len(images):,} + {len(test_images):,} images, checksums right"


def build_data(
    data: Mapping[str, Any], recipe: Recipe, budget: Mapping[str, Any], seed: int, cache: Path, workers: int = 0
) -> ImageData:
    """The splits that ``budget`` allows, as batches that ``recipe`` asks for.

    The images of a folder are decoded by ``workers`` processes (0: this one), which changes no pixel. Raises what
    ``read`` raises.
    """
    found = read(data, cache)
    if isinstance(found, Listing):
        return _from_folder(found, data, recipe, budget, seed, workers)
    return _in_memory(found, data, recipe, budget, seed)


def _in_memory(
    found: InRam, data: Mapping[str, Any], recipe: Recipe, budget: Mapping[str, Any], seed: int
) -> InMemoryImages:
    (images, labels), (test_images, test_labels) = found
    if not len(data["classes"]) == data["num_classes"] > max(labels.max(), test_labels.max()):
        raise UserError(
            f"data.num_classes={data['num_classes']}: {len(data['classes'])} classes are named, and the labels go up to "
            f"{max(labels.max(), test_labels.max())}; data.num_classes={len(data['classes'])} is right"
        )
    held_out = np.zeros(len(labels), dtype=bool)
    held_out[split.read(data["name"], data["validation"]["sha256"])] = True
    size = data["size"]
    return InMemoryImages(
        train=Split.of(images[~held_out], labels[~held_out], size, budget["train_images"]),
        val=Split.of(images[held_out], labels[held_out], size, budget["val_images"]),
        test=Split.of(test_images, test_labels, size, budget["test_images"]),
        classes=data["classes"],
        normalise=_normalise(data),
        batch_size=recipe.batch_size,
        augment=_augment_in_ram(recipe),
        seed=seed,
    )


def _from_folder(
    listing: Listing, data: Mapping[str, Any], recipe: Recipe, budget: Mapping[str, Any], seed: int, workers: int
) -> ImageData:
    from lightning_modules.data.folder import FolderImages
    from lightning_modules.data.folder_split import hold_out, limited

    check_choice("data.channels", data["channels"], (1, 3))
    if data["channels"] == 1 and (shift := recipe.augment.get("lighting")):
        raise UserError(f"recipe.augment.lighting={shift}: shifts colours, and data.channels=1 has none; set 0")
    draw = data["validation"]["seed"]  # not the run's: all seeds are tested on the same images
    train, val = hold_out(listing.train, data["validation"]["share"], draw)
    return FolderImages(
        root=listing.root,
        train=limited(train, budget["train_images"], draw),
        val=limited(val, budget["val_images"], draw),
        test=limited(listing.test, budget["test_images"], draw),
        classes=listing.classes,
        channels=data["channels"],
        size=data["size"],
        resize=data["resize"] or _usual_resize(data["size"]),
        normalise=_normalise(data),
        batch_size=recipe.batch_size,
        augment=Augment(**recipe.augment),
        seed=seed,
        workers=workers,
    )


def _usual_resize(crop: int) -> int:
    """Pixels of the shorter side for a crop of so many: as for 224 px (256), in proportion above 256."""
    return 256 if crop <= 256 else round(crop * 8 / 7)


def _augment_in_ram(recipe: Recipe) -> Augment:
    """Raises UserError for what only pictures that are decoded one by one go through."""
    for name in ("crop_area", "color_jitter", "lighting"):
        if value := recipe.augment.get(name):
            raise UserError(
                f"recipe.augment.{name}={value}: images that live in RAM have none; "
                f"set {'[]' if name == 'crop_area' else 0}, or choose data=imagenet or data=image_folder"
            )
    return Augment(**recipe.augment)


def _normalise(data: Mapping[str, Any]) -> Normalise:
    return Normalise(tuple(data["mean"]), tuple(data["std"]))


def _root(data: Mapping[str, Any]) -> Path | None:
    return None if data["root"] is None else Path(data["root"])


def _mirrors(data: Mapping[str, Any]) -> list[str] | None:
    mirrors = data["mirrors"]
    if mirrors is not None and not (isinstance(mirrors, list) and all(isinstance(mirror, str) for mirror in mirrors)):
        raise UserError(f"data.mirrors={mirrors}: must be a list, such as data.mirrors=[URL]")
    return mirrors
