"""The stored validation splits."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from lightning_modules.data import split
from lightning_modules.errors import CorruptFileError, UserError
from tests.data.conftest import conf

VALIDATION = conf()["validation"]


def stored() -> np.ndarray:
    return split.read("fashion_mnist", VALIDATION["sha256"])


def test_the_stored_split_has_6000_images_in_order() -> None:
    indices = stored()
    assert len(indices) == VALIDATION["images"] == 6000
    assert np.all(np.diff(indices) > 0)
    assert indices[0] >= 0
    assert indices[-1] < 60_000


def test_its_digest_is_the_configurations() -> None:
    content = (split.FOLDER / "fashion_mnist.txt").read_bytes()
    assert hashlib.sha256(content).hexdigest() == VALIDATION["sha256"]


def test_it_holds_600_of_each_class(real: dict[str, np.ndarray]) -> None:
    assert np.bincount(real["train-labels-idx1-ubyte"][stored()]).tolist() == [600] * 10


def test_it_is_what_is_drawn_here(real: dict[str, np.ndarray]) -> None:
    drawn = split.draw(real["train-labels-idx1-ubyte"], VALIDATION["images"], VALIDATION["seed"])
    np.testing.assert_array_equal(drawn, stored())


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_the_splits_of_cifar_are_what_is_drawn_here(name: str) -> None:
    validation = conf(name)["validation"]
    indices = split.read(name, validation["sha256"])
    np.testing.assert_array_equal(indices, split.draw_any(50_000, validation["images"], validation["seed"]))
    assert len(set(indices.tolist())) == validation["images"] == 5000
    assert (indices[0] >= 0, indices[-1] < 50_000) == (True, True)


def test_a_changed_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (split.FOLDER / "fashion_mnist.txt").read_text(encoding="ascii").splitlines()
    monkeypatch.setattr(split, "FOLDER", tmp_path)
    (tmp_path / "fashion_mnist.txt").write_text("\n".join(["0", *lines[1:]]) + "\n", encoding="ascii")
    with pytest.raises(CorruptFileError, match=r"splits/fashion_mnist\.txt was changed"):
        stored()


def test_a_data_set_without_a_split_is_named() -> None:
    with pytest.raises(UserError, match="other"):
        split.read("other", "")


@pytest.mark.parametrize("name", ["../evil", "a/b", ".hidden", "", "a b", "a\n"])
def test_a_name_that_is_no_file_name(name: str) -> None:
    with pytest.raises(UserError, match=r"data\.name="):
        split.read(name, "")
    with pytest.raises(UserError, match=r"data\.name="):
        split.store(name, np.arange(3))


def test_what_is_stored_is_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split, "FOLDER", tmp_path / "splits")
    indices = split.draw(np.arange(40) % 4, 12, seed=3)
    digest = split.store("mine", indices)
    found = split.read("mine", digest)
    np.testing.assert_array_equal(found, indices)
    assert found.dtype == np.int64


def test_a_draw_has_equally_many_of_each_class() -> None:
    labels = np.repeat(np.arange(4), [10, 20, 30, 40])
    drawn = split.draw(labels, 16, seed=0)
    assert np.bincount(labels[drawn]).tolist() == [4] * 4
    assert np.all(np.diff(drawn) > 0)
    np.testing.assert_array_equal(drawn, split.draw(labels, 16, seed=0))
    assert drawn.tolist() != split.draw(labels, 16, seed=1).tolist()


def test_a_number_that_cannot_be_shared_equally() -> None:
    with pytest.raises(ValueError, match="15 images cannot be shared equally by 4 classes"):
        split.draw(np.arange(40) % 4, 15, seed=0)


def test_a_draw_whatever_the_classes() -> None:
    drawn = split.draw_any(1000, 200, seed=0)
    assert len(set(drawn.tolist())) == 200
    assert np.all(np.diff(drawn) > 0)
    assert 0 <= drawn[0] < 50 < 950 < drawn[-1] < 1000
    assert drawn.tolist() != split.draw_any(1000, 200, seed=1).tolist()
