"""Folders of photos with points beside them: ``.pts`` of 300-W and its like, ``.ljson`` of menpo.

300-W (Sagonas et al., 2013): ``afw``, ``lfpw`` and ``helen`` with ``trainset`` and ``testset``, ``ibug``; 1-based pixels.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lightning_modules.data.listing import ENDINGS
from lightning_modules.errors import CorruptFileError, UserError, check_choice
from lightning_modules.faces.markup import MARKUPS
from lightning_modules.faces.readers.annotation import Annotation, numbers, places, read_lines

TRAIN = ("afw", "lfpw/trainset", "helen/trainset")
TESTS = {
    "common": ("lfpw/testset", "helen/testset"),
    "challenge": ("ibug",),
    "full": ("lfpw/testset", "helen/testset", "ibug"),
}


def read_pts(path: Path) -> np.ndarray:
    """(K, 2) 0-based from ``version: 1`` (some have none), ``n_points: K``, ``{``, K lines ``x y`` that count from 1, ``}``.

    Raises CorruptFileError, naming file and line.
    """
    lines = [(number, line.strip()) for number, line in enumerate(read_lines(path), 1) if line.strip()]
    if lines and lines[0][1].startswith("version:"):
        del lines[0]
    head = [line for _, line in lines[:2]]
    if len(head) < 2 or not head[0].startswith("n_points:") or head[1] != "{":
        raise CorruptFileError(f"{path}, line 1: no .pts file; 'version: 1', 'n_points: 68' and '{{' come first")
    declared = head[0].partition(":")[2].strip()
    body = lines[2:]
    if not body or body[-1][1] != "}":
        raise CorruptFileError(f"{path}, line {lines[-1][0]}: ends without '}}'")
    found = [_pair(line, f"{path}, line {number}") for number, line in body[:-1]]
    if declared != str(len(found)):
        raise CorruptFileError(f"{path}, line {lines[0][0]}: n_points is {declared}, and there are {len(found)} points")
    return _known(np.array(found, np.float32).reshape(-1, 2) - 1, path)


def _pair(line: str, where: str) -> np.ndarray:
    words = line.split()
    if len(words) != 2:
        raise CorruptFileError(f"{where}: '{line[:40]}' must be x and y")
    return numbers(words, where)


def read_ljson(path: Path) -> np.ndarray:
    """(K, 2) 0-based from menpo's JSON, whose points are y and x. Raises CorruptFileError, naming the file."""
    try:
        content = json.loads("\n".join(read_lines(path)))
        group = content.get("groups", content)
        group = group if "landmarks" in group else next(iter(group.values()))
        points = np.array(group["landmarks"]["points"], np.float64)
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError, StopIteration, OverflowError) as error:
        raise CorruptFileError(f"{path}: no menpo landmarks ({type(error).__name__}: {error})") from error
    if points.ndim != 2 or points.shape[1] != 2 or not places(points):
        raise CorruptFileError(f"{path}: its points are no pairs of y and x in a picture")
    return _known(points[:, ::-1].astype(np.float32), path)


def _known(points: np.ndarray, path: Path) -> np.ndarray:
    if len(points) not in MARKUPS:
        raise CorruptFileError(
            f"{path}: has {len(points)} points; the markups known have {', '.join(map(str, MARKUPS))}"
        )
    return points


READ: dict[str, Callable[[Path], np.ndarray]] = {".pts": read_pts, ".ljson": read_ljson}


def read_folder(root: Path, skipped: Callable[[str], object] | None = None) -> list[Annotation]:
    """Every ``.pts`` and ``.ljson`` below ``root`` with the photo of the same name beside it; of both, the ``.pts``.

    ``skipped``, if given, is told what is wrong with a face that is then left out.

    Raises:
        UserError: no such folder, or points without a photo.
        CorruptFileError: a file that is not in its format.
    """
    if not root.is_dir():
        raise UserError(f"data.root={root}: no such folder")
    found = (path for path in root.rglob("*") if path.suffix.lower() in READ and not path.name.startswith("."))
    # Of two for a photo the last one stays: .pts.
    of_photo = {path.with_suffix(""): path for path in sorted(found, key=lambda path: path.suffix.lower())}
    faces = []
    for path in sorted(of_photo.values()):
        try:
            faces.append(Annotation(_photo(path), READ[path.suffix.lower()](path)))
        except UserError as error:
            if not skipped:
                raise
            skipped(str(error))
    return faces


def _photo(path: Path) -> Path:
    for ending in ENDINGS:
        for written in (ending, ending.upper()):
            if (photo := path.with_suffix(written)).is_file():
                return photo
    raise UserError(f"{path}: no photo of that name beside it ({', '.join(ENDINGS)})")


def read_300w(data: Mapping[str, Any]) -> dict[str, list[Annotation]]:
    """``train`` and ``test`` of 300-W in ``data.root``; ``data.test``: common, challenge or full.

    Raises what ``read_folder`` raises.
    """
    check_choice("data.test", data["test"], tuple(TESTS))
    root = Path(data["root"])
    missing = [part for part in (*TRAIN, *TESTS["full"]) if not (root / part).is_dir()]
    if missing:
        raise UserError(f"data.root={root}: has no folder {', '.join(missing)}; 300-W has afw, lfpw, helen and ibug")
    parts = {"train": TRAIN, "test": TESTS[data["test"]]}
    return {split: [face for part in folders for face in read_folder(root / part)] for split, folders in parts.items()}
