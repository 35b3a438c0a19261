"""Pickles read as data: equal to what pickle reads, and nothing runs."""

import os
import pickle
import pickletools
import shutil
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightning_modules.data import pickled_data
from lightning_modules.errors import CorruptFileError
from tests.data import python2

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 3072), dtype=np.uint8)
BATCH = {
    b"batch_label": b"training batch 1 of 5",
    b"labels": [number % 10 for number in range(40)],
    b"data": IMAGES,
    b"filenames": [b"name_%d.png" % number for number in range(40)],
}


def read(content: bytes) -> Any:
    return pickled_data.read(content, "folder/file")


def assert_same(found: Any, expected: Any) -> None:
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            assert_same(found[key], expected[key])
    elif isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected


def test_what_python_2_wrote() -> None:
    content = python2.dumps(BATCH)
    assert_same(pickle.loads(content, encoding="bytes"), BATCH)  # the helper writes true pickles
    assert_same(read(content), BATCH)


def test_what_python_3_writes() -> None:
    assert_same(read(pickle.dumps(BATCH, protocol=2)), BATCH)


def test_both_names_of_numpys_module() -> None:
    content = pickle.dumps(BATCH, protocol=2)
    old, new = b"numpy.core.multiarray", b"numpy._core.multiarray"
    assert (old in content) != (new in content)
    for name in (old, new):
        assert_same(read(content.replace(new, old).replace(old, name)), BATCH)


@pytest.mark.parametrize("write", [python2.dumps, lambda value: pickle.dumps(value, protocol=2)])
def test_arrays_of_every_order_and_shape(write) -> None:
    for array in (IMAGES[:6, :5].copy(order="F"), IMAGES[0], IMAGES[:8, :27].reshape(8, 3, 3, 3)):
        assert_same(read(write({b"data": array})), {b"data": array})


def test_values_of_every_kind() -> None:
    values = [True, False, None, 0, 255, 256, 65_536, -1, 2**40, "text", "Ünïcode", b"\x80\xff", (), (1,), (1, 2, 3, 4),
              [], {}, {"a": [1], 2: {b"b": (None,)}}]  # fmt: skip
    assert read(pickle.dumps(values, protocol=2)) == values
    assert [type(value) for value in read(pickle.dumps(values, protocol=2))] == [type(value) for value in values]


def test_an_object_that_occurs_twice() -> None:
    name = b"again"
    assert read(pickle.dumps([name, name, [name]], protocol=2)) == [name, name, [name]]


def test_an_array_may_be_changed() -> None:
    found = read(python2.dumps(BATCH))[b"data"]
    found[0] = 7
    assert found[0].tolist() == [7] * 3072


# What is refused


class Runs:
    def __init__(self, function: Any, *arguments: Any):
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_nothing_runs(tmp_path: Path, protocol: int) -> None:
    ran = tmp_path / "ran"
    content = pickle.dumps({b"data": Runs(os.system, f"touch {ran}")}, protocol=protocol)
    with pytest.raises(CorruptFileError, match=r"folder/file holds more than data"):
        read(content)
    assert not ran.exists()
    pickle.loads(content)
    assert ran.exists()  # it would have


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (Runs(os.system, "true"), f"GLOBAL {os.system.__module__} system"),
        (Runs(eval, "1"), "GLOBAL __builtin__ eval"),
        (Runs(shutil.rmtree, "nowhere"), "GLOBAL shutil rmtree"),
        (Runs(bytearray, b"x"), "GLOBAL __builtin__ bytearray"),
        (Path("x"), "GLOBAL pathlib"),
        (1.5, "BINFLOAT"),
        (np.float32(1), "GLOBAL numpy"),
        (np.zeros(3), "REDUCE of something other than an array of bytes"),
        (np.zeros(3, np.int8), "REDUCE of something other than an array of bytes"),
    ],
)
def test_the_refused_is_named(value: Any, named: str) -> None:
    with pytest.raises(CorruptFileError, match=named) as raised:
        read(pickle.dumps([value], protocol=2))
    assert "\n" not in str(raised.value)


def test_a_known_name_alone_is_no_data() -> None:
    for content in (b"\x80\x02cnumpy\ndtype\n.", b"\x80\x02]cnumpy\ndtype\na.", b"\x80\x02}K\x01c_codecs\nencode\ns."):
        with pytest.raises(CorruptFileError, match=r"numpy dtype|_codecs encode"):
            read(content)


def test_an_encoding_other_than_that_of_bytes() -> None:
    with pytest.raises(CorruptFileError, match="REDUCE"):
        read(b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00xX\x03\x00\x00\x00zip\x86R.")


def test_every_cut_is_noticed() -> None:
    content = python2.dumps({b"labels": [1, 2, 300], b"data": IMAGES[:2, :3].copy()})
    for end in range(len(content)):
        with pytest.raises(CorruptFileError, match="folder/file") as raised:
            read(content[:end])
        assert "\n" not in str(raised.value)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # pickletools, of escapes in texts of protocol 0
def test_no_change_of_a_byte_does_anything_else_than_to_be_read_or_refused() -> None:
    content = python2.dumps({b"labels": [1, 2, 300], b"data": IMAGES[:2, :3].copy(), b"x": (1, 2, 3, 4)})
    generator = np.random.default_rng(0)
    refused = 0
    for _ in range(2000):
        changed = bytearray(content)
        changed[generator.integers(2, len(content))] = generator.integers(256)
        try:
            read(bytes(changed))
        except CorruptFileError:
            refused += 1
    assert 500 < refused < 2000


@pytest.mark.parametrize("shape", [(3, 3), (1, 2, 2, 2, 1), (-2, -4), (0, 2**62), (2**62, 2**62), ()])
def test_an_array_of_another_size_than_its_bytes(shape: tuple[int, ...]) -> None:
    content = pickle.dumps(IMAGES[:2, :4].copy(), protocol=2)
    size = pickle.dumps((2, 4), protocol=2)[2:-3]  # its numbers and the tuple, without frame and memo
    assert content.count(size) == 1
    other = pickletools.optimize(pickle.dumps(shape, protocol=2))[2:-1]
    with pytest.raises(CorruptFileError, match="an array"):
        read(content.replace(size, other))


def test_the_same_bytes_made_over_and_over() -> None:
    text = b"X" + (100_000).to_bytes(4, "little") + b"x" * 100_000
    head = b"\x80\x02c_codecs\nencode\nq\x00" + text + b"q\x01]"
    content = head + b"h\x00h\x01X\x06\x00\x00\x00latin1\x86Ra" * 1000 + b"s."
    tracemalloc.start()
    with pytest.raises(CorruptFileError, match="the same bytes over and over"):
        read(content)
    assert tracemalloc.get_traced_memory()[1] < 10 * len(content)
    tracemalloc.stop()


def test_too_many_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"\x80\x02]" + b"]a" * 1000 + b"."
    assert len(read(content)) == 1000
    monkeypatch.setattr(pickled_data, "MOST_OPERATIONS", 1000)
    with pytest.raises(CorruptFileError, match="more than 1,000 operations"):
        read(content)


def test_a_file_as_large_as_cifars_takes_no_time() -> None:
    labels = [number % 100 for number in range(10_000)]
    names = [b"bos_taurus_s_%06d.png" % number for number in range(10_000)]
    images = np.zeros((10_000, 3072), np.uint8)
    content = python2.dumps({b"filenames": names, b"fine_labels": labels, b"coarse_labels": labels, b"data": images})
    began = time.perf_counter()
    assert read(content)[b"fine_labels"] == labels
    assert time.perf_counter() - began < 5
