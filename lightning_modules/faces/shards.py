"""Rendered faces as files: a hundred in each, under a name that holds the checksum of its content."""

import hashlib
import io
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from lightning_modules.errors import CorruptFileError, naming

FACES = 100  # in a shard: what an interruption loses at most
DIGITS = 16  # of the checksum in the name


@dataclass(frozen=True)
class Faces:
    """``N`` pictures as JPEG files, with their points (N, 68, 2) and attributes (N, A), both float32."""

    pictures: Sequence[bytes]
    points: np.ndarray
    attributes: np.ndarray


def written(folder: Path) -> dict[str, Path]:
    """The shards in ``folder``, by their names without the checksum (``train-0003``)."""
    found = (re.fullmatch(rf"([a-z]+-\d{{4}})-[0-9a-f]{{{DIGITS}}}\.npz", path.name) for path in _files(folder))
    return {match[1]: folder / match[0] for match in found if match}


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def write(folder: Path, name: str, faces: Faces) -> Path:
    """Writes to a temporary name and renames: a shard is whole or absent. Returns its path."""
    content = io.BytesIO()
    ends = np.cumsum([len(picture) for picture in faces.pictures])
    joined = np.frombuffer(b"".join(faces.pictures), dtype=np.uint8)
    np.savez(content, pictures=joined, ends=ends, points=faces.points, attributes=faces.attributes)
    path = folder / f"{name}-{_checksum(content.getvalue())}.npz"
    part = folder / f".{path.name}.{os.getpid()}.part"
    with naming(path):
        part.write_bytes(content.getvalue())
        part.replace(path)
    return path


def read(path: Path) -> Faces:
    """Raises CorruptFileError, naming the file, where its content is not what was written."""
    with naming(path):
        content = path.read_bytes()
    if not path.stem.endswith(_checksum(content)):
        raise CorruptFileError(f"{path} is not what was rendered (its checksum differs); delete it and run again")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        joined, ends = arrays["pictures"].tobytes(), arrays["ends"].tolist()
        pictures = [joined[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]
        return Faces(pictures, arrays["points"], arrays["attributes"])


def decode(pictures: Sequence[bytes], size: int) -> np.ndarray:
    """(N, size, size, 3) uint8 from JPEG files of that size."""
    images = np.empty((len(pictures), size, size, 3), np.uint8)

    def one(index: int) -> None:
        images[index] = np.asarray(Image.open(io.BytesIO(pictures[index])))

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        list(pool.map(one, range(len(pictures)), chunksize=64))
    return images


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:DIGITS]
