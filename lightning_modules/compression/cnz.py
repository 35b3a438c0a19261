"""``.cnz``: a compressed net as a file. Tensors in their forms, and what the caller says of them as JSON.

The parts (``container``): first the metadata, then each tensor (``cnz_forms``). Nothing is unpickled. Each part has a
checksum, and beyond it every count is checked against what the file holds before anything is made of it.
"""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning_modules.compression import cnz_forms, container
from lightning_modules.compression.container import Input, Malformed, Output
from lightning_modules.compression.forms import Form
from lightning_modules.compression.relative_index import MOST_BITS
from lightning_modules.compression.sizes import Sizes
from lightning_modules.errors import CorruptFileError, UserError

LARGEST = 2**28  # numbers of all tensors together: zeros take no room in a file, and would in memory
INDEX_BITS = 4  # as in the paper's AlexNet (Deep Compression, table 4)


def write(
    path: Path,
    tensors: Mapping[str, Form],
    metadata: Mapping[str, Any],
    huffman: bool | Mapping[str, bool] = True,
    index_bits: int | Mapping[str, int] = INDEX_BITS,
) -> Sizes:
    """Writes the file, whole or not at all, and says where its bytes go.

    Args:
        path: of the file; what is there is replaced.
        tensors: by name; ``read`` gives them back in this order, bit by bit the same.
        metadata: plain values, as JSON has them.
        huffman: False for codes of one width. By name, if given so; True for those that are not named. A stream of
            codes that Huffman's would make longer, tables included, has one width in any case.
        index_bits: of the relative position of a weight that is not pruned, 1 to 16. By name, if given so;
            ``INDEX_BITS`` for those that are not named.

    Raises:
        UserError: a name is not among the tensors; bits out of range; tensors that together are too large.
        ValueError: a form is not what its docstring says.
    """
    coded = _by_name("huffman", huffman, tensors, True)
    widths = _by_name("index_bits", index_bits, tensors, INDEX_BITS)
    _check(tensors, widths)
    first = Output()
    first.raw("metadata", json.dumps(dict(metadata), allow_nan=False, ensure_ascii=False).encode())
    parts, sizes = [first], {}
    for name, form in tensors.items():
        part, sizes[name] = cnz_forms.put(name, form, coded[name], widths[name])
        parts.append(part)
    container.save(path, parts)
    return Sizes({**first.sizes, "header": container.overhead(len(parts))}, sizes)


def read(path: Path) -> tuple[dict[str, Form], dict[str, Any]]:
    """The tensors by name, and the metadata.

    A pruned tensor takes as much memory as the file says only once it is decoded: compare its shape with the net's.

    Raises:
        CorruptFileError: it is no such file, or is not what ``write`` wrote; says at which byte.
    """
    first, *parts = container.load(path) or [(0, memoryview(b""))]
    with _placed(path, *first) as source:
        metadata = _metadata(source)
    tensors: dict[str, Form] = {}
    left = LARGEST
    for part in parts:
        with _placed(path, *part) as source:
            name, form = cnz_forms.get(source, left)
            if name in tensors:
                raise Malformed(f"{name!r} is there twice")
        tensors[name] = form
        left -= math.prod(cnz_forms.shape_of(form))
    return tensors, metadata


@contextmanager
def _placed(path: Path, begin: int, content: memoryview) -> Iterator[Input]:
    """What is wrong with a part is said with the file and the byte up to which it was read."""
    source = Input(content)
    try:
        yield source
    except Malformed as error:
        raise CorruptFileError(f"{path}: {error}, at byte {begin + source.at}; write it again") from error


def _by_name(option: str, given: Any, tensors: Mapping[str, Form], default: Any) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        return dict.fromkeys(tensors, given)
    for name in given:
        if name not in tensors:
            raise UserError(f"{option}: there is no tensor {name!r}; name one of {', '.join(tensors)}")
    return dict.fromkeys(tensors, default) | dict(given)


def _check(tensors: Mapping[str, Form], widths: Mapping[str, int]) -> None:
    for name, bits in widths.items():
        if type(bits) is not int or not 1 <= bits <= MOST_BITS:
            raise UserError(f"index_bits={bits} of {name}: must be a whole number from 1 to {MOST_BITS}")
    numbers = sum(math.prod(cnz_forms.shape_of(form)) for form in tensors.values())
    if numbers > LARGEST:
        raise UserError(f"a .cnz file holds at most {LARGEST:,} numbers, not {numbers:,}; write several files")


def _metadata(source: Input) -> dict[str, Any]:
    try:
        metadata = json.loads(bytes(source.rest()))
    except (ValueError, RecursionError) as error:
        raise Malformed("the metadata is not JSON") from error
    if not isinstance(metadata, dict):
        raise Malformed("the metadata is no mapping")
    return metadata
