"""An annotated face in a photo, and a set of such faces as pictures that are read when they are looked at."""

import hashlib
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from lightning_modules.errors import CorruptFileError, UserError, check_choice
from lightning_modules.faces.landmark_set import LandmarkSet
from lightning_modules.faces.markup import MARKUPS, five_points

VIEWS = ("auto", "picture", "face")
LEAST_EYES = 0.065  # of the photo's width between the eyes: the least of the rendered faces, from which level_1 learns
BARE = (
    1.0  # what the box of five points lacks of the face's, which has brows and jaw: times its longer side, on each side
)
FARTHEST = 1e6  # pixels; farther away nothing is annotated
Region = tuple[int, int, int, int]  # left, top, right, bottom; the latter two are the first pixels outside


@dataclass(frozen=True)
class Annotation:
    """``points`` (K, 2) float32 of a face in the photo ``picture``, 0-based pixels; ``flags``: what else is known."""

    picture: Path
    points: np.ndarray
    flags: Mapping[str, float] = field(default_factory=dict)


class Photos(Sequence[np.ndarray]):
    """(H, W, 3) uint8 RGB each, decoded when it is asked for; of each photo a region, or all (None)."""

    def __init__(self, paths: Sequence[Path], regions: Sequence[Region | None]):
        self.paths, self.regions = paths, regions

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override]
        """Raises CorruptFileError for a photo that cannot be read."""
        image, region = read_photo(self.paths[index]), self.regions[index]
        if region is None:
            return image
        left, top, right, bottom = region
        return image[top:bottom, left:right]


def read_photo(path: Path) -> np.ndarray:
    """(H, W, 3) uint8, its pixels as they are stored: annotations count those, not the ones an orientation tag asks for.

    Raises CorruptFileError, naming the file.
    """
    try:
        with opened(path) as image:
            return np.asarray(rgb(image))
    except Exception as error:  # decoders raise whatever a broken file leads them to
        raise _unreadable(path, error) from error


def photo_size(path: Path) -> tuple[int, int]:
    """Width and height, from the file's head alone. Raises CorruptFileError, naming the file."""
    try:
        with opened(path) as image:
            return image.size
    except Exception as error:  # decoders raise whatever a broken file leads them to
        raise _unreadable(path, error) from error


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """A picture being read. What Pillow warns of, as large pictures and odd tags, is no matter of the user's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(path) as image:
            yield image


def rgb(image: Image.Image) -> Image.Image:
    """The picture in RGB of 8 bits: numbers of 16 bits are scaled to them, what is transparent lies on white.

    Raises ValueError for pixels in floating point, whose white is not known.
    """
    if image.mode == "F":
        raise ValueError("pixels in floating point; save it with 8 or 16 bits")
    if image.mode.startswith("I"):
        return Image.fromarray(np.clip(np.asarray(image) / 257 + 0.5, 0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        over = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB")
    return image.convert("RGB")


def _unreadable(path: Path, error: Exception) -> CorruptFileError:
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    return CorruptFileError(f"{path} cannot be read as a picture ({reason}); mend it or take it out")


def as_set(
    faces: Sequence[Annotation],
    root: Path,
    points: int = 5,
    view: str = "auto",
    margin: float = 0.5,
    skipped: Callable[[str], object] | None = None,
) -> LandmarkSet:
    """The faces as a set with 5 points each, or with all that are annotated.

    ``view``: ``picture``, the whole photo; ``face``, the box of the face's points, with ``margin`` times its longer side
    around it as far as the photo goes (of five points, ``BARE`` more); ``auto``, the whole photo unless it has several faces
    or shows this one too small for level_1 (``LEAST_EYES``). ``scale``, the distance of the eyes by the picture's width, and
    ``whole``, whether all of the photo is seen, are among the attributes. ``skipped``, if given, is told what is wrong with
    a face that is then left out.

    Raises:
        UserError: there is no face, the faces have not the same markup, or it has not so many points.
        CorruptFileError: a photo cannot be read, or a face's points can be none: both eyes in one place, all points in one
            row or column, or none of the face in the photo.
    """
    check_choice("data.view", view, VIEWS)
    check_choice("data.points", points, MARKUPS)
    if not faces:
        raise UserError(f"data.root={root}: has no annotated face")
    if margin < 0:
        raise UserError(f"data.margin={margin}: must be 0 or more")
    markups = sorted({len(face.points) for face in faces})
    if len(markups) > 1 and points != 5:
        raise UserError(
            f"data.root={root}: has faces with {' and '.join(map(str, markups))} points; data.points=5 suits all"
        )
    if points not in (5, *markups):
        raise UserError(f"data.points={points}: the faces in {root} have {markups[0]}; data.points=5 always goes")
    times = Counter(face.picture for face in faces)
    faces, sizes = _sound(faces, root, skipped)
    regions = []
    for face in faces:
        size = sizes[face.picture]
        cut = view == "face" or (view == "auto" and (times[face.picture] > 1 or _eyes(face) < LEAST_EYES * size[0]))
        regions.append(_region(face.points, size, margin) if cut else None)
    shown = [
        face.points - np.array(region[:2] if region else (0, 0), np.float32)
        for face, region in zip(faces, regions, strict=True)
    ]
    fives = np.stack([five_points(each) for each in shown])
    seen = np.array(
        [
            (region[2] - region[0], region[3] - region[1]) if region else sizes[face.picture]
            for face, region in zip(faces, regions, strict=True)
        ]
    )
    flags = {name: np.array([face.flags[name] for face in faces], np.float32) for name in faces[0].flags}
    return LandmarkSet(
        images=Photos([face.picture for face in faces], regions),
        points=fives if points == 5 else np.stack(shown),
        attributes={
            "scale": (np.linalg.norm(fives[:, 0] - fives[:, 1], axis=1) / seen[:, 0]).astype(np.float32),
            "whole": np.array([region is None for region in regions], np.float32),
            **flags,
        },
        names=[_name(face.picture, root) for face in faces],
        known_sizes=seen,
    )


def _sound(
    faces: Iterable[Annotation], root: Path, skipped: Callable[[str], object] | None
) -> tuple[list[Annotation], dict[Path, tuple[int, int]]]:
    """The faces that can be measured, and their photos' sizes. Raises what ``as_set`` raises."""
    found, sizes, first = [], {}, ""
    for face in faces:
        try:
            if face.picture not in sizes:
                sizes[face.picture] = photo_size(face.picture)
            if wrong := _wrong(face, sizes[face.picture]):
                raise CorruptFileError(f"{face.picture}: is annotated with {wrong}; mend it or take it out")
            found.append(face)
        except CorruptFileError as error:
            if not skipped:
                raise
            skipped(str(error))
            first = first or str(error)
    if not found:
        raise UserError(f"{root}: no annotated photo there can be used; the first: {first}")
    return found, sizes


def _wrong(face: Annotation, size: tuple[int, int]) -> str:
    """Why a face cannot be measured in a photo of width and height ``size``; empty where it can."""
    if not _eyes(face) > 0:
        return "both eyes in one place"
    if not np.ptp(five_points(face.points), axis=0).prod() > 0:
        return "all points in one row or column"
    if (face.points.max(0) <= -0.5).any() or (face.points.min(0) >= np.array(size) - 0.5).any():
        return f"a face outside of its {size[0]}x{size[1]} pixels"
    return ""


def _eyes(face: Annotation) -> float:
    """Pixels between the eyes."""
    left, right = five_points(face.points)[:2]
    return float(np.linalg.norm(left - right))


def _name(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else path.name


def _region(points: np.ndarray, size: tuple[int, int], margin: float) -> Region:
    low, high = points.min(0), points.max(0)
    around = (margin + (BARE if len(points) == 5 else 0)) * float((high - low).max())
    left, top = (max(0, int(np.floor(value - around))) for value in low)
    right, bottom = (min(most, int(np.ceil(value + around)) + 1) for value, most in zip(high, size, strict=True))
    return min(left, size[0] - 1), min(top, size[1] - 1), max(right, 1), max(bottom, 1)


def shared_out(
    faces: Iterable[Annotation], root: Path, shares: Mapping[str, float], seed: int
) -> dict[str, list[Annotation]]:
    """The faces by split, each photo with all its faces in one: by the SHA-256 of ``seed`` and the photo's name.

    Raises UserError where ``shares`` are no shares of one.
    """
    if any(share < 0 for share in shares.values()) or abs(sum(shares.values()) - 1) > 1e-6:
        raise UserError(f"data.shares={dict(shares)}: must be shares from 0 to 1 that add up to 1")
    found: dict[str, list[Annotation]] = {name: [] for name in shares}
    for face in faces:
        digest = hashlib.sha256(f"{seed}/{_name(face.picture, root)}".encode()).digest()
        place, above = int.from_bytes(digest[:8], "big") / 2**64, 0.0
        for name, share in shares.items():
            above += share
            if place < above or name == [*shares][-1]:
                found[name].append(face)
                break
    return found


def numbers(words: Sequence[str], where: str) -> np.ndarray:
    """(n,) float32. Raises CorruptFileError, beginning with ``where``, unless all are finite numbers."""
    try:
        found = np.array([float(word) for word in words], np.float64)
    except ValueError as error:
        raise CorruptFileError(f"{where}: {error}; numbers are due there") from error
    if not places(found):
        raise CorruptFileError(f"{where}: {' '.join(words[:4])} ... holds a number that is no place in a picture")
    return found.astype(np.float32)


def places(points: np.ndarray) -> bool:
    """Whether all numbers, of any shape, can be places in a picture."""
    return bool((np.abs(points) <= FARTHEST).all())


def read_lines(path: Path) -> list[str]:
    """Raises UserError where there is no such file, CorruptFileError where it is no text."""
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()  # some editors begin a text with a byte order mark
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; data.root has to hold it") from error
    except UnicodeDecodeError as error:
        raise CorruptFileError(f"{path} is no text ({error.reason} at byte {error.start})") from error


def existing(path: Path, where: str, skipped: Callable[[str], object] | None = None) -> Path | None:
    """``path``, or None where it is no file and ``skipped``, which is told so, is given.

    Raises UserError, beginning with ``where``, where it is no file otherwise.
    """
    with suppress(OSError):  # a name that no file can have
        if path.is_file():
            return path
    missing = f"{where}: names {path}, which is not there"
    if not skipped:
        raise UserError(missing)
    skipped(missing)
    return None
