"""Faces side by side, as a function and as a command."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from lightning_modules.faces.landmark_set import LandmarkSet
from lightning_modules.faces.sheet import sheet
from tests.faces.readers.test_pts import written

ROOT = Path(__file__).parents[2]


def test_a_sheet_has_rows_of_columns_and_points_where_they_are() -> None:
    images = [np.full((40, 20, 3), grey, np.uint8) for grey in (50, 100, 150)]
    points = np.tile(np.array([9.5, 19.5], np.float32), (3, 5, 1))  # the middle of the picture
    found = np.asarray(sheet(LandmarkSet(images, points), range(3), columns=2, zoom=1, points=True))
    assert found.shape == (256, 256, 3)
    assert [found[0, 0, 0], found[0, 128, 0], found[128, 0, 0], found[128, 128, 0]] == [50, 100, 150, 0]
    assert (found[62:67, 62:67] == [0, 255, 0]).all(-1).any()
    plain = np.asarray(sheet(LandmarkSet(images, points), range(3), columns=2))
    assert not (plain == [0, 255, 0]).all(-1).any()


def command(*arguments: str) -> "subprocess.CompletedProcess[str]":
    verb = [sys.executable, "-m", "experiments.contact_sheet", *arguments]
    return subprocess.run(
        verb, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONWARNINGS": "ignore"}
    )


def test_the_command_draws_annotated_photos(tmp_path: Path) -> None:
    Image.new("RGB", (60, 50), (200, 120, 90)).save(tmp_path / "a.png")
    written(tmp_path / "a.pts", np.random.default_rng(0).uniform(5, 45, (68, 2)))
    out = tmp_path / "out.png"
    done = command(
        "data=pts_folder", f"data.root={tmp_path}", "split=all", "columns=1", "rows=1", "points=68", f"out={out}"
    )
    assert (done.returncode, done.stdout) == (0, f"{out}: 1 faces\n"), done.stderr
    assert Image.open(out).size == (128, 128)
    beyond = command("data=pts_folder", f"data.root={tmp_path}", "split=all", "first=1", f"out={out}")
    assert (beyond.returncode, beyond.stderr) == (2, "error: first=1: all has 1 faces, counted from 0\n")


def test_a_mistake_is_one_line() -> None:
    done = command("data=fashion_mnist")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: data=fashion_mnist: has no faces; choose data=synthetic_faces")
