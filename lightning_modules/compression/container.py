"""A file of parts, each with its length and its CRC-32; a part is little-endian fields and arrays.

"\\x89CNZ", version (u16), number of parts (u32); each part: length in bytes (u32), CRC-32 (u32), content
"""

import os
import struct
import tempfile
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lightning_modules.errors import CorruptFileError, naming

MAGIC = b"\x89CNZ"
VERSION = 1
_FILE = struct.Struct("<4sHI")
_PART = struct.Struct("<II")


class Malformed(ValueError):
    """Bytes that are not what a writer writes. Who knows the file names it."""


class Output:
    """The content of a part as it is written; ``sizes``: its bytes by what they are for."""

    def __init__(self) -> None:
        self.pieces: list[memoryview] = []
        self.sizes: Counter[str] = Counter()

    def fields(self, purpose: str, layout: str, *numbers: int) -> None:
        """Numbers in the letters of ``struct``."""
        self.raw(purpose, struct.pack(f"<{layout}", *numbers))

    def raw(self, purpose: str, content: bytes) -> None:
        self.array(purpose, np.frombuffer(content, np.uint8))

    def array(self, purpose: str, numbers: np.ndarray) -> None:
        """Any shape; read again with its count and type."""
        little = np.ascontiguousarray(numbers, numbers.dtype.newbyteorder("<")).reshape(-1).view(np.uint8)
        self.pieces.append(little.data)
        self.sizes[purpose] += len(little)


class Input:
    """The content of a part as it is read. Nothing is made of a count before the bytes for it were seen to be there.

    Each method raises Malformed where the part ends too early. ``at``: the byte that is read next.
    """

    def __init__(self, content: memoryview):
        self._content = content
        self.at = 0

    def fields(self, layout: str) -> tuple[Any, ...]:
        return struct.unpack(f"<{layout}", self.raw(struct.calcsize(f"<{layout}")))

    def raw(self, count: int) -> memoryview:
        if count > len(self._content) - self.at:
            raise Malformed(f"{count} bytes should follow, and there are {len(self._content) - self.at}")
        self.at += count
        return self._content[self.at - count : self.at]

    def rest(self) -> memoryview:
        return self.raw(len(self._content) - self.at)

    def array(self, kind: type[np.generic], count: int) -> np.ndarray:
        """(``count``,), a copy in the machine's own order of bytes."""
        dtype = np.dtype(kind)
        return np.frombuffer(self.raw(count * dtype.itemsize), dtype.newbyteorder("<")).astype(dtype)

    def finish(self) -> None:
        """Raises Malformed unless all was read."""
        if self.at != len(self._content):
            raise Malformed(f"{len(self._content) - self.at} bytes too many")


def overhead(parts: int) -> int:
    """Bytes of a file that are not content of its ``parts``."""
    return _FILE.size + parts * _PART.size


def save(path: Path, parts: Sequence[Output]) -> None:
    """Writes to a temporary name in the same folder, then renames: a reader sees the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with naming(path):
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_FILE.pack(MAGIC, VERSION, len(parts)))
                for part in parts:
                    crc = 0
                    for piece in part.pieces:
                        crc = zlib.crc32(piece, crc)
                    file.write(_PART.pack(part.sizes.total(), crc))
                    for piece in part.pieces:
                        file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def load(path: Path) -> list[tuple[int, memoryview]]:
    """The parts of a file, each with the byte at which its content begins.

    Raises:
        CorruptFileError: it is no such file, of another version, not whole, or a byte of it is wrong.
    """
    with naming(path):
        content = memoryview(path.read_bytes())
    if content[: len(MAGIC)] != MAGIC or len(content) < _FILE.size:
        raise CorruptFileError(f"{path} is not a .cnz file; give one that this program wrote")
    _, version, count = _FILE.unpack(content[: _FILE.size])
    if version != VERSION:
        raise CorruptFileError(f"{path}: is of version {version} of the format, this program reads {VERSION}")
    parts, at = [], _FILE.size
    for number in range(count):
        begin = at + _PART.size
        length, crc = _PART.unpack(content[at:begin]) if begin <= len(content) else (0, 0)
        at = begin + length
        if at > len(content):
            raise CorruptFileError(
                f"{path}: ends in part {number + 1} of {count}, at byte {len(content)}; copy it again"
            )
        if zlib.crc32(content[begin:at]) != crc:
            raise CorruptFileError(
                f"{path}: part {number + 1} of {count}, bytes {begin} to {at}, differs from its checksum; copy it again"
            )
        parts.append((begin, content[begin:at]))
    if at != len(content):
        raise CorruptFileError(f"{path}: goes on after its last part, at byte {at}; copy it again")
    return parts
