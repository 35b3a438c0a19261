"""CIFAR-10 and CIFAR-100, as their authors publish them for Python: found, checked, read as data.

Krizhevsky, 2009, "Learning multiple layers of features from tiny images": 50,000 + 10,000 colour images of 32 px, in ten
classes or a hundred. The files are pickles, which could run anything; ``pickled_data`` reads them without unpickling.
"""

import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from lightning_modules.data import pickled_data
from lightning_modules.data.download import NOT_TO_BE_HAD, download
from lightning_modules.errors import CorruptFileError, UserError

LARGEST_FILE = 256 * 2**20  # bytes; the archives have 170 million, unpacked 186 million
MOST_MEMBERS = 100  # of an archive; the true ones have 9 and 5


@dataclass(frozen=True)
class Release:
    """One of the two data sets: its archive, the folder and the files in that, and what they call labels and names."""

    title: str
    archive: str
    folder: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    meta: str
    labels: bytes
    names: bytes

    @property
    def files(self) -> tuple[str, ...]:
        return (*self.train, *self.test, self.meta)


CIFAR10 = Release(
    title="CIFAR-10",
    archive="cifar-10-python.tar.gz",
    folder="cifar-10-batches-py",
    train=("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"),
    test=("test_batch",),
    meta="batches.meta",
    labels=b"labels",
    names=b"label_names",
)
CIFAR100 = Release(
    title="CIFAR-100",
    archive="cifar-100-python.tar.gz",
    folder="cifar-100-python",
    train=("train",),
    test=("test",),
    meta="meta",
    labels=b"fine_labels",
    names=b"fine_label_names",
)


@dataclass(frozen=True)
class Images:
    """Both splits, images (N, 32, 32, 3) uint8 with labels (N,) int64, and the names of the classes."""

    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    classes: list[str]


def load(
    release: Release,
    root: Path | None,
    cache: Path,
    sha256: Mapping[str, str],
    md5: Mapping[str, str],
    mirrors: Sequence[str] | None,
    timeout_s: float,
) -> Images:
    """The data set from ``root`` if given; else from ``cache``, else from a mirror. ``sha256`` is the archive's.

    Raises:
        UserError: the data is nowhere to be had; the message names the ways.
        CorruptFileError: a file's digest is not the one expected, or it holds something else than images.
    """
    place = locate(release, root, cache, sha256, mirrors, timeout_s)
    batches, classes = {}, []
    for name, content in _contents(release, place):
        path = place / name
        if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5[name]:
            raise CorruptFileError(f"{path} is not the published file (its MD5 differs); delete {place} and run again")
        batch = pickled_data.read(content, str(path))
        if name == release.meta:
            classes = _names(release, batch, path)
        else:
            batches[name] = _batch(release, batch, path)
    return Images(_joined(batches, release.train), _joined(batches, release.test), classes)


def locate(
    release: Release,
    root: Path | None,
    cache: Path,
    sha256: Mapping[str, str],
    mirrors: Sequence[str] | None,
    timeout_s: float,
) -> Path:
    """The folder that holds the files, or the archive."""
    found = _find(release, cache if root is None else root)
    if found:
        return found
    if root is not None:
        raise UserError(
            f"data.root={root}: {'not a folder' if not root.is_dir() else f'no {release.title} there'}; "
            f"it must hold {release.archive}, or {release.folder} with {', '.join(release.files)}"
        )
    try:
        return _download(release, cache, sha256, mirrors, timeout_s)
    except NOT_TO_BE_HAD as error:
        raise UserError(
            f"{release.title} not found (download: {str(error) or type(error).__name__}). Any of these helps: put "
            f"{release.archive} into {cache}; data.root=FOLDER that holds it, packed or not; "
            "data.mirrors=[URL] with a reachable mirror"
        ) from error


def _find(release: Release, folder: Path) -> Path | None:
    for place in (folder / release.folder, folder):
        if all((place / name).is_file() for name in release.files):
            return place
    archive = folder / release.archive
    return archive if archive.is_file() else None


def _download(
    release: Release, cache: Path, sha256: Mapping[str, str], mirrors: Sequence[str] | None, timeout_s: float
) -> Path:
    if mirrors is None:
        from torchvision import datasets  # imported here: it takes a second and is rarely needed

        mirrors = [getattr(datasets, release.title.replace("-", "")).url]

    def check(folder: Path) -> None:
        with (folder / release.archive).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256[release.archive]:
                raise CorruptFileError(f"{release.archive} is not the published file: its SHA-256 differs")

    return download([release.archive], mirrors, cache, check, LARGEST_FILE, timeout_s) / release.archive


def _contents(release: Release, place: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file, in any order, one in memory at a time."""
    missing = set(release.files)
    try:
        for name, content in _in_folder(release, place) if place.is_dir() else _in_archive(release, place):
            missing.remove(name)
            yield name, content
    except CorruptFileError:
        raise
    except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError) as error:
        raise CorruptFileError(f"{place} cannot be read ({error}); delete it and run again") from error
    if missing:
        raise CorruptFileError(f"{place} has no {', '.join(sorted(missing))}; delete it and run again")


def _in_folder(release: Release, folder: Path) -> Iterator[tuple[str, bytes]]:
    for name in release.files:
        with (folder / name).open("rb") as file:
            yield name, Bounded(file, LARGEST_FILE, folder / name).read()


def _in_archive(release: Release, archive: Path) -> Iterator[tuple[str, bytes]]:
    """Into memory, by their exact names: nothing is extracted, so nothing can land where it should not."""
    wanted = {f"{release.folder}/{name}": name for name in release.files}
    with (
        gzip.open(archive) as unpacked,
        tarfile.open(fileobj=Bounded(unpacked, LARGEST_FILE, archive), mode="r|") as members,
    ):
        for member in islice(members, MOST_MEMBERS):
            if member.isreg() and member.name in wanted and member.size <= LARGEST_FILE:
                file = members.extractfile(member)
                assert file is not None  # it is so only for what is no regular file
                yield wanted.pop(member.name), file.read()


class Bounded(io.BufferedIOBase):
    """A file that ends with an error once more than ``limit`` bytes were read: a small archive may unpack to anything."""

    def __init__(self, file: io.BufferedIOBase, limit: int, path: Path):
        super().__init__()
        self.file, self.left, self.path = file, limit, path

    def read(self, size: int | None = -1, /) -> bytes:
        most = self.left + 1
        content = self.file.read(most if size is None or size < 0 else min(size, most))
        self.left -= len(content)
        if self.left < 0:
            raise CorruptFileError(f"{self.path} is larger than the published file; delete it and run again")
        return content


def _batch(release: Release, batch: object, path: Path) -> tuple[np.ndarray, np.ndarray]:
    images, labels = _field(batch, b"data", path), _field(batch, release.labels, path)
    if not isinstance(images, np.ndarray) or images.shape[1:] != (3 * 32 * 32,):
        raise CorruptFileError(f"{path} holds no images of 3 x 32 x 32 bytes")
    if not isinstance(labels, list) or len(labels) != len(images) or not all(type(label) is int for label in labels):
        raise CorruptFileError(f"{path} holds no label for each of its {len(images)} images")
    return images.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), np.array(labels, dtype=np.int64)


def _names(release: Release, meta: object, path: Path) -> list[str]:
    names = _field(meta, release.names, path)
    if not isinstance(names, list) or not all(isinstance(name, bytes) for name in names):
        raise CorruptFileError(f"{path} holds no names of classes")
    return [name.decode("ascii", "replace") for name in names]


def _field(content: object, key: bytes, path: Path) -> object:
    if not isinstance(content, dict) or key not in content:
        raise CorruptFileError(f"{path} has no {key.decode()}")
    return content[key]


def _joined(
    batches: Mapping[str, tuple[np.ndarray, np.ndarray]], names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    images, labels = zip(*(batches[name] for name in names), strict=True)
    return np.concatenate(images), np.concatenate(labels)
