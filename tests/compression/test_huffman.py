"""Codes against what defines them: an independent Huffman, all codes there are, RFC 1951's example."""

import heapq
import itertools

import numpy as np
import pytest

from lightning_modules.compression import bits, huffman
from lightning_modules.compression.huffman import canonical_codes, code_lengths, decode, encode, entropy, histogram


def drawn(count: int, alphabet: int, seed: int = 0) -> np.ndarray:
    """Symbols of which the last ones are rare."""
    numbers = np.random.default_rng(seed).exponential(0.15, count) * alphabet
    return np.minimum(numbers, alphabet - 1).astype(np.int64)


def huffmans_bits(counts: list[int]) -> int:
    """Bits of all symbols in Huffman's code: what is added up while the two lightest are joined."""
    heap, total = [count for count in counts if count], 0
    heapq.heapify(heap)
    while len(heap) > 1:
        both = heapq.heappop(heap) + heapq.heappop(heap)
        total += both
        heapq.heappush(heap, both)
    return total


@pytest.mark.parametrize("symbols", [2, 3, 5, 16, 33, 200])
def test_the_code_is_as_short_as_huffmans(symbols: int) -> None:
    generator = np.random.default_rng(symbols)
    for _ in range(5):
        counts = np.floor(generator.exponential(1, symbols) ** 2 * 50).astype(np.int64)
        lengths = code_lengths(counts, bits.LONGEST)
        if np.count_nonzero(counts) > 1:
            assert int(counts @ lengths) == huffmans_bits(counts.tolist())
            assert (2.0 ** -lengths[counts > 0].astype(float)).sum() == 1
        assert not lengths[counts == 0].any()


@pytest.mark.parametrize("counts", [(1, 1, 2, 3, 5), (1, 2, 4, 8, 16, 32), (7, 7, 7, 1, 1), (100, 1, 1, 1, 1, 1)])
def test_under_a_limit_it_is_the_shortest_of_all_codes(counts: tuple[int, ...]) -> None:
    codes = itertools.product(range(1, 4), repeat=len(counts))
    possible = [code for code in codes if sum(2.0**-length for length in code) <= 1]
    shortest = min(sum(c * length for c, length in zip(counts, code, strict=True)) for code in possible)
    lengths = code_lengths(np.array(counts), limit=3)
    assert lengths.max() <= 3
    assert int(np.array(counts) @ lengths) == shortest


@pytest.mark.parametrize(("limit", "longest"), [(None, 13), (20, 20), (40, 34)])
def test_a_code_that_would_be_too_long_is_kept_within_the_limit(limit: int | None, longest: int) -> None:
    """Of Fibonacci's numbers, whose code in Huffman's way has one bit more for each symbol."""
    counts = [1, 1]
    while len(counts) < 35:
        counts.append(counts[-1] + counts[-2])
    lengths = code_lengths(np.array(counts), limit)
    assert lengths.max() == longest
    assert (2.0 ** -lengths.astype(float)).sum() == 1
    assert huffmans_bits(counts) <= int(np.array(counts) @ lengths) < 1.001 * huffmans_bits(counts)


def test_none_of_huffmans_codes_is_longer_than_the_decoder_takes() -> None:
    lengths = code_lengths(np.array([1, 1, *(2**power for power in range(24)), *[1] * 2**14]))
    assert lengths.max() == bits.LONGEST


def test_more_symbols_than_codes() -> None:
    with pytest.raises(ValueError, match="5 symbols have no codes of 2 bits"):
        code_lengths(np.ones(5, np.int64), limit=2)


def test_one_symbol_alone_has_one_bit_and_none_has_none() -> None:
    assert code_lengths(np.array([0, 9, 0])).tolist() == [0, 1, 0]
    assert code_lengths(np.zeros(3, np.int64)).tolist() == [0, 0, 0]


def test_entropy() -> None:
    assert entropy(np.full(8, 5)) == pytest.approx(3)
    assert entropy(np.array([0, 7, 0])) == 0
    assert entropy(np.zeros(4, np.int64)) == 0
    assert entropy(np.array([1, 3])) == pytest.approx(0.25 * 2 + 0.75 * np.log2(4 / 3))


def test_canonical_codes_are_those_of_rfc_1951() -> None:
    """Section 3.2.2, the letters A to H."""
    found = canonical_codes(np.array([3, 3, 3, 3, 3, 2, 4, 4], np.uint8))
    assert [f"{code:b}" for code in found] == ["10", "11", "100", "101", "110", "0", "1110", "1111"]


def test_the_payload_is_the_codes_one_after_another() -> None:
    symbols = drawn(500, 16)
    counts = histogram(symbols, 16)
    lengths = code_lengths(counts)
    codes = canonical_codes(lengths)
    payload, blocks = encode(symbols, lengths)
    text = "".join(f"{codes[symbol]:0{lengths[symbol]}b}" for symbol in symbols)
    assert len(text) == int(counts @ lengths) == blocks.sum()
    assert len(payload) == -(-len(text) // 8)
    padded = "".join(map(str, np.unpackbits(payload)))
    assert padded == text + "0" * (len(padded) - len(text))


def test_the_payload_has_the_bits_that_the_code_says_and_entropy_bounds_them() -> None:
    symbols = drawn(50_000, 32)
    counts = histogram(symbols, 32)
    lengths = code_lengths(counts)
    assert counts.tolist() == [int((symbols == symbol).sum()) for symbol in range(32)]
    payload, blocks = encode(symbols, lengths)
    total = int(counts @ lengths)
    assert blocks.sum() == total
    assert 0 <= 8 * len(payload) - total < 8
    assert 50_000 * entropy(counts) <= total <= 1.03 * 50_000 * entropy(counts)


@pytest.mark.parametrize("alphabet", [1, 2, 16, 256, 70_000])
@pytest.mark.parametrize("count", [0, 1, 7, 2047, 2048, 2049, 9000])
def test_there_and_back(count: int, alphabet: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huffman, "_LANES", 3)
    monkeypatch.setattr(bits, "CHUNK", 2 * huffman.BLOCK)
    symbols = drawn(count, alphabet, seed=count)
    lengths = code_lengths(histogram(symbols, alphabet))
    found = decode(*encode(symbols, lengths), lengths, count)
    assert found.dtype == np.min_scalar_type(alphabet - 1)
    assert np.array_equal(found, symbols)


def test_the_longest_codes_there_and_back() -> None:
    """At each place in a byte, and across words."""
    lengths = np.array([*range(1, bits.LONGEST + 1), bits.LONGEST], np.uint8)
    symbols = np.random.default_rng(0).integers(0, len(lengths), 5000)
    assert np.array_equal(decode(*encode(symbols, lengths), lengths, 5000), symbols)


@pytest.mark.parametrize("width", [1, 3, 5, 8, 13, 20])
def test_numbers_of_one_width(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bits, "CHUNK", 64)
    numbers = np.random.default_rng(width).integers(0, 2**width, 1001)
    values = np.arange(2**width)
    payload = bits.pack(numbers, values, np.full(2**width, width, np.uint8), 1001 * width)
    assert "".join(map(str, np.unpackbits(payload))).startswith("".join(f"{number:0{width}b}" for number in numbers))
    assert len(payload) == bits.bytes_of(1001 * width)
    assert np.array_equal(bits.unpack(payload, width, 1001), numbers)


@pytest.mark.parametrize(
    ("lengths", "says"),
    [
        ([0, 0, 0], "not from 1 to 20 bits"),
        ([1, 2, 31], "not from 1 to 20 bits"),
        ([1, 2, 3], "do not make a code"),
        ([1, 1, 1], "do not make a code"),
    ],
)
def test_lengths_that_make_no_code(lengths: list[int], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        decode(np.zeros(1, np.uint8), np.array([4]), np.array(lengths, np.uint8), 4)


def test_blocks_that_end_elsewhere() -> None:
    symbols = drawn(5000, 16)
    lengths = code_lengths(histogram(symbols, 16))
    payload, blocks = encode(symbols, lengths)
    blocks[0] += 1
    blocks[1] -= 1
    with pytest.raises(ValueError, match="does not end where the next one begins"):
        decode(payload, blocks, lengths, 5000)
