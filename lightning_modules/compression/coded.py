"""A stream of symbols in a part of a file: in codes of one width, or in Huffman's, where these are shorter.

0, payload                                                     ceil(log2(K)) bits a symbol, at least one
1, lengths of the codes (5 bits each), bits of each block (u16 each), payload
"""

from dataclasses import dataclass

import numpy as np

from lightning_modules.compression import bits, huffman
from lightning_modules.compression.container import Input, Malformed, Output

_FIXED, _HUFFMAN = 0, 1
_LENGTH_BITS = 5  # of a length of a code, up to bits.LONGEST


@dataclass(frozen=True)
class Coded:
    """What became of a stream: ``bits`` of its ``count`` symbols, without padding, beside the ``entropy``, in bits too."""

    count: int
    bits: int
    entropy: float


def put(out: Output, purpose: str, symbols: np.ndarray, alphabet: int, use_huffman: bool) -> Coded:
    """Writes ``symbols`` (n,), each in [0, ``alphabet``). Their number and the alphabet the reader has to know."""
    counts = huffman.histogram(symbols, alphabet)
    width = fixed_width(alphabet)
    total, lengths = len(symbols) * width, np.zeros(0, np.uint8)
    if use_huffman:
        lengths = huffman.code_lengths(counts)
        blocks = -(-len(symbols) // huffman.BLOCK)
        coded = bits.bytes_of(int(counts @ lengths)) + bits.bytes_of(alphabet * _LENGTH_BITS) + 2 * blocks
        use_huffman = coded < bits.bytes_of(total)
    out.fields("header", "B", _HUFFMAN if use_huffman else _FIXED)
    if use_huffman:
        payload, in_blocks = huffman.encode(symbols, lengths)
        total = int(in_blocks.sum())
        out.array("code tables", _fixed(lengths, _LENGTH_BITS))
        out.array("block sizes", in_blocks.astype(np.uint16))
    else:
        payload = _fixed(symbols, width)
    out.array(purpose, payload)
    return Coded(len(symbols), total, len(symbols) * huffman.entropy(counts))


def get(source: Input, count: int, alphabet: int) -> np.ndarray:
    """The symbols (``count``,), in the smallest unsigned type that holds ``alphabet``.

    Raises:
        Malformed: the stream is shorter than its symbols take, or does not make sense.
    """
    (kind,) = source.fields("B")
    width = fixed_width(alphabet)
    if width > bits.LONGEST or kind not in (_FIXED, _HUFFMAN):
        raise Malformed(f"coding {kind} of {alphabet} symbols is not known")
    if kind == _FIXED:
        symbols = bits.unpack(source.array(np.uint8, bits.bytes_of(count * width)), width, count)
    else:
        tables = source.array(np.uint8, bits.bytes_of(alphabet * _LENGTH_BITS))
        blocks = source.array(np.uint16, -(-count // huffman.BLOCK)).astype(np.int64)
        if int(blocks.sum()) < count:
            raise Malformed(f"{count} symbols should follow, and there are {int(blocks.sum())} bits")
        payload = source.array(np.uint8, bits.bytes_of(int(blocks.sum())))
        try:
            symbols = huffman.decode(payload, blocks, bits.unpack(tables, _LENGTH_BITS, alphabet), count)
        except ValueError as error:
            raise Malformed(str(error)) from error
    if count and int(symbols.max()) >= alphabet:
        raise Malformed(f"a code is {int(symbols.max())}, and there are {alphabet}")
    return symbols


def fixed_width(alphabet: int) -> int:
    """Bits of a symbol in codes of one width. At least one, so that no count is larger than what a file holds."""
    return max(1, (alphabet - 1).bit_length())


def _fixed(numbers: np.ndarray, width: int) -> np.ndarray:
    values = np.arange(2**width)
    return bits.pack(numbers, values, np.full(2**width, width, np.uint8), len(numbers) * width)
