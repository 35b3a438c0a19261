"""The rendered set: on any number of processes, by two at once, interrupted, broken."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightning_modules.errors import CorruptFileError, UserError
from lightning_modules.faces import shards
from lightning_modules.faces.landmark_set import LandmarkSet
from lightning_modules.faces.render import ATTRIBUTES, VERSION, render
from lightning_modules.faces.synthetic import synthetic_faces

SIZE = 32


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "FACES", 3)


def faces(cache: Path, split: str = "train", count: int | None = 7, **given: Any) -> LandmarkSet:
    return synthetic_faces(cache, split, count, size=SIZE, **{"counts": {"train": 9, "val": 3, "test": 3}, **given})


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train and val, rendered by two processes."""
    cache = tmp_path_factory.mktemp("faces")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "FACES", 3)
        faces(cache, processes=2)
        faces(cache, "val", None, processes=2)
    return cache


def files(cache: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(cache.rglob("*.npz"))}


def test_a_set_is_what_was_asked_for(once: Path) -> None:
    found = faces(once)
    assert found.images.shape == (7, SIZE, SIZE, 3) and found.images.dtype == np.uint8  # type: ignore[union-attr]
    assert found.points.shape == (7, 5, 2) and found.points.dtype == np.float32
    assert set(found.attributes) == set(ATTRIBUTES) and all(value.shape == (7,) for value in found.attributes.values())
    assert list(found.names)[:2] == ["train/00000", "train/00001"]
    assert len(faces(once, "val", None)) == 3


def test_it_holds_what_is_rendered_one_by_one(once: Path) -> None:
    found, all_points = faces(once), faces(once, points=68)
    face = render(0, "train", 4, SIZE)
    assert np.array_equal(found.images[4], shards.decode([face.picture], SIZE)[0])
    assert np.array_equal(all_points.points[4], face.points)
    assert np.allclose(found.points[4, 2:], face.points[[30, 48, 54]])
    assert [float(found.attributes[name][4]) for name in ATTRIBUTES] == pytest.approx(face.attributes().tolist())


def test_one_process_renders_the_same_files_as_two(once: Path, tmp_path: Path) -> None:
    faces(tmp_path, processes=1)
    assert files(tmp_path) == {name: content for name, content in files(once).items() if name.startswith("train")}


def test_fewer_faces_are_the_first_and_need_fewer_files(once: Path, tmp_path: Path) -> None:
    few = faces(tmp_path, count=2)
    assert np.array_equal(few.images, faces(once).images[:2])
    assert len(files(tmp_path)) == 1


def test_splits_and_seeds_have_other_faces(once: Path, tmp_path: Path) -> None:
    other = faces(tmp_path, "val", 3, seed=1)
    pictures = [image.tobytes() for found in (faces(once), faces(once, "val", 3), other) for image in found.images]
    assert len(set(pictures)) == len(pictures) == 13


def test_nothing_is_rendered_twice(once: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in once.rglob("*.npz")}
    said: list[Any] = []
    faces(once, said=said.append)
    assert {path: path.stat().st_mtime_ns for path in once.rglob("*.npz")} == before and said == []


def test_progress_counts_faces(tmp_path: Path) -> None:
    said: list[Any] = []
    faces(tmp_path, count=6, said=said.append, processes=1)
    assert [(state["step"], state["steps"]) for state in said] == [(0, 6), (3, 6), (6, 6)]
    assert said[-1]["seconds_left"] == 0 and said[1]["seconds_left"] > 0


def test_a_broken_file_is_named(once: Path, tmp_path: Path) -> None:
    faces(tmp_path, count=3)
    (path,) = tmp_path.rglob("*.npz")
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(CorruptFileError, match=f"{path.name} is not what was rendered .*delete it and run again"):
        faces(tmp_path, count=3)


@pytest.mark.slow
def test_a_lost_file_is_rendered_again_and_leftovers_go(once: Path, tmp_path: Path) -> None:
    faces(tmp_path)
    whole = files(tmp_path)
    path = next(tmp_path.rglob("train-0001-*.npz"))
    path.rename(path.with_name(f".{path.name}.1.part"))
    faces(tmp_path)
    assert files(tmp_path) == whole and not list(tmp_path.rglob("*.part"))


def start(cache: Path, count: int) -> "subprocess.Popen[bytes]":
    """Another process that asks for faces."""
    code = (
        "import sys; from pathlib import Path; from lightning_modules.faces import shards, synthetic; shards.FACES = 3; "
        f"synthetic.synthetic_faces(Path({str(cache)!r}), 'train', {count}, size={SIZE}, processes=1)"
    )
    return subprocess.Popen([sys.executable, "-c", code], start_new_session=True)


def test_after_a_kill_it_goes_on_from_the_last_file(once: Path, tmp_path: Path) -> None:
    process = start(tmp_path, 9)
    until = time.monotonic() + 60
    while not files(tmp_path) and time.monotonic() < until:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = files(tmp_path)
    assert 1 <= len(kept) <= 3
    found = faces(tmp_path, count=9)
    assert len(found) == 9 and kept.items() <= files(tmp_path).items()
    assert np.array_equal(found.images[:7], faces(once).images)


@pytest.mark.slow
def test_two_processes_that_ask_at_once_render_it_once(once: Path, tmp_path: Path) -> None:
    processes = [start(tmp_path, 7) for _ in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    assert files(tmp_path) == {name: content for name, content in files(once).items() if name.startswith("train")}


@pytest.mark.parametrize(
    ("given", "message"),
    [({"split": "dev"}, "split=dev: choose one of train, val, test"), ({"points": 98}, "data.points=98: choose one of 5, 68"),
     ({"count": 10}, "10 faces of train: there are 1 to 9"), ({"count": 0}, "0 faces of train"),
     ({"seed": -1}, "data.seed=-1: must be 0 or more"),
     ({"version": VERSION + 1}, f"data.version={VERSION + 1}: this renderer draws version {VERSION}")],
)  # fmt: skip
def test_a_wrong_argument_is_one_line(tmp_path: Path, given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        faces(tmp_path, **given)
    assert not list(tmp_path.iterdir())


def test_a_process_that_dies_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(UserError, match=r"rendering train-0000 in .* failed \(exit status 1\)"):
        faces(tmp_path, count=3, processes=1)
