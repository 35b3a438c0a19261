"""Fashion-MNIST: found, checked, unpacked.

Xiao, Rasul and Vollgraf, 2017, arXiv:1708.07747: 60,000 + 10,000 grey images of 28 px in ten classes.
"""

import gzip
import hashlib
import subprocess
import tempfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from lightning_modules.data.download import NOT_TO_BE_HAD, download, keep
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
    folder = locate(root, cache, sha256, mirrors, timeout_s)
    return {name: _parse(_read_checked(folder, name, digest)) for name, digest in sha256.items()}


def locate(
    root: Path | None, cache: Path, sha256: Mapping[str, str], mirrors: Sequence[str] | None, timeout_s: float
) -> Path:
    """The folder that holds the files: ``root`` if given; else Debian's package, ``cache``, a download, apt-get."""
    if root is not None:
        for folder in (root, root / "FashionMNIST" / "raw"):
            if _holds(folder, sha256):
                return folder
        raise UserError(
            f"data.root={root}: {'not a folder' if not root.is_dir() else 'no Fashion-MNIST there'}; "
            f"it must hold {', '.join(sha256)}, packed (.gz) or not"
        )
    for folder in (DEBIAN_FOLDER, cache):
        if _holds(folder, sha256):
            return folder
    reasons = []
    for way, fetch in (("download", _download), ("apt-get download", _apt_get)):
        try:
            return fetch(cache, sha256, mirrors, timeout_s)
        except (*NOT_TO_BE_HAD, subprocess.SubprocessError) as error:
            reasons.append(f"{way}: {str(error) or type(error).__name__}")
    raise UserError(
        f"Fashion-MNIST not found ({'; '.join(reasons)}). Any of these helps: apt-get install {DEBIAN_PACKAGE}; "
        f"put {', '.join(_packed(sha256))} into {cache}; data.root=FOLDER that holds them; "
        "data.mirrors=[URL] with a reachable mirror"
    )


def _holds(folder: Path, names: Iterable[str]) -> bool:
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
    except (OSError, EOFError, zlib.error) as error:
        raise CorruptFileError(f"{path} cannot be read ({error}); delete it and run again") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise CorruptFileError(f"{path} is not the published file (its SHA-256 differs); delete it and run again")
    return content


def _parse(content: bytes) -> np.ndarray:
    """The IDX format: two zero bytes, type (8: uint8), number of dimensions, sizes as big-endian int32, data."""
    dimensions = content[3]
    shape = np.frombuffer(content, dtype=">i4", count=dimensions, offset=4)
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * dimensions).reshape(tuple(map(int, shape)))


def _download(cache: Path, sha256: Mapping[str, str], mirrors: Sequence[str] | None, timeout_s: float) -> Path:
    if mirrors is None:
        from torchvision.datasets import FashionMNIST  # imported here: it takes a second and is rarely needed

        mirrors = FashionMNIST.mirrors
    return download(_packed(sha256), mirrors, cache, partial(_check, sha256=sha256), LARGEST_FILE, timeout_s)


def _apt_get(cache: Path, sha256: Mapping[str, str], mirrors: Sequence[str] | None, timeout_s: float) -> Path:
    """Debian's package without root: downloaded and unpacked, not installed."""
    with tempfile.TemporaryDirectory() as temporary:

        def call(*command: str) -> None:
            try:
                subprocess.run(command, cwd=temporary, check=True, capture_output=True, text=True, timeout=300)
            except subprocess.CalledProcessError as error:
                raise OSError(error.stderr.strip().splitlines()[-1] if error.stderr.strip() else str(error)) from error

        call("apt-get", "download", DEBIAN_PACKAGE)
        packages = list(Path(temporary).glob("*.deb"))
        if not packages:
            raise FileNotFoundError("apt-get left no package")
        call("dpkg", "-x", packages[0].name, "unpacked")
        folder = Path(temporary, "unpacked", *DEBIAN_FOLDER.parts[1:])
        _check(folder, sha256)
        return keep(folder, _packed(sha256), cache)


def _packed(names: Iterable[str]) -> list[str]:
    return [f"{name}.gz" for name in names]


def _check(folder: Path, sha256: Mapping[str, str]) -> None:
    for name, digest in sha256.items():
        _read_checked(folder, name, digest)
