"""What an image folder holds: classes and files, by name and size. Imports no torch, so that planning can ask, too.

The layout is torchvision's: ``<root>/train/<class>/*`` and ``<root>/val/<class>/*`` (or ``test`` where there is no
``val``). Hidden files and folders and files that are no images by their ending are passed over.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lightning_modules.errors import UserError

ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")  # as torchvision's ImageFolder
LAYOUT = "it must hold train/<class>/* and val/<class>/* (or test)"


@dataclass(frozen=True)
class Files:
    """The images of a split: paths relative to the root, in the order of classes and names, with their labels."""

    paths: tuple[str, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.paths)


@dataclass(frozen=True)
class Listing:
    """An image folder. ``test`` is what is in val (or test); ``sha256`` is of all relative paths with their sizes."""

    root: Path
    classes: tuple[str, ...]
    train: Files
    test: Files
    sha256: str


def content_id(data: Mapping[str, Any]) -> str | None:
    """What stands for the folder's content in a run's name; ``data`` is a conf/data file's content.

    The listing's SHA-256; None where there is no folder, or it has the classes and images that ``data`` says were
    published. Raises what ``listing_of`` raises.
    """
    if data["dataset"] != "ImageFolder" or data["root"] is None:
        return None
    listing = listing_of(Path(data["root"]))
    found = {"train": len(listing.train), "val": len(listing.test)}
    as_published = data.get("images") == found and data["num_classes"] == len(listing.classes)
    return None if as_published else listing.sha256


@cache
def listing_of(root: Path) -> Listing:
    """Lists the folder ``root``, once in a process. A million files take some seconds.

    Raises:
        UserError: the folder has not the layout, or a class no image.
    """
    try:
        if not root.is_dir():
            raise UserError(f"data.root={root}: {'not a folder' if root.exists() else 'no such folder'}; {LAYOUT}")
        tested = "val" if (root / "val").is_dir() else "test"
        classes, others = _classes(root, "train"), _classes(root, tested)
        if classes != others:
            raise UserError(f"data.root={root}: {_difference(classes, others, tested)}")
        digest = hashlib.sha256()
        train, test = (_files(root, split, classes, digest) for split in ("train", tested))
    except OSError as error:
        raise UserError(f"data.root={root}: cannot be listed ({error})") from error
    return Listing(root, tuple(classes), train, test, digest.hexdigest())


def _classes(root: Path, split: str) -> list[str]:
    if not (root / split).is_dir():
        missing = "train folder" if split == "train" else "val or test folder"
        raise UserError(f"data.root={root}: has no {missing}; {LAYOUT}")
    with os.scandir(root / split) as entries:
        found = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    if not found:
        raise UserError(f"data.root={root}: {split} has no class folders; {LAYOUT}")
    return found


def _difference(classes: Sequence[str], others: Sequence[str], tested: str) -> str:
    for one, other, names in (
        ("train", tested, sorted(set(classes) - set(others))),
        (tested, "train", sorted(set(others) - set(classes))),
    ):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            return f"{one} has class folders that {other} has not: {', '.join(names[:3])}{more}"
    raise ValueError("there is no difference")


def _files(root: Path, split: str, classes: Sequence[str], digest: Any) -> Files:
    paths: list[str] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = sorted(_images(root, f"{split}/{name}"), key=lambda file: file[0].rpartition("/"))
        if not found:
            raise UserError(
                f"data.root={root}: {split}/{name} has no images; a class needs some ({', '.join(ENDINGS)})"
            )
        digest.update(b"".join(os.fsencode(f"{path}\0{size}\n") for path, size in found))
        paths += [path for path, _ in found]
        labels += [label] * len(found)
    return Files(tuple(paths), tuple(labels))


def _images(root: Path, folder: str) -> Iterator[tuple[str, int]]:
    """Relative path and size of each image below ``folder``. Links to files are followed; links to folders are not,
    other than a class's own, since they may lead round in a circle."""
    with os.scandir(root / folder) as entries:
        for entry in entries:
            path = f"{folder}/{entry.name}"
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _images(root, path)
            elif entry.name.lower().endswith(ENDINGS):
                yield path, _size(root, entry, path)


def _size(root: Path, entry: "os.DirEntry[str]", path: str) -> int:
    try:
        if entry.is_file():
            return entry.stat().st_size
    except OSError:  # links that lead to each other
        pass
    raise UserError(f"data.root={root}: {path} is no file, or a link to none")
