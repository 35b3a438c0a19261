"""Photos to annotate."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Photo = Callable[[str], Path]


@pytest.fixture
def photo(tmp_path: Path) -> Photo:
    """Writes a photo of 40 x 30 pixels under the temporary folder: red is the column, green the row."""

    def write(name: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.zeros((30, 40, 3), np.uint8)
        pixels[..., 0], pixels[..., 1] = np.arange(40) * 6, np.arange(30)[:, None] * 8
        Image.fromarray(pixels).save(path.with_suffix(".png"))
        path.with_suffix(".png").rename(path)  # a .jpg that keeps its pixels: Pillow looks at the content
        return path

    return write


def face(points: int, seed: int = 0) -> np.ndarray:
    """(points, 2) places in such a photo, to two digits."""
    return np.round(np.random.default_rng(seed).uniform((8, 6), (30, 24), (points, 2)), 2)
