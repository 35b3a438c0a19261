"""The landmarks of a face in a photo, by the published cascade: drawn (level_1 red, level_2 blue) and printed as JSON.

python -m experiments.landmarks image=photo.jpg
python -m experiments.landmarks image=photo.jpg box=120,80,200,200 out=found.png
python -m experiments.landmarks image=FOLDER out=DRAWN
python -m experiments.landmarks image=ANNOTATED metrics=true

    image     a picture, or a folder of them; a broken one is reported and skipped, and the exit status is 1
    box       the face: left, top, width and height in pixels; without it, level_1 sees the whole picture
    metrics   of a folder with annotations (.pts, dlib's XML, ...): all metrics of each level, in place of drawings
    view      with metrics, what level_1 sees: picture; face, the points' box with a margin; auto, face where there are several or it is small
    out       where the drawing goes, a folder where image is one; results/local/landmarks/photo.jpg.png unless it is said
    weights   a folder with the levels' files; those that are published unless it is said

Points are in pixels, the first pixel's centre at (0, 0): the eyes, the nose, the corners of the mouth; left is the viewer's.
"""

import json
import sys
from pathlib import Path
from typing import Any

from experiments.suite import cli
from experiments.suite.files import write_bytes
from experiments.suite.paths import local, published, shown
from experiments.suite.verb import parse
from lightning_modules.errors import UserError, check_choice

OWN = {"image": None, "box": None, "metrics": False, "view": None, "out": None, "weights": None}
VIEWS = ("auto", "picture", "face")
ENDING = ".png"  # of drawings
LEAST = 4  # pixels of a box's side
LEVELS = ("landmarks_level_1.safetensors", "landmarks_level_2.safetensors")


def main(arguments: list[str]) -> int:
    own, _ = parse(arguments, OWN)
    if own["image"] is None:
        raise UserError("image: say which picture or folder, image=photo.jpg")
    image = Path(own["image"])
    if not image.exists():
        raise UserError(f"image={image}: no such file or folder")
    if own["metrics"] and not (image.is_dir() or image.suffix.lower() == ".xml"):
        raise UserError(f"image={image}: metrics=true is for a folder with annotations, or dlib's .xml")
    _check_use(own)
    folder = Path(own["weights"]) if own["weights"] else published() / "weights"
    paths = [folder / name for name in LEVELS]
    if missing := [path for path in paths if not path.is_file()]:
        raise UserError(f"weights={shown(folder)}: no {missing[0].name} there; `make publish TABLE=table12` writes it")
    box = _box(own["box"])
    from experiments import landmark_photos  # imports torch, which takes seconds

    finder = landmark_photos.Finder.of(paths)
    if own["metrics"]:
        found, problems = finder.measured(image, own["view"] or VIEWS[0])
    elif image.is_dir():
        out = Path(own["out"] or local() / "landmarks")
        _check_out(out, image)
        found, problems = _folder(finder, image, box, out)
    else:
        out = Path(own["out"] or local() / "landmarks" / drawing(image).name)
        _check_out(out, image)
        found, problems = _picture(finder, image, box, out)
    if found is not None:
        print(json.dumps(found, indent=1 if own["metrics"] else None, allow_nan=False))
    for line in problems:
        print(f"skipped: {' '.join(line.split())}", file=sys.stderr)
    return 1 if problems else 0


def drawing(path: Path) -> Path:
    """What the drawing of a picture is called: a.jpg and a.png of a folder have each their own."""
    return path.with_name(f"{path.name}{ENDING}")


def _check_use(own: dict[str, Any]) -> None:
    """Raises UserError for an argument that would change nothing."""
    for name in ("box", "out") if own["metrics"] else ("view",):
        if own[name] is not None:
            without = (
                "metrics=true draws nothing and looks where view= says" if own["metrics"] else "is of metrics=true"
            )
            raise UserError(f"{name}={own[name]}: {without}; leave it out")
    check_choice("view", own["view"] or VIEWS[0], VIEWS)


def _check_out(out: Path, image: Path) -> None:
    """Raises UserError where drawings would lie in the place of pictures, or cannot lie there."""
    if out.exists() and out.samefile(image):
        raise UserError(f"out={out}: is image={image} itself, which stays as it is; name another place")
    if out.is_dir() != image.is_dir() and out.exists():
        raise UserError(f"out={out}: " + ("is a folder; name a file" if out.is_dir() else "is a file; name a folder"))
    if not image.is_dir() and out.suffix.lower() != ENDING:
        raise UserError(f"out={out}: drawings are {ENDING} files; name it {out.stem}{ENDING}")


def _folder(finder: Any, folder: Path, box: Any, out: Path) -> tuple[list[Any], list[str]]:
    from experiments.landmark_photos import pictures_in

    found, problems = [], []
    for path in pictures_in(folder, out):
        try:
            entry, problem = _picture(finder, path, box, out / drawing(path.relative_to(folder)))
        except UserError as error:  # of this picture's box
            entry, problem = None, [f"{path}: {error}"]
        found += [entry] if entry else []
        problems += problem
    if not found and not problems:
        raise UserError(f"image={folder}: no picture there; known are .jpg, .jpeg, .png, .bmp, .webp, .gif and .tif")
    return found, problems


def _picture(finder: Any, path: Path, box: Any, out: Path) -> tuple[dict[str, Any] | None, list[str]]:
    from experiments.landmark_photos import Broken

    try:
        picture, entry = finder.found(path, box)
    except Broken as error:
        return None, [f"{path}: {error}"]
    write_bytes(out, finder.drawn(picture, entry))
    return {"image": str(path), **entry, "drawn": shown(out.absolute())}, []


def _box(text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        numbers = tuple(float(part) for part in text.strip("[]").split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != 4 or not all(abs(number) < 1e6 for number in numbers) or min(numbers[2:]) < LEAST:
        raise UserError(
            f"box={text}: give left, top, width and height in pixels, such as box=120,80,200,200; a side has {LEAST} or more"
        )
    return numbers


if __name__ == "__main__":
    cli.call(main)
