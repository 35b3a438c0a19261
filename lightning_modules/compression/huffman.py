"""Huffman codes of small alphabets: canonical, no code longer than a limit, and the shortest that there are under it.

Deep Compression (Han et al., 2016, arXiv:1510.00149), section 4: of the codes of weights and of their relative positions.

Huffman, 1952, finds the shortest code. Larmore and Hirschberg, 1990 (package-merge), finds it under a limit, and finds
Huffman's where the limit does not matter. A canonical code is known by its lengths: shorter codes come first, and
symbols of one length in their order.
"""

from typing import NamedTuple

import numpy as np

from lightning_modules.compression import bits

BLOCK = 2048  # symbols, a divisor of bits.CHUNK; where each begins is stored, so that many are decoded at once
_LANES = 1024  # blocks decoded at once
_SPARE = 7  # bits


def histogram(symbols: np.ndarray, alphabet: int) -> np.ndarray:
    """How often each of ``alphabet`` symbols occurs. int64."""
    counts = np.zeros(alphabet, np.int64)
    for chunk in bits.chunks(symbols):
        counts += np.bincount(chunk, minlength=alphabet)
    return counts


def entropy(counts: np.ndarray) -> float:
    """Bits a symbol at the least, by Shannon, of symbols that occur so often."""
    shares = counts[counts > 0] / max(1, counts.sum())
    return abs(float(-(shares * np.log2(shares)).sum()))


def code_lengths(counts: np.ndarray, limit: int | None = None) -> np.ndarray:
    """The length of each symbol's code in bits, for symbols that occur so often: (K,) uint8.

    Zero for a symbol that does not occur. One that occurs alone has a code of one bit, so that symbols can be counted.
    ``limit`` is ``_SPARE`` more than codes of one width have, unless given: longer codes, of symbols that hardly occur,
    would gain nothing, and the decoder's table grows with them.

    Raises:
        ValueError: more symbols occur than there are codes of ``limit`` bits.
    """
    lengths = np.zeros(len(counts), np.uint8)
    used = np.flatnonzero(counts)
    if len(used) < 2:
        lengths[used] = 1
        return lengths
    if limit is None:
        limit = min(bits.LONGEST, len(counts).bit_length() + _SPARE)
    if len(used) > 2**limit:
        raise ValueError(f"{len(used)} symbols have no codes of {limit} bits")
    used = used[np.argsort(counts[used], kind="stable")]
    # Level by level, from the longest codes: all symbols again, and the pairs of what the level before has.
    weights = merged = counts[used].astype(np.int64)
    own = [np.ones(len(used), bool)]
    for _ in range(min(limit, len(used) - 1) - 1):
        pairs = merged[: len(merged) // 2 * 2].reshape(-1, 2).sum(1)
        both = np.concatenate([weights, pairs])
        order = np.argsort(both, kind="stable")
        merged = both[order]
        own.append(order < len(weights))
    # The lightest 2n - 2 of the last level, and what they are pairs of: a code is as long as its symbol is met often.
    chosen = 2 * len(used) - 2
    for level in reversed(own):
        symbols = np.count_nonzero(level[:chosen])
        lengths[used[:symbols]] += 1
        chosen = 2 * (chosen - symbols)
    return lengths


def canonical_codes(lengths: np.ndarray) -> np.ndarray:
    """The codes (K,) int64 of the canonical code that has these lengths; zero where the length is."""
    used, spans = _spans(lengths)
    codes = np.zeros(len(lengths), np.int64)
    codes[used] = (np.cumsum(spans) - spans) // spans
    return codes


def block_bits(symbols: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Bits of each block of ``BLOCK`` symbols, the last one shorter, in the code of these lengths. int64."""
    found = [np.zeros(0, np.int64)]
    for chunk in bits.chunks(symbols):
        found.append(np.add.reduceat(lengths.take(chunk), np.arange(0, len(chunk), BLOCK), dtype=np.int64))
    return np.concatenate(found)


def encode(symbols: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The symbols (n,) in the canonical code of these ``lengths`` (K,): payload uint8, and the bits of each block.

    The payload has as many bits as the code says, and at most seven zeros at its end.
    """
    blocks = block_bits(symbols, lengths)
    return bits.pack(symbols, canonical_codes(lengths), lengths, int(blocks.sum())), blocks


def decode(payload: np.ndarray, blocks: np.ndarray, lengths: np.ndarray, count: int) -> np.ndarray:
    """What ``encode`` was given: (``count``,), in the smallest unsigned type that holds K - 1.

    Blocks are decoded side by side, a symbol of each at a time: its code is looked up by the bits that come next, as
    many as the longest code has.

    Args:
        payload: uint8, as many bytes as ``blocks`` take.
        blocks: bits of each of the ceil(``count`` / ``BLOCK``) blocks.

    Raises:
        ValueError: these are no lengths of a code, or the blocks end elsewhere than they should.
    """
    symbols = np.empty(count, np.min_scalar_type(max(0, len(lengths) - 1)))
    if not count:
        return symbols
    table = _table(lengths)
    ends = np.cumsum(blocks, dtype=np.int64)
    begins = ends - blocks
    for first in range(0, len(blocks), _LANES):
        lanes = slice(first, first + _LANES)
        here = symbols[first * BLOCK : (first + _LANES) * BLOCK]
        base = int(begins[first]) // 8
        # A block that is not what it should be reads at most this far.
        words = bits.windows(payload[base : int(ends[lanes][-1]) // 8 + 1], beyond=BLOCK * table.width // 8 + 1)
        reached = _lockstep(words, (begins[lanes] - 8 * base).astype(np.uint64), table, here)
        if not np.array_equal(reached, ends[lanes] - 8 * base):
            raise ValueError("a block of codes does not end where the next one begins")
    return symbols


class _Table(NamedTuple):
    """By the ``width`` bits that come next: the symbol whose code they begin with, and the code's length (uint64)."""

    width: int
    symbols: np.ndarray
    lengths: np.ndarray


def _lockstep(words: np.ndarray, begins: np.ndarray, table: _Table, symbols: np.ndarray) -> np.ndarray:
    """Decodes into ``symbols`` the blocks that begin at these bits; returns the bits at which they end."""
    ends = begins.copy()
    last = len(symbols) - (len(begins) - 1) * BLOCK  # symbols of the last block
    steps = min(BLOCK, len(symbols))
    rows = np.empty((steps, len(begins)), symbols.dtype)
    codes_ahead = bits.AHEAD // table.width
    live = ends
    for step in range(steps):
        if step == last:
            live = ends[:-1]
        if step % codes_ahead == 0 or step == last:
            ahead = bits.ahead(words, live)
        code = np.right_shift(ahead, 64 - table.width).view(np.int64)
        length = table.lengths.take(code)
        rows[step, : len(live)] = table.symbols.take(code)
        ahead <<= length
        live += length
    symbols[:] = rows.T.reshape(-1)[: len(symbols)]
    return ends


def _table(lengths: np.ndarray) -> _Table:
    if not lengths.any() or int(lengths.max()) > bits.LONGEST:
        raise ValueError(f"a table of codes has lengths that are not from 1 to {bits.LONGEST} bits")
    used, spans = _spans(lengths)
    width = int(lengths.max())
    if len(used) == 1:
        spans = np.array([2**width])
    if spans.sum() != 2**width:
        raise ValueError("the lengths in a table of codes do not make a code")
    symbols = used.astype(np.min_scalar_type(len(lengths) - 1))
    return _Table(width, np.repeat(symbols, spans), np.repeat(lengths[used].astype(np.uint64), spans))


def _spans(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The symbols that have a code, in the order of their codes, and how many of the longest codes each code spans."""
    used = np.flatnonzero(lengths)
    used = used[np.argsort(lengths[used], kind="stable")]
    return used, np.int64(1) << (int(lengths.max(initial=0)) - lengths[used].astype(np.int64))
