"""Positions as distances, and fillers, as Deep Compression's section 2 has them."""

import numpy as np
import pytest

from lightning_modules.compression.relative_index import Relative, decode, encode


def drawn(density: float, numel: int = 20_000) -> np.ndarray:
    return np.flatnonzero(np.random.default_rng(3).random(numel) < density)


def test_a_gap_of_the_largest_distance_needs_no_filler_and_one_more_does() -> None:
    found = encode(np.array([0, 8, 9, 18, 35]), bits=3)
    assert found.distances.tolist() == [0, 7, 0, 7, 0, 7, 7, 0]
    assert found.filler.tolist() == [False, False, False, True, False, True, True, False]


def test_what_comes_before_the_first_counts_from_the_start() -> None:
    assert encode(np.array([7]), bits=3).distances.tolist() == [7]
    assert encode(np.array([8]), bits=3).distances.tolist() == [7, 0]


@pytest.mark.parametrize("bits", [1, 3, 4, 5, 8, 16])
@pytest.mark.parametrize("density", [0.001, 0.09, 0.5, 1.0])
def test_there_and_back(bits: int, density: float) -> None:
    positions = drawn(density)
    found = encode(positions, bits)
    assert found.distances.max() < 2**bits
    assert (found.distances[found.filler] == 2**bits - 1).all()
    assert np.array_equal(decode(found), positions)


@pytest.mark.parametrize("bits", [3, 4, 5, 8])
def test_as_many_fillers_as_a_walk_along_the_tensor_needs(bits: int) -> None:
    positions, fillers, at = drawn(0.05), 0, -1
    for position in positions.tolist():
        while position - at > 2**bits:
            at += 2**bits
            fillers += 1
        at = position
    assert np.count_nonzero(encode(positions, bits).filler) == fillers > (0 if bits < 8 else -1)


def test_a_reader_that_knows_no_fillers_finds_zeros_there() -> None:
    """The released SqueezeNet is read so: distances added up, a value at each, and a filler's value is zero."""
    weights = np.zeros(3000)
    positions = drawn(0.05, 3000)
    weights[positions] = np.arange(1, len(positions) + 1)
    found = encode(positions, bits=4)
    values = np.zeros(len(found.distances))
    values[~found.filler] = np.arange(1, len(positions) + 1)
    read = np.zeros(3000)
    read[np.cumsum(found.distances.astype(int) + 1) - 1] = values
    assert np.array_equal(read, weights)


def test_nothing_stored() -> None:
    found = encode(np.zeros(0, np.int64), bits=4)
    assert len(found.distances) == len(found.filler) == 0
    assert len(decode(Relative(found.distances, found.filler))) == 0


@pytest.mark.parametrize("positions", [[3, 3], [5, 2], [-1, 4]])
def test_positions_that_do_not_ascend(positions: list[int]) -> None:
    with pytest.raises(ValueError, match="must ascend"):
        encode(np.array(positions), bits=4)
