"""The compressed file: there and back bit by bit, where its bytes go, and what is said of a file that is broken."""

import math
import os
import stat
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_modules.compression import cnz, container
from lightning_modules.compression.cnz_forms import shape_of
from lightning_modules.compression.forms import Affine, Binary, Dense, Form, Shared, Sparse
from lightning_modules.compression.huffman import code_lengths, entropy
from lightning_modules.errors import CorruptFileError, UserError
from tests.compression.broken import mutated, peak_of, sealed


def shared(shape: tuple[int, ...], clusters: int, density: float | None, seed: int = 0) -> Shared:
    """Codes of which the middle ones are the most frequent, as those of weights are."""
    generator = torch.Generator().manual_seed(seed)
    positions = None if density is None else kept(shape, density, generator)
    count = math.prod(shape) if positions is None else len(positions)
    codes = (torch.randn(count, generator=generator) * clusters / 6 + clusters / 2).long().clamp(0, clusters - 1)
    return Shared(shape, codes, torch.linspace(-1, 1, clusters), positions)


def sparse(shape: tuple[int, ...], density: float) -> Sparse:
    generator = torch.Generator().manual_seed(1)
    positions = kept(shape, density, generator)
    return Sparse(shape, positions, torch.randn(len(positions), generator=generator))


def kept(shape: tuple[int, ...], density: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(math.prod(shape), generator=generator) < density).nonzero().flatten()


def affine(shape: tuple[int, ...], scales: int) -> Affine:
    generator = torch.Generator().manual_seed(2)
    codes = (torch.randn(shape, generator=generator) * 10 + 128).to(torch.uint8)
    scale = torch.rand(scales, generator=generator)
    return Affine(codes, scale, torch.randint(0, 256, (scales,), generator=generator, dtype=torch.uint8))


def binary(shape: tuple[int, ...]) -> Binary:
    generator = torch.Generator().manual_seed(3)
    return Binary(torch.rand(shape, generator=generator) < 0.5, torch.rand(shape[0], generator=generator))


FORMS: dict[str, Form] = {
    "dense": Dense(torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(4))),
    "not finite": Dense(torch.tensor([math.nan, math.inf, -0.0, 1e-45])),
    "counter": Dense(torch.tensor(2**40)),
    "empty": Dense(torch.zeros(0, 3)),
    "columns": Dense(torch.arange(6.0).view(2, 3).T),
    "sparse": sparse((20, 30), 0.11),
    "sparse, with fillers": sparse((500,), 0.01),
    "sparse, a stored zero at the largest distance": Sparse((40,), torch.tensor([15, 31]), torch.tensor([0.0, -0.0])),
    "nothing kept": Sparse((7, 7), torch.zeros(0, dtype=torch.int64), torch.zeros(0)),
    "shared": shared((16, 8, 3, 3), 17, None),
    "shared, pruned": shared((64, 300), 32, 0.11),
    "shared, nothing pruned": shared((9, 9), 5, 1.0),
    "shared, one value": Shared((50,), torch.zeros(50, dtype=torch.int64), torch.ones(1)),
    "shared, one value, pruned": shared((500,), 1, 0.01),
    "shared, nothing kept": Shared((5,), torch.zeros(0, dtype=torch.int64), torch.zeros(1), torch.zeros(0).long()),
    "shared, many values": shared((70_000,), 2**16, 0.3),
    "affine": affine((8, 4, 3, 3), 1),
    "affine, by channel": affine((40, 30), 40),
    "binary": binary((5, 7, 3, 3)),
}


def assert_same(found: Form, expected: Form) -> None:
    """Bit by bit, and of the same types and shapes."""
    assert type(found) is type(expected)
    assert is_dataclass(expected)
    for field in fields(expected):
        mine, theirs = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(theirs, Tensor):
            assert (mine.dtype, mine.shape) == (theirs.dtype, theirs.shape)
            assert mine.contiguous().numpy().tobytes() == theirs.contiguous().numpy().tobytes()
        else:
            assert mine == theirs


@pytest.mark.parametrize("huffman", [True, False])
@pytest.mark.parametrize("index_bits", [3, 4, 5, 8])
def test_there_and_back(tmp_path: Path, huffman: bool, index_bits: int) -> None:
    metadata = {"arch": {"name": "squeezenet", "width": 0.5, "bypass": None}, "steps": ["prune", 4], "é": True}
    sizes = cnz.write(tmp_path / "a.cnz", FORMS, metadata, huffman, index_bits)
    tensors, said = cnz.read(tmp_path / "a.cnz")
    assert said == metadata
    assert list(tensors) == list(FORMS)
    for name, form in FORMS.items():
        assert_same(tensors[name], form)
        assert torch.equal(tensors[name].decoded(), form.decoded()) or name == "not finite"
    assert sizes.total == (tmp_path / "a.cnz").stat().st_size


def test_no_tensors_at_all(tmp_path: Path) -> None:
    sizes = cnz.write(tmp_path / "a.cnz", {}, {})
    assert cnz.read(tmp_path / "a.cnz") == ({}, {})
    assert sizes.parts == {"header": 18, "metadata": 2}


def test_the_parts_are_those_of_the_forms(tmp_path: Path) -> None:
    form = shared((100, 300), 31, 0.09)
    tensors = {
        "fc": form,
        "bias": Dense(torch.zeros(100)),
        "conv": affine((8, 4, 3, 3), 8),
        "bin": binary((5, 7, 3, 3)),
    }
    sizes = cnz.write(tmp_path / "a.cnz", tensors, {}, huffman=False, index_bits=4)
    assert form.positions is not None
    entries = len(form.positions) + sizes.fillers
    assert sizes.tensors["fc"].fillers == sizes.fillers > 0
    fc = sizes.tensors["fc"].parts
    assert fc["codebooks"] == 4 * 31
    assert fc["codes"] == math.ceil(entries * 5 / 8)  # 31 values and the fillers' zero: 5 bits
    assert fc["index"] == math.ceil(entries * 4 / 8)
    assert set(fc) == {"header", "codebooks", "codes", "index"}
    assert sizes.tensors["bias"].parts["numbers"] == 400
    assert sizes.tensors["conv"].parts["codes"] == 8 * 4 * 9
    assert sizes.tensors["conv"].parts["scales"] == 8 * 5
    assert sizes.tensors["bin"].parts["signs"] == math.ceil(5 * 7 * 9 / 8)
    assert sizes.tensors["bin"].parts["scales"] == 4 * 5
    assert sizes.parts["header"] < 200
    assert sum(sizes.parts.values()) == sizes.total == (tmp_path / "a.cnz").stat().st_size


def test_huffmans_codes_take_the_bits_that_the_code_says_beside_their_entropy(tmp_path: Path) -> None:
    form = shared((200, 1000), 32, 0.09)
    sizes = cnz.write(tmp_path / "a.cnz", {"fc": form}, {}, index_bits=5)
    codes = torch.cat([form.codes, torch.full((sizes.fillers,), 32)])
    counts = torch.bincount(codes).numpy()
    stream = sizes.coded["codes"]
    assert stream.count == len(codes)
    assert stream.bits == int(counts @ code_lengths(counts))
    assert stream.entropy == pytest.approx(len(codes) * entropy(counts))
    for part in ("codes", "index"):
        found = sizes.coded[part]
        assert found.entropy <= found.bits <= 1.03 * found.entropy
        assert sizes.parts[part] == math.ceil(found.bits / 8)
    plain = cnz.write(tmp_path / "b.cnz", {"fc": form}, {}, huffman=False, index_bits=5)
    assert plain.coded["index"].bits == 5 * stream.count
    assert plain.coded["codes"].bits == 6 * stream.count  # 33 codes
    assert plain.coded["codes"].entropy == pytest.approx(stream.entropy)
    assert sizes.total < plain.total


def test_huffmans_codes_are_taken_where_they_are_shorter(tmp_path: Path) -> None:
    uniform = Shared((16,), torch.arange(16), torch.arange(16.0))
    sizes = cnz.write(tmp_path / "a.cnz", {"fc": uniform}, {})
    assert "code tables" not in sizes.parts
    assert sizes.parts["codes"] == 8


def test_options_by_tensor(tmp_path: Path) -> None:
    tensors = {"a": shared((100, 100), 16, 0.1), "b": shared((100, 100), 16, 0.1)}
    sizes = cnz.write(tmp_path / "a.cnz", tensors, {}, huffman={"b": False}, index_bits={"b": 8})
    assert "code tables" in sizes.tensors["a"].parts
    assert "code tables" not in sizes.tensors["b"].parts
    assert sizes.tensors["a"].fillers > 0
    assert sizes.tensors["b"].fillers == 0
    assert sizes.tensors["b"].coded["index"].bits == 8 * len(tensors["b"].codes)


@pytest.mark.parametrize("bits", [0, 17, 2.5, True])
def test_index_bits_that_there_are_not(tmp_path: Path, bits: Any) -> None:
    with pytest.raises(UserError, match=f"index_bits={bits} of fc: must be a whole number from 1 to 16"):
        cnz.write(tmp_path / "a.cnz", {"fc": sparse((9,), 0.5)}, {}, index_bits=bits)


def test_an_option_of_a_tensor_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="index_bits: there is no tensor 'fd'; name one of fc"):
        cnz.write(tmp_path / "a.cnz", {"fc": sparse((9,), 0.5)}, {}, index_bits={"fd": 4})


def test_more_numbers_than_a_file_may_hold(tmp_path: Path) -> None:
    nothing = Sparse((2**20, 2**9), torch.zeros(0, dtype=torch.int64), torch.zeros(0))
    with pytest.raises(UserError, match="at most 268,435,456 numbers, not 536,870,912"):
        cnz.write(tmp_path / "a.cnz", {"fc": nothing}, {})


@pytest.mark.parametrize(
    "form",
    [
        Dense(torch.zeros(2, dtype=torch.float64)),
        Shared((3,), torch.tensor([0, 1, 2]), torch.zeros(2)),
        Shared((3,), torch.tensor([0, 1]), torch.zeros(2)),
        Shared((3,), torch.tensor([0, -1, 1]), torch.zeros(2)),
        Shared((3,), torch.tensor([0, 1]), torch.zeros(2), torch.tensor([0, 3])),
        Shared((3,), torch.tensor([0, 1]), torch.zeros(2), torch.tensor([1, 1])),
        Sparse((3,), torch.tensor([0, 1]), torch.zeros(3)),
        Affine(torch.zeros(3, 2, dtype=torch.uint8), torch.ones(2), torch.zeros(2, dtype=torch.uint8)),
        Affine(torch.zeros(3, 2, dtype=torch.uint8), torch.ones(3), torch.zeros(1, dtype=torch.uint8)),
        Binary(torch.zeros(3, 2, dtype=torch.bool), torch.ones(2)),
        Binary(torch.zeros(3, 2), torch.ones(3)),
    ],
)
def test_forms_that_are_not_what_they_say_are_not_written(tmp_path: Path, form: Form) -> None:
    with pytest.raises(ValueError):
        cnz.write(tmp_path / "a.cnz", {"fc": form}, {})
    assert not list(tmp_path.iterdir())


def test_the_file_is_whole_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new" / "a.cnz"
    cnz.write(path, FORMS, {"at": 1})
    before = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: .*a\.cnz"):
        cnz.write(path, FORMS, {"at": 2})
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def small() -> Mapping[str, Form]:
    """All forms, coded in all ways, in a file of less than 500 bytes."""
    return {
        "d": Dense(torch.arange(3.0)),
        "n": Dense(torch.tensor(7)),
        "p": sparse((8, 5), 0.2),
        "s": shared((10, 12), 5, 0.4),
        "h": Shared((4, 3, 4), torch.tensor([3] * 30 + [*range(8)] + [2, 3] * 5), torch.arange(8.0)),
        "a": affine((4, 6), 4),
        "b": binary((3, 3, 3)),
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    sizes = cnz.write(tmp_path / "small.cnz", small(), {"arch": "tiny"}, index_bits=2)
    assert sizes.tensors["s"].fillers > 0
    assert sizes.tensors["h"].parts["code tables"]
    assert sizes.total < 500
    return tmp_path / "small.cnz"


def test_any_wrong_byte_is_noticed(path: Path) -> None:
    content = path.read_bytes()
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ (1 << at % 8)]) + content[at + 1 :])
        with pytest.raises(CorruptFileError, match=r"small\.cnz"):
            cnz.read(path)


def test_a_file_that_ends_too_early_or_too_late(path: Path) -> None:
    content = path.read_bytes()
    for end in range(0, len(content), 3):
        path.write_bytes(content[:end])
        with pytest.raises(CorruptFileError, match=r"small\.cnz"):
            cnz.read(path)
    path.write_bytes(content + b"\0")
    with pytest.raises(CorruptFileError, match=f"goes on after its last part, at byte {len(content)}"):
        cnz.read(path)


def test_what_is_said_of_a_broken_file(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(b"PK\3\4" + content)
    with pytest.raises(CorruptFileError, match=r"small\.cnz is not a \.cnz file; give one that this program wrote"):
        cnz.read(path)
    path.write_bytes(content[:4] + b"\2\0" + content[6:])
    with pytest.raises(CorruptFileError, match="is of version 2 of the format, this program reads 1"):
        cnz.read(path)
    path.write_bytes(content[:-1] + b"x")
    with pytest.raises(
        CorruptFileError, match=r"part 8 of 8, bytes \d+ to \d+, differs from its checksum; copy it again"
    ):
        cnz.read(path)
    path.write_bytes(content[:-1])
    with pytest.raises(CorruptFileError, match=f"ends in part 8 of 8, at byte {len(content) - 1}; copy it again"):
        cnz.read(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.cnz"):
        cnz.read(tmp_path / "none.cnz")


@pytest.mark.parametrize("metadata", [b"", b"[1]", b"{", b"\xff", b"[" * 100_000])
def test_metadata_that_is_no_mapping(path: Path, metadata: bytes) -> None:
    path.write_bytes(sealed([metadata]))
    with pytest.raises(CorruptFileError, match="the metadata is no"):
        cnz.read(path)


def test_a_file_without_any_part(path: Path) -> None:
    path.write_bytes(sealed([]))
    with pytest.raises(CorruptFileError, match="the metadata is not JSON"):
        cnz.read(path)


def test_a_tensor_that_is_there_twice(path: Path) -> None:
    metadata, *parts = (bytes(part) for _, part in container.load(path))
    path.write_bytes(sealed([metadata, parts[0], parts[0]]))
    with pytest.raises(CorruptFileError, match="'d' is there twice"):
        cnz.read(path)


def header(kind: int, *shape: int) -> bytes:
    return b"\1\0x" + bytes([kind, len(shape)]) + np.array(shape, "<u4").tobytes()


@pytest.mark.parametrize(
    ("part", "says"),
    [
        (header(1, 2**16, 2**13), "'x' has more numbers than a file may hold: 65536 x 8192"),
        (header(1, 2**31, 0), "more numbers than a file may hold"),
        (header(1, *[1] * 9), "more numbers than a file may hold"),
        (header(0, 2**14, 2**14) + b"\0", "1073741824 bytes should follow, and there are 0"),
        (header(2, 2**28) + np.array([2**32 - 1], "<u4").tobytes(), "17179869180 bytes should follow"),
        (header(2, 2**28) + np.array([1, 0], "<u4").tobytes() + b"\0\0", "33554432 bytes should follow"),
        (header(2, 2**28) + np.array([1, 0], "<u4").tobytes() + b"\0\1\x08" + b"\0" * 9, "262144 bytes should follow"),
        (header(3, 2**28) + np.array([1, 0], "<u4").tobytes() + b"\0\0", "268435456 bytes should follow"),
        (header(4, 1, 2**28) + b"\0" * 4, "33554432 bytes should follow"),
        (header(1, 2**28) + np.array([2**27, 2**27], "<u4").tobytes() + b"\4\0", "134217728 bytes should follow"),
        (header(1, 9) + np.array([5, 5], "<u4").tobytes() + b"\4\0", "10 entries of 4 bits in a tensor of 9 numbers"),
        (header(1, 9) + np.array([2, 0], "<u4").tobytes() + b"\4\0\xff" + b"\0" * 8, "one behind the end"),
        (header(5, 1), "form 5 is not known"),
        (header(0, 1) + b"\2", "type 2 of numbers is not known"),
        (header(0, 1) + b"\0" * 6, "1 bytes too many"),
        (header(4), "a binary tensor has no filters"),
        (header(3, 4) + np.array([3], "<u4").tobytes(), "3 scales for 4 channels"),
        (b"\1\0\xff", "not UTF-8"),
    ],
)
def test_what_does_not_make_sense_is_refused_before_memory_is_taken(path: Path, part: bytes, says: str) -> None:
    path.write_bytes(sealed([b"{}", part]))
    with peak_of() as peak, pytest.raises(CorruptFileError, match=f"{says}.*, at byte .*; write it again") as error:
        cnz.read(path)
    assert str(error.value).startswith(f"{path}: ")
    assert peak() < 2**20


def fuzz(path: Path, rounds: range) -> None:
    """Broken files are refused, or are files of tensors as good as any; none takes much memory."""
    whole, refused, read = path.read_bytes(), 0, 0
    with peak_of() as peak:
        for number in rounds:
            path.write_bytes(mutated(whole, np.random.default_rng(number)))
            try:
                tensors, metadata = cnz.read(path)
            except CorruptFileError as error:
                assert str(error).startswith(str(path))
                assert "\n" not in str(error)
                refused += 1
            else:
                assert isinstance(metadata, dict)
                for form in tensors.values():
                    if math.prod(shape_of(form)) < 2**16:
                        assert form.decoded().shape == shape_of(form)
                read += 1
    assert peak() < 2**25
    assert min(refused, read) > len(rounds) / 10


def test_arbitrary_bytes_never_crash_the_reader(path: Path) -> None:
    fuzz(path, range(500))


@pytest.mark.slow
@pytest.mark.parametrize("start", range(500, 10_500, 2_500))
def test_ten_thousand_more(path: Path, start: int) -> None:
    fuzz(path, range(start, start + 2_500))
