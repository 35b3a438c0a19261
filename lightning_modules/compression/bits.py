"""Codes of a few bits each, packed one after another without gaps, the most significant bit first."""

from collections.abc import Iterator

import numpy as np

LONGEST = 20  # bits of a code: a table of all that may begin with one has a million entries
CHUNK = 2**15  # codes handled at once, few enough for a cache; a multiple of 8, so that chunks begin with a byte
AHEAD = 57  # bits that are seen at once, wherever they begin
_WORD_BITS = 5
_WORD = 2**_WORD_BITS  # bits
_WINDOW = 63


def pack(symbols: np.ndarray, codes: np.ndarray, lengths: np.ndarray, total: int) -> np.ndarray:
    """The code of each symbol, ``total`` bits in all; zeros fill up the last byte. uint8.

    Args:
        symbols: (n,), each in [0, K).
        codes: (K,) int64, each below 2 to the power of its length.
        lengths: (K,) uint8, at most ``LONGEST`` bits.
        total: bits of all symbols' codes.
    """
    words = np.zeros(total // _WORD + 2, np.uint32)
    wide = lengths.astype(np.int64)
    longest = int(lengths.max(initial=0))
    at = 0
    for chunk in chunks(symbols):
        values, length = _joined(codes.take(chunk), wide.take(chunk), longest)
        ends = at + np.cumsum(length)
        begins = ends - length
        # Each value stands in a window that begins with a word, and may reach into the next one.
        window = values << (_WINDOW - length - (begins & (_WORD - 1)))
        word = begins >> _WORD_BITS
        first = int(word[0])
        word -= first
        size = int(word[-1]) + 2
        # No two values have a bit in common: their sum is their union, and exact, being below 2**32.
        union = np.bincount(word, window >> (_WINDOW - _WORD), size)
        union[1:] += np.bincount(word, window & (2 ** (_WINDOW - _WORD) - 1), size - 1) * 2.0 ** (2 * _WORD - _WINDOW)
        words[first : first + size] |= union.astype(np.uint32)
        at = int(ends[-1])
    return words.astype(">u4").view(np.uint8)[: bytes_of(total)]


def unpack(payload: np.ndarray, width: int, count: int) -> np.ndarray:
    """The ``count`` numbers of ``width`` bits each, at most ``LONGEST``, in the smallest unsigned type that holds them.

    ``payload``: uint8, as many bytes as they take.
    """
    numbers = np.empty(count, np.min_scalar_type(2**width - 1))
    for start in range(0, count, CHUNK):
        size = min(CHUNK, count - start)
        first = start * width // 8
        words = windows(payload[first : first + bytes_of(size * width)])
        numbers[start : start + size] = ahead(words, np.arange(size, dtype=np.uint64) * width) >> (64 - width)
    return numbers


def _joined(values: np.ndarray, lengths: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Neighbours as one value of both their bits, and those again, as long as a window holds them: there are fewer."""
    while 2 * longest <= _WINDOW - _WORD and len(values) > 1:
        if len(values) % 2:
            values, lengths = np.append(values, 0), np.append(lengths, 0)
        values = values[::2] << lengths[1::2] | values[1::2]
        lengths = lengths[::2] + lengths[1::2]
        longest *= 2
    return values, lengths


def windows(payload: np.ndarray, beyond: int = 0) -> np.ndarray:
    """The 64 bits that begin with each byte of ``payload``, and with each of ``beyond`` zeros after it. uint64."""
    padded = np.zeros(len(payload) + beyond + 7, np.uint8)
    padded[: len(payload)] = payload
    return np.ndarray(len(payload) + beyond, ">u8", padded, strides=(1,)).astype(np.uint64)


def ahead(words: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """The bits from each of ``positions`` (uint64) on, ``AHEAD`` at least, the first one on top; ``words``: ``windows``."""
    return words.take((positions >> 3).view(np.int64)) << (positions & 7)


def chunks(symbols: np.ndarray) -> Iterator[np.ndarray]:
    return (symbols[start : start + CHUNK] for start in range(0, len(symbols), CHUNK))


def bytes_of(bits: int) -> int:
    """Whole bytes that ``bits`` take."""
    return -(-bits // 8)
