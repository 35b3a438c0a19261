"""One tensor as a part of a ``.cnz`` file, in each of the five forms.

    length of the name (u16), name in UTF-8, form (u8), rank (u8), shape (u32 each), then

    dense   type (u8), numbers
    sparse  entries, values (float32 each)
    shared  size of the codebook (u32), codebook (float32 each), pruned or not (u8), then entries or codes
    affine  number of scales (u32), scales (float32 each), zero points (u8 each), codes
    binary  scales (float32 each), signs (a bit each)

    entries weights and fillers (u32 each), bits of an index (u8), relative indices, codes

Entries are those of ``relative_index``, of which a filler's code is the one after the last code of the weights. Sparse
weights, each of its own value, have code 0, and no codes are written unless there are fillers.

In codes of one width that code takes part in the width: 2^b - 1 values and the zero take b bits, as in the authors'
released SqueezeNet, whose codebooks have 256 entries with the zero. 2^b values and the zero take b + 1.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from lightning_modules.compression import coded, relative_index
from lightning_modules.compression.bits import bytes_of
from lightning_modules.compression.coded import Coded
from lightning_modules.compression.container import Input, Malformed, Output
from lightning_modules.compression.forms import Affine, Binary, Dense, Form, Shared, Sparse
from lightning_modules.compression.relative_index import MOST_BITS, Relative
from lightning_modules.compression.sizes import TensorSizes

_KINDS: tuple[type[Form], ...] = (Dense, Sparse, Shared, Affine, Binary)
_DTYPES: dict[torch.dtype, type[np.generic]] = {torch.float32: np.float32, torch.int64: np.int64}
_MOST_DIMENSIONS = 8
_BYTE_CODES = 256


def shape_of(form: Form) -> tuple[int, ...]:
    match form:
        case Dense():
            return tuple(form.values.shape)
        case Affine():
            return tuple(form.codes.shape)
        case Binary():
            return tuple(form.positive.shape)
    return tuple(form.shape)


def put(name: str, form: Form, huffman: bool, index_bits: int) -> tuple[Output, TensorSizes]:
    """The part of the file, and the sizes of its parts.

    Raises:
        ValueError: the form is not what its docstring says: of another type or size, codes outside of the codebook, positions
            that don't ascend.
    """
    shape, encoded = shape_of(form), name.encode()
    numel = math.prod(shape)
    writer = _Writer(huffman, index_bits)
    out = writer.out
    out.fields("header", "H", len(encoded))
    out.raw("header", encoded)
    out.fields("header", f"BB{len(shape)}I", _KINDS.index(type(form)), len(shape), *shape)
    match form:
        case Dense():
            if form.values.dtype not in _DTYPES:
                raise ValueError(f"{name!r} is {form.values.dtype}; a file holds float32 and int64")
            out.fields("header", "B", list(_DTYPES).index(form.values.dtype))
            out.array("numbers", _numbers(form.values, form.values.dtype, numel))
        case Sparse():
            writer.entries(np.zeros(len(form.positions), np.uint8), 1, form.positions, numel)
            out.array("numbers", _numbers(form.values, torch.float32, len(form.positions)))
        case Shared():
            clusters = len(form.codebook)
            stored = numel if form.positions is None else len(form.positions)
            codes = _numbers(form.codes, torch.int64, stored)
            if stored and not 0 <= codes.min() <= codes.max() < clusters:
                raise ValueError(f"{name!r} has codes outside of its codebook")
            out.fields("header", "I", clusters)
            out.array("codebooks", _numbers(form.codebook, torch.float32, clusters))
            out.fields("header", "B", form.positions is not None)
            if form.positions is None:
                writer.codes("codes", codes, clusters)
            else:
                writer.entries(codes, clusters, form.positions, numel)
        case Affine():
            scales = len(form.scale)
            if scales not in (1, *shape[:1]):
                raise ValueError(f"{name!r} has {scales} scales")
            out.fields("header", "I", scales)
            out.array("scales", _numbers(form.scale, torch.float32, scales))
            out.array("scales", _numbers(form.zero_point, torch.uint8, scales))
            writer.codes("codes", _numbers(form.codes, torch.uint8, numel), _BYTE_CODES)
        case Binary():
            out.array("scales", _numbers(form.scale, torch.float32, shape[0]))
            out.array("signs", np.packbits(_numbers(form.positive, torch.bool, numel)))
    return out, TensorSizes(dict(out.sizes), writer.coded, writer.fillers)


@dataclass
class _Writer:
    """Writes streams of codes and keeps what became of them."""

    huffman: bool
    index_bits: int
    out: Output = field(default_factory=Output)
    coded: dict[str, Coded] = field(default_factory=dict)
    fillers: int = 0

    def codes(self, purpose: str, codes: np.ndarray, alphabet: int) -> None:
        self.coded[purpose] = coded.put(self.out, purpose, codes, alphabet, self.huffman)

    def entries(self, codes: np.ndarray, clusters: int, positions: Tensor, numel: int) -> None:
        where = _numbers(positions, torch.int64, len(codes))
        if len(where) and where[-1] >= numel:
            raise ValueError(f"position {where[-1]} in a tensor of {numel} numbers")
        relative = relative_index.encode(where, self.index_bits)
        self.fillers = int(np.count_nonzero(relative.filler))
        self.out.fields("header", "IIB", len(codes), self.fillers, self.index_bits)
        self.codes("index", relative.distances, 2**self.index_bits)
        if self.fillers or clusters > 1:
            entries = np.full(len(relative.filler), clusters, np.min_scalar_type(clusters))
            entries[~relative.filler] = codes
            self.codes("codes", entries, clusters + bool(self.fillers))


def get(source: Input, most: int) -> tuple[str, Form]:
    """The name of a tensor and the tensor, which may have ``most`` numbers.

    Raises:
        Malformed: the part is not what ``put`` writes.
    """
    (length,) = source.fields("H")
    try:
        name = bytes(source.raw(length)).decode()
    except UnicodeDecodeError as error:
        raise Malformed("the name of a tensor is not UTF-8") from error
    kind, rank = source.fields("BB")
    shape = source.fields(f"{rank}I")
    if kind >= len(_KINDS):
        raise Malformed(f"form {kind} is not known")
    if rank > _MOST_DIMENSIONS or math.prod(max(1, size) for size in shape) > most:
        raise Malformed(f"{name!r} has more numbers than a file may hold: {' x '.join(map(str, shape))}")
    form = _READERS[_KINDS[kind]](source, shape)
    source.finish()
    return name, form


def _dense(source: Input, shape: tuple[int, ...]) -> Dense:
    (dtype,) = source.fields("B")
    if dtype >= len(_DTYPES):
        raise Malformed(f"type {dtype} of numbers is not known")
    return Dense(_tensor(source.array(list(_DTYPES.values())[dtype], math.prod(shape)), shape))


def _sparse(source: Input, shape: tuple[int, ...]) -> Sparse:
    _, positions = _entries(source, 1, math.prod(shape))
    return Sparse(shape, positions, torch.from_numpy(source.array(np.float32, len(positions))))


def _shared(source: Input, shape: tuple[int, ...]) -> Shared:
    (clusters,) = source.fields("I")
    codebook = torch.from_numpy(source.array(np.float32, clusters))
    (pruned,) = source.fields("B")
    if pruned:
        codes, positions = _entries(source, clusters, math.prod(shape))
    else:
        codes, positions = coded.get(source, math.prod(shape), clusters), None
    return Shared(shape, torch.from_numpy(codes.astype(np.int64)), codebook, positions)


def _affine(source: Input, shape: tuple[int, ...]) -> Affine:
    (scales,) = source.fields("I")
    if scales not in (1, *shape[:1]):
        raise Malformed(f"{scales} scales for {shape[0] if shape else 1} channels")
    scale = torch.from_numpy(source.array(np.float32, scales))
    zero_point = torch.from_numpy(source.array(np.uint8, scales))
    return Affine(_tensor(coded.get(source, math.prod(shape), _BYTE_CODES), shape), scale, zero_point)


def _binary(source: Input, shape: tuple[int, ...]) -> Binary:
    if not shape:
        raise Malformed("a binary tensor has no filters")
    scale = torch.from_numpy(source.array(np.float32, shape[0]))
    count = math.prod(shape)
    signs = np.unpackbits(source.array(np.uint8, bytes_of(count)), count=count)
    return Binary(_tensor(signs.view(np.bool_), shape), scale)


_READERS = {Dense: _dense, Sparse: _sparse, Shared: _shared, Affine: _affine, Binary: _binary}


def _entries(source: Input, clusters: int, numel: int) -> tuple[np.ndarray, Tensor]:
    """Codes and positions of the weights, without the fillers."""
    weights, fillers, index_bits = source.fields("IIB")
    count = weights + fillers
    if count > numel or not 1 <= index_bits <= MOST_BITS:
        raise Malformed(f"{count} entries of {index_bits} bits in a tensor of {numel} numbers")
    distances = coded.get(source, count, 2**index_bits)
    if fillers or clusters > 1:
        codes = coded.get(source, count, clusters + bool(fillers))
    else:
        codes = np.zeros(count, np.uint8)
    filler = codes == clusters
    positions = relative_index.decode(Relative(distances, filler))
    if len(positions) != weights or (weights and positions[-1] >= numel):
        raise Malformed(f"{len(positions)} weights, or one behind the end, where {weights} should be")
    return codes[~filler], torch.from_numpy(positions)


def _numbers(tensor: Tensor, dtype: torch.dtype, count: int) -> np.ndarray:
    """(``count``,) of the type. Raises ValueError unless the tensor is so."""
    if tensor.dtype != dtype or tensor.numel() != count:
        raise ValueError(f"{tensor.numel()} numbers of {tensor.dtype} where {count} of {dtype} should be")
    return tensor.detach().cpu().contiguous().view(-1).numpy()


def _tensor(numbers: np.ndarray, shape: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(numbers).view(shape)
