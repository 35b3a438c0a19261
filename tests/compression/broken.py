"""Broken .cnz files: changed at random, some of them with checksums that fit."""

import struct
import tracemalloc
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from lightning_modules.compression.container import MAGIC, VERSION

_NUMBERS = [0, 1, 2**8, 2**16, 2**28, 2**28 + 1, 2**31 - 1, 2**31, 2**32 - 1]


def sealed(parts: Sequence[bytes]) -> bytes:
    """A file of these parts, with their checksums."""
    framed = [struct.pack("<II", len(part), zlib.crc32(part)) + part for part in parts]
    return struct.pack("<4sHI", MAGIC, VERSION, len(parts)) + b"".join(framed)


def opened(content: bytes) -> list[bytes]:
    """The parts of a file that is whole."""
    parts, at = [], 10
    while at < len(content):
        (length,) = struct.unpack_from("<I", content, at)
        parts.append(content[at + 8 : at + 8 + length])
        at += 8 + length
    return parts


def mutated(content: bytes, generator: np.random.Generator) -> bytes:
    """One file in five is changed anywhere, the others within a part whose checksum is then set right."""
    if generator.random() < 0.2:
        return changed(content, generator)
    parts = opened(content)
    which = int(generator.integers(len(parts)))
    parts[which] = changed(parts[which], generator)
    return sealed(parts)


def changed(content: bytes, generator: np.random.Generator) -> bytes:
    """One change or two: of a bit, a byte, a number of four bytes; what follows cut off, some taken out or put in."""
    for _ in range(generator.integers(1, 3)):
        at, few = int(generator.integers(len(content) + 1)), int(generator.integers(1, 9))
        match int(generator.integers(6)):
            case 0:
                content = (
                    content[:at] + bytes(byte ^ (1 << few % 8) for byte in content[at : at + 1]) + content[at + 1 :]
                )
            case 1:
                content = content[:at] + generator.bytes(1) + content[at + 1 :]
            case 2:
                content = content[:at] + struct.pack("<I", generator.choice(_NUMBERS)) + content[at + 4 :]
            case 3:
                content = content[:at]
            case 4:
                content = content[:at] + content[at + few :]
            case _:
                content = content[:at] + generator.bytes(few) + content[at:]
    return content


@contextmanager
def peak_of() -> Iterator[Callable[[], int]]:
    """The most bytes that were allocated inside at once, of what numpy and Python allocate."""
    tracemalloc.start()
    found = 0
    try:
        yield lambda: found
    finally:
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
