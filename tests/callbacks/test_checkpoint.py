"""Checkpoints that are whole or absent, and known to be whole."""

import hashlib
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lightning_modules.callbacks.checkpoint import EpochCheckpoint, latest


def saved(value: object) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def written(folder: Path, epoch: int, content: bytes | None = None) -> Path:
    content = saved({"epoch": epoch}) if content is None else content
    digest = hashlib.sha256(content).hexdigest()[:16]
    path = folder / f"epoch-{epoch:04d}-{digest}.ckpt"
    path.write_bytes(content)
    return path


class Trainer(SimpleNamespace):
    """Saves its epoch's number; fails while saving epoch ``broken``."""

    current_epoch = 0
    is_global_zero = True
    broken = -1

    def save_checkpoint(self, path: Path) -> None:
        path.write_bytes(b"half")
        if self.current_epoch == self.broken:
            raise OSError("no space left")
        path.write_bytes(saved({"epoch": self.current_epoch + 1}))


def end_epochs(folder: Path, epochs: range, **state: Any) -> None:
    callback = EpochCheckpoint(folder)
    for epoch in epochs:
        callback.on_train_epoch_end(Trainer(current_epoch=epoch, **state), None)  # type: ignore[arg-type]


def test_an_empty_folder_has_none(tmp_path: Path) -> None:
    assert latest(tmp_path) == (None, [])


@pytest.mark.parametrize("epochs", [(1, 2, 3), (9, 10), (9999, 10000), (1,)])
def test_the_newest_by_number(tmp_path: Path, epochs: tuple[int, ...]) -> None:
    paths = [written(tmp_path, epoch) for epoch in epochs]
    assert latest(tmp_path) == (paths[-1], [])


@pytest.mark.parametrize("content", [b"", b"weightz", b"weights and more"])
def test_the_one_before_a_damaged_one(tmp_path: Path, content: bytes) -> None:
    good = written(tmp_path, 1)
    bad = written(tmp_path, 2)
    bad.write_bytes(content)
    assert latest(tmp_path) == (good, [bad])


def test_all_damaged_newest_first(tmp_path: Path) -> None:
    paths = [written(tmp_path, epoch) for epoch in (1, 2, 3)]
    for path in paths:
        path.write_bytes(b"")
    assert latest(tmp_path) == (None, paths[::-1])


def test_an_older_damaged_one_does_not_matter(tmp_path: Path) -> None:
    written(tmp_path, 1).write_bytes(b"")
    newest = written(tmp_path, 2)
    assert latest(tmp_path) == (newest, [])


def test_other_files_are_not_checkpoints(tmp_path: Path) -> None:
    for name in ("last.ckpt", "epoch-1.ckpt", "epoch-0001-xyz.ckpt", ".epoch-2.tmp", "epoch-0003-0123456789abcdef.tmp"):
        (tmp_path / name).write_bytes(b"weights")
    assert latest(tmp_path) == (None, [])


def test_each_epoch_is_written_under_its_digest(tmp_path: Path) -> None:
    end_epochs(tmp_path, range(1))
    assert list(tmp_path.iterdir()) == [written(tmp_path, 1)]
    assert latest(tmp_path) == (written(tmp_path, 1), [])


def test_two_are_kept(tmp_path: Path) -> None:
    end_epochs(tmp_path, range(8, 12))
    found = sorted(path.read_bytes() for path in tmp_path.iterdir())
    assert found == sorted([saved({"epoch": 11}), saved({"epoch": 12})])


def test_a_save_that_fails_leaves_the_older_ones(tmp_path: Path) -> None:
    end_epochs(tmp_path, range(2))
    with pytest.raises(OSError, match="no space left"):
        end_epochs(tmp_path, range(2, 3), broken=2)
    found, damaged = latest(tmp_path)
    assert found is not None
    assert found.read_bytes() == saved({"epoch": 2})
    assert damaged == []
    assert len(list(tmp_path.iterdir())) == 2  # nothing half written is left, either


class Malice:
    """What a pickle can do that is only loaded."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_a_checkpoint_that_brings_code_is_damaged_and_the_code_does_not_run(tmp_path: Path) -> None:
    good = written(tmp_path, 1)
    evil = written(tmp_path, 2, saved({"epoch": 2, "state_dict": Malice(tmp_path / "ran")}))
    assert latest(tmp_path) == (good, [evil])
    assert not (tmp_path / "ran").exists()
    torch.load(evil, weights_only=False)
    assert (tmp_path / "ran").exists()  # it would have


def test_only_one_of_several_processes_renames(tmp_path: Path) -> None:
    end_epochs(tmp_path, range(1), is_global_zero=False)
    assert not list(tmp_path.glob("*.ckpt"))
