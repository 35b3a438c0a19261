"""WFLW (Wu et al., 2018, "Look at boundary"): 98 points, a box and six flags in a line for each face."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lightning_modules.errors import CorruptFileError, UserError
from lightning_modules.faces.readers.annotation import Annotation, existing, numbers, read_lines

LISTS = "WFLW_annotations/list_98pt_rect_attr_train_test/list_98pt_rect_attr_{}.txt"
PHOTOS = "WFLW_images"
FLAGS = ("pose", "expression", "illumination", "make_up", "occlusion", "blur")
TOKENS = 196 + 4 + len(FLAGS) + 1


def read_wflw(data: Mapping[str, Any]) -> dict[str, list[Annotation]]:
    """``train`` and ``test`` of WFLW in ``data.root``; of the latter those with the flag ``data.subset``, if that is given.

    Raises:
        UserError: a file is not there, or there is no such flag.
        CorruptFileError: a line is not in the format; file and line are named.
    """
    root, subset = Path(data["root"]), data["subset"]
    if subset not in (None, *FLAGS):
        raise UserError(f"data.subset={subset}: choose one of {', '.join(FLAGS)}, or null for all")
    train, test = (read_list(root, split) for split in ("train", "test"))
    return {"train": train, "test": [face for face in test if subset is None or face.flags[subset]]}


def read_list(root: Path, split: str, skipped: Callable[[str], object] | None = None) -> list[Annotation]:
    """The faces of train or test alone. ``skipped``, if given, is told which photo is not there. Raises as ``read_wflw``."""
    path = root / LISTS.format(split)
    lines = [(number, line.split()) for number, line in enumerate(read_lines(path), 1) if line.strip()]
    faces = (_face(root, words, f"{path}, line {number}", skipped) for number, words in lines)
    return [face for face in faces if face]


def _face(
    root: Path, words: list[str], where: str, skipped: Callable[[str], object] | None = None
) -> Annotation | None:
    if len(words) != TOKENS:
        raise CorruptFileError(f"{where}: has {len(words)} words, and {TOKENS} are due: 98 points, box, flags, path")
    flags = words[200:206]
    if not set(flags) <= {"0", "1"}:
        raise CorruptFileError(f"{where}: the flags are {' '.join(flags)}, and each must be 0 or 1")
    numbers(words[196:200], where)
    points = numbers(words[:196], where).reshape(98, 2)
    picture = existing(_inside(root / PHOTOS, words[206], where), where, skipped)
    return picture and Annotation(picture, points, {name: float(flag) for name, flag in zip(FLAGS, flags, strict=True)})


def _inside(folder: Path, name: str, where: str) -> Path:
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise CorruptFileError(f"{where}: {name} leads out of {folder}")
    return folder / name
