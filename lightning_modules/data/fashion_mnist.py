"""Fashion-MNIST: found, checked, unpacked.

Xiao, Rasul and Vollgraf, 2017, arXiv:1708.07747: 60,000 + 10,000 grey images of 28 px in ten classes.
"""

import gzip
import hashlib
import os
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lightning_modules.errors import CorruptFileError, UserError

DEBIAN_PACKAGE = "dataset-fashion-mnist"
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
LARGEST_FILE = 64 * 2**20  # bytes; the unpacked training images have 47,040,016


def load(
    root: Path | None, cache: Path, sha256: Mapping[str, str], mirrors: Sequence[str] | None, timeout_s: float
) -> dict[str, np.ndarray]:
    """The arrays of the four files: images (N, 28, 28) and labels (N,), uint8, by the names in ``sha256``.

    Raises:
        UserError: the data is nowhere to be had; the message names the ways.
        CorruptFileError: a file's SHA-256 is not the one expected.
    """
    folder = locate(root, cache, tuple(sha256), mirrors, timeout_s)
    return {name: _parse(_read_checked(folder, name, digest)) for name, digest in sha256.items()}


def locate(
    root: Path | None, cache: Path, names: Sequence[str], mirrors: Sequence[str] | None, timeout_s: float
) -> Path:
    """The folder that holds the files: ``root`` if given; else Debian's package, ``cache``, a download, apt-get."""
    if root is not None:
        for folder in (root, root / "FashionMNIST" / "raw"):
            if _holds(folder, names):
                return folder
        raise UserError(
            f"data.root={root}: {'not a folder' if not root.is_dir() else 'no Fashion-MNIST there'}; "
            f"it must hold {', '.join(names)}, packed (.gz) or not"
        )
    for folder in (DEBIAN_FOLDER, cache):
        if _holds(folder, names):
            return folder
    reasons = []
    for way, fetch in (("download", _download), ("apt-get download", _apt_get)):
        try:
            return fetch(cache, names, mirrors, timeout_s)
        except (OSError, subprocess.SubprocessError) as error:
            reasons.append(f"{way}: {str(error) or type(error).__name__}")
    raise UserError(
        f"Fashion-MNIST not found ({'; '.join(reasons)}). Any of these helps: apt-get install {DEBIAN_PACKAGE}; "
        f"put {', '.join(f'{name}.gz' for name in names)} into {cache}; data.root=FOLDER that holds them; "
        "data.mirrors=[URL] with a reachable mirror"
    )


def _holds(folder: Path, names: Sequence[str]) -> bool:
    return all((folder / name).is_file() or (folder / f"{name}.gz").is_file() for name in names)


def _read_checked(folder: Path, name: str, sha256: str) -> bytes:
    path = folder / name
    try:
        if path.is_file():
            content = path.read_bytes()
        else:
            path = folder / f"{name}.gz"
            with gzip.open(path) as file:
                content = file.read(LARGEST_FILE)
    except (OSError, EOFError) as error:
        raise CorruptFileError(f"{path} cannot be read ({error}); delete it and run again") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise CorruptFileError(f"{path} is not the published file (its SHA-256 differs); delete it and run again")
    return content


def _parse(content: bytes) -> np.ndarray:
    """The IDX format: two zero bytes, type (8: uint8), number of dimensions, sizes as big-endian int32, data."""
    dimensions = content[3]
    shape = np.frombuffer(content, dtype=">i4", count=dimensions, offset=4)
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * dimensions).reshape(tuple(map(int, shape)))


def _download(cache: Path, names: Sequence[str], mirrors: Sequence[str] | None, timeout_s: float) -> Path:
    if mirrors is None:
        from torchvision.datasets import FashionMNIST  # imported here: it takes a second and is rarely needed

        mirrors = FashionMNIST.mirrors
    problem: OSError = FileNotFoundError("no mirror given")
    for mirror in mirrors:
        try:
            with tempfile.TemporaryDirectory() as temporary:
                for name in names:
                    address = f"{mirror.rstrip('/')}/{name}.gz"
                    with (
                        urllib.request.urlopen(address, timeout=timeout_s) as answer,
                        Path(temporary, f"{name}.gz").open("wb") as file,
                    ):
                        shutil.copyfileobj(answer, file)
                return _keep(Path(temporary), cache, names)
        except ValueError as error:
            raise UserError(f"data.mirrors={mirror}: {error}") from error
        except OSError as error:
            problem = error
    raise problem


def _apt_get(cache: Path, names: Sequence[str], mirrors: Sequence[str] | None, timeout_s: float) -> Path:
    """Debian's package without root: downloaded and unpacked, not installed."""
    with tempfile.TemporaryDirectory() as temporary:

        def call(*command: str) -> None:
            try:
                subprocess.run(command, cwd=temporary, check=True, capture_output=True, text=True, timeout=300)
            except subprocess.CalledProcessError as error:
                raise OSError(error.stderr.strip().splitlines()[-1] if error.stderr.strip() else str(error)) from error

        call("apt-get", "download", DEBIAN_PACKAGE)
        call("dpkg", "-x", next(Path(temporary).glob("*.deb")).name, "unpacked")
        return _keep(Path(temporary, "unpacked", *DEBIAN_FOLDER.parts[1:]), cache, names)


def _keep(folder: Path, cache: Path, names: Sequence[str]) -> Path:
    """Moves the files into ``cache``, each in one step, so that a reader never sees half of one."""
    cache.mkdir(parents=True, exist_ok=True)
    for name in names:
        part = cache / f".{name}.{os.getpid()}.part"
        shutil.copyfile(folder / f"{name}.gz", part)
        part.replace(cache / f"{name}.gz")
    return cache
