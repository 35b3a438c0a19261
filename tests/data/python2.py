"""Files as Python 2 pickles them (cPickle, protocol 2): what CIFAR's authors published."""

import struct
from itertools import count
from typing import Any

import numpy as np


def dumps(value: Any) -> bytes:
    """A byte string is Python 2's text; arrays are of uint8."""
    numbers = count()

    def put() -> bytes:
        number = next(numbers)
        return b"q" + bytes([number]) if number < 256 else b"r" + struct.pack("<I", number)

    def write(value: Any) -> bytes:
        if value is None or isinstance(value, bool):
            return {None: b"N", True: b"\x88", False: b"\x89"}[value]
        if isinstance(value, int):
            if 0 <= value < 2**16:
                return b"K" + bytes([value]) if value < 256 else b"M" + struct.pack("<H", value)
            return b"J" + struct.pack("<i", value)
        if isinstance(value, bytes):
            size = b"U" + bytes([len(value)]) if len(value) < 256 else b"T" + struct.pack("<i", len(value))
            return size + value + put()
        if isinstance(value, list):
            rows = [value[start : start + 1000] for start in range(0, len(value), 1000)]
            return b"]" + put() + b"".join(b"(" + b"".join(map(write, row)) + b"e" for row in rows)
        if isinstance(value, dict):
            return b"}" + put() + b"(" + b"".join(write(key) + write(item) for key, item in value.items()) + b"u"
        if isinstance(value, tuple):
            short = {1: b"\x85", 2: b"\x86", 3: b"\x87"}
            items = b"".join(map(write, value))
            return (items + short[len(value)] if len(value) in short else b"(" + items + b"t") + put()
        return array(value)

    def array(value: np.ndarray) -> bytes:
        assert value.dtype == np.uint8
        empty = b"cnumpy.core.multiarray\n_reconstruct\n" + put() + b"cnumpy\nndarray\n" + put()
        empty += write((0,)) + write(b"b") + b"\x87" + put() + b"R" + put()
        dtype = b"cnumpy\ndtype\n" + put() + write((b"u1", 0, 1)) + b"R" + put()
        dtype += b"(" + write(3) + write(b"|") + b"NNN" + write(-1) * 2 + write(0) + b"t" + put() + b"b"
        by_column = not value.flags.c_contiguous
        content = value.tobytes("F" if by_column else "C")
        state = b"(" + write(1) + write(value.shape) + dtype + write(by_column) + write(content) + b"t" + put()
        return empty + state + b"b"

    return b"\x80\x02" + write(value) + b"."
