"""CelebA in the wild (Liu et al., 2015): whole pictures, not the aligned crops, with five points each."""

from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import Any

from lightning_modules.errors import CorruptFileError
from lightning_modules.faces.readers.annotation import Annotation, existing, numbers, read_lines

PHOTOS = "Img/img_celeba"
LANDMARKS = "Anno/list_landmarks_celeba.txt"
PARTITION = "Eval/list_eval_partition.txt"
SPLITS = {"0": "train", "1": "val", "2": "test"}


def read_celeba(
    data: Mapping[str, Any],
    skipped: Callable[[str], object] | None = None,
    splits: Container[str] = tuple(SPLITS.values()),
) -> dict[str, list[Annotation]]:
    """``train``, ``val`` and ``test`` of CelebA in ``data.root``, by its official partition; faces of ``splits`` alone.

    ``skipped``, if given, is told which photo is not there.

    Raises:
        UserError: a file is not there.
        CorruptFileError: a line is not in the format; file and line are named.
    """
    root = Path(data["root"])
    split_of = _partition(root / PARTITION)
    path = root / LANDMARKS
    lines = read_lines(path)
    if len(lines) < 2 or not lines[0].strip().isdigit():
        raise CorruptFileError(
            f"{path}, line 1: the number of pictures is due there, and the names of the points below"
        )
    found: dict[str, list[Annotation]] = {split: [] for split in SPLITS.values()}
    faces = 0
    for number, line in enumerate(lines[2:], 3):
        where, words = f"{path}, line {number}", line.split()
        if not words:
            continue
        if len(words) != 11:
            raise CorruptFileError(f"{where}: has {len(words)} words, and 11 are due: a file's name and five points")
        if words[0] not in split_of:
            raise CorruptFileError(f"{where}: {words[0]} is not in {PARTITION}")
        points, faces = numbers(words[1:], where).reshape(5, 2), faces + 1
        split = split_of[words[0]]
        if split in splits and (picture := existing(root / PHOTOS / Path(words[0]).name, where, skipped)):
            found[split].append(Annotation(picture, points))
    if faces != int(lines[0]):
        raise CorruptFileError(f"{path}, line 1: says {lines[0].strip()} pictures, and there are {faces}")
    return found


def _partition(path: Path) -> dict[str, str]:
    found = {}
    for number, line in enumerate(read_lines(path), 1):
        words = line.split()
        if words and (len(words) != 2 or words[1] not in SPLITS):
            raise CorruptFileError(f"{path}, line {number}: must be a file's name and 0, 1 or 2")
        if words:
            found[words[0]] = SPLITS[words[1]]
    return found
