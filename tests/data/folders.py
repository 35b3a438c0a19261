"""Image folders in torchvision's layout, written for a test."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

TRAIN = {"ant": 12, "bee": 9, "cat": 7}
TEST = {"ant": 3, "bee": 4, "cat": 3}


def picture(path: Path, seed: int, size: tuple[int, int] = (20, 16), mode: str = "RGB") -> None:
    """Noise, ``size`` wide and high, in the format that the path's ending names."""
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def image_folder(
    root: Path, train: Mapping[str, int] = TRAIN, test: Mapping[str, int] = TEST, tested: str = "val"
) -> Path:
    """As many images a class as given: PNG and JPEG, wide and high, RGB and grey."""
    seed = 0
    for split, counts in (("train", train), (tested, test)):
        for name, count in counts.items():
            for number in range(count):
                seed += 1
                ending, size = ("png", "JPEG", "jpg")[number % 3], ((20, 16), (13, 24), (12, 12))[number % 3]
                picture(root / split / name / f"{name}_{number}.{ending}", seed, size, "L" if number == 4 else "RGB")
    return root


def blank_folder(root: Path, train: Mapping[str, int] = TRAIN, test: Mapping[str, int] = TEST) -> Path:
    """Empty files, for tests that only list."""
    for split, counts in (("train", train), ("val", test)):
        for name, count in counts.items():
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                (root / split / name / f"{number}.png").touch()
    return root
