"""Reads files that Python pickled, as data alone: nothing is imported or called, whatever the file says.

What CIFAR's files hold, and no more: dictionaries, lists, tuples, numbers, texts and numpy arrays of bytes, in
protocol 2, as Python 2 or Python 3 writes it.
"""

from collections.abc import Callable
from math import prod
from pickletools import genops
from typing import Any

import numpy as np

from lightning_modules.errors import CorruptFileError

MOST_OPERATIONS = 4_000_000  # CIFAR-100's training file has about 400,000; each may make an object
VALUES = ("BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE")
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class _Refused(Exception):
    """What is not data."""


class _Name:
    """A global that numpy's arrays and Python 3's bytes are written with. Here it is only a name."""

    def __init__(self, *names: str):
        self.names = names


ENCODE = _Name("_codecs encode")
NDARRAY = _Name("numpy ndarray")
DTYPE = _Name("numpy dtype")
RECONSTRUCT = _Name("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct")
GLOBALS = {name: known for known in (ENCODE, NDARRAY, DTYPE, RECONSTRUCT) for name in known.names}
BYTES_DTYPE = _Name()  # what numpy.dtype("u1", ...) makes
MARK = _Name()


def read(content: bytes, name: str) -> Any:
    """The one object that the pickle ``content`` holds; a text of Python 2 is bytes. ``name`` is told in errors.

    Raises:
        CorruptFileError: it holds something that is not data, or is no whole pickle.
    """
    try:
        return _Machine(content).run()
    except _Refused as refused:
        raise CorruptFileError(f"{name} holds more than data ({refused}); it was not read") from refused
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CorruptFileError(f"{name} is not a whole pickle of data ({reason}); delete it and run again") from error


class _Machine:
    """The pickle machine's stack and memory, with the operations that make data."""

    def __init__(self, content: bytes):
        self.content = content
        self.stack: list[Any] = []
        self.memory: dict[int, Any] = {}
        # A text may be encoded, and become an array, once; over and over, a small file would fill the memory.
        self.bytes_left = 2 * len(content)

    def run(self) -> Any:
        for number, (operation, argument, _) in enumerate(genops(self.content)):
            if number == MOST_OPERATIONS:
                raise _Refused(f"more than {MOST_OPERATIONS:,} operations")
            self._do(operation.name, argument)
        (result,) = self.stack
        return _data(result)

    def _do(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in VALUES:
            stack.append(argument)
        elif name in ("BINPUT", "LONG_BINPUT"):
            self.memory[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self.memory[argument])
        elif name in ("SHORT_BINSTRING", "BINSTRING"):
            stack.append(argument.encode("latin-1"))
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name == "GLOBAL":
            if argument not in GLOBALS:
                raise _Refused(f"GLOBAL {argument}")
            stack.append(GLOBALS[argument])
        elif name in TUPLES:
            stack[-TUPLES[name] :] = [tuple(self._top(TUPLES[name]))]
        elif name in OPERATIONS:
            OPERATIONS[name](self)
        else:
            raise _Refused(name)

    def _top(self, count: int) -> list[Any]:
        if count > len(self.stack):
            raise IndexError("nothing to take")
        return self.stack[-count:]

    def _from_mark(self) -> list[Any]:
        """What lies above the last mark, taken off with it."""
        items = []
        while (item := self.stack.pop()) is not MARK:
            items.append(item)
        return items[::-1]

    def tuple(self) -> None:
        self.stack.append(tuple(self._from_mark()))

    def append(self) -> None:
        self._extend([self.stack.pop()])

    def appends(self) -> None:
        self._extend(self._from_mark())

    def _extend(self, items: list[Any]) -> None:
        _is(self.stack[-1], list).extend(map(_data, items))

    def setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._update([key, value])

    def setitems(self) -> None:
        self._update(self._from_mark())

    def _update(self, items: list[Any]) -> None:
        pairs = zip(items[::2], items[1::2], strict=True)
        _is(self.stack[-1], dict).update({_is(key, bytes, str, int): _data(value) for key, value in pairs})

    def reduce(self) -> None:
        """The three calls in the files of numpy and of Python 3, each for what it makes."""
        arguments, function = self.stack.pop(), self.stack.pop()
        if function is ENCODE and isinstance(arguments, tuple) and arguments[1:] == ("latin1",):
            made = _is(arguments[0], str).encode("latin-1")
            self._count(len(made))
        elif function is DTYPE and arguments in [(b"u1", 0, 1), ("u1", 0, 1)]:
            made = BYTES_DTYPE
        elif function is RECONSTRUCT and arguments == (NDARRAY, (0,), b"b"):
            made = np.empty(0, np.uint8)
        else:
            raise _Refused("REDUCE of something other than an array of bytes")
        self.stack.append(made)

    def build(self) -> None:
        state, target = _is(self.stack.pop(), tuple), self.stack[-1]
        if target is BYTES_DTYPE and state[:3] in [(3, b"|", None), (3, "|", None)]:
            return
        if not isinstance(target, np.ndarray) or len(state) != 5 or state[2] is not BYTES_DTYPE:
            raise _Refused("BUILD of something other than an array of bytes")
        _, shape, _, by_column, content = state
        if not 1 <= len(_is(shape, tuple)) <= 4 or any(_is(size, int) < 1 for size in shape):
            raise ValueError("an array with more than 4 axes, or none")
        if prod(shape) != len(_is(content, bytes)):
            raise ValueError(f"an array of {' x '.join(map(str, shape))} with {len(content)} bytes")
        self._count(len(content))
        target.resize(shape, refcheck=False)
        target[...] = np.frombuffer(content, np.uint8).reshape(shape, order="F" if by_column else "C")

    def _count(self, size: int) -> None:
        self.bytes_left -= size
        if self.bytes_left < 0:
            raise _Refused("the same bytes over and over")


OPERATIONS: dict[str, Callable[[_Machine], None]] = {
    "PROTO": lambda machine: None,
    "STOP": lambda machine: None,
    "MARK": lambda machine: machine.stack.append(MARK),
    "EMPTY_LIST": lambda machine: machine.stack.append([]),
    "EMPTY_DICT": lambda machine: machine.stack.append({}),
    "EMPTY_TUPLE": lambda machine: machine.stack.append(()),
    "TUPLE": _Machine.tuple,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.setitem,
    "SETITEMS": _Machine.setitems,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
}


def _is(value: Any, *kinds: type) -> Any:
    if not isinstance(value, kinds):
        raise ValueError(f"{type(value).__name__} where {' or '.join(kind.__name__ for kind in kinds)} is due")
    return value


def _data(value: Any) -> Any:
    if isinstance(value, _Name):
        raise _Refused(" or ".join(value.names) or "a mark where data is due")
    return value
