"""Photos read, faces found on them by the cascade, and points drawn: what `experiments.landmarks` does with a picture."""

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageOps, UnidentifiedImageError

from lightning_modules import cascade_files
from lightning_modules.errors import CorruptFileError, UserError
from lightning_modules.faces.annotated import faces_in, split_in
from lightning_modules.faces.markup import NAMES_OF_5
from lightning_modules.faces.readers.annotation import Photos, photo_size, rgb
from lightning_modules.faces.readers.annotation import opened as decoded
from lightning_modules.landmark_cascade import Cascade
from lightning_modules.landmark_metrics import all_nmes, summary

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff")
LARGEST = 2048  # pixels of a side: larger photos are made smaller before, which changes no crop of the nets by much
AROUND = 1.3  # of a given box, what level_1 sees: its training pictures show more than the face
COLOURS = ("#e6194b", "#1f4ed8")  # level_1 red, level_2 blue
SMALLEST = 8  # pixels of a side


class Broken(Exception):
    """A picture that cannot be read; says why."""


@dataclass(frozen=True)
class Finder:
    """Finds the points of the face in a picture by each level of a cascade."""

    cascade: Cascade

    @classmethod
    def of(cls, paths: Sequence[Path]) -> "Finder":
        """Raises CorruptFileError."""
        return cls(cascade_files.load(paths))

    def points(self, picture: Image.Image, box: Sequence[float] | None = None) -> np.ndarray:
        """(levels, K, 2) float32 in pixels of an RGB picture; ``box``: left, top, width, height of the face."""
        scale = min(1.0, LARGEST / max(picture.size))
        width, height = (max(SMALLEST, round(side * scale)) for side in picture.size)
        size = (width, height)
        smaller = picture if size == picture.size else picture.resize(size, Image.Resampling.BOX, reducing_gap=2.0)
        pixels = torch.from_numpy(np.array(smaller)).permute(2, 0, 1)[None]
        factor = np.array(size) / np.array(picture.size)  # Pillow has the pictures' edges in one place
        boxes = None
        if box is not None:
            left, top, wide, high = box
            centre = (np.array([left + wide / 2, top + high / 2]) + 0.5) * factor - 0.5
            half = AROUND * np.array([wide, high]) / 2 * factor
            boxes = torch.tensor([[*centre, *half]], dtype=torch.float32)
        with torch.inference_mode():
            found = self.cascade(pixels, boxes)[:, 0].numpy()
        return ((found + 0.5) / factor - 0.5).astype(np.float32)

    def found(self, path: Path, box: Sequence[float] | None = None) -> tuple[Image.Image, dict[str, Any]]:
        """The picture, and {"size": [w, h], "level_1": {point: [x, y]}, ...}.

        Raises:
            Broken: the picture cannot be read.
            UserError: the box lies beside it.
        """
        picture = opened(path)
        if box is not None:
            check_box(box, picture.size)
        points = self.points(picture, box)
        names = NAMES_OF_5 if points.shape[1] == 5 else [str(number) for number in range(points.shape[1])]
        levels = {
            f"level_{number}": {
                name: [round(float(x), 2), round(float(y), 2)] for name, (x, y) in zip(names, level, strict=True)
            }
            for number, level in enumerate(points, 1)
        }
        return picture, {"size": list(picture.size), **levels}

    def drawn(self, picture: Image.Image, entry: dict[str, Any]) -> bytes:
        """The picture with every level's points, as a PNG file."""
        levels = [
            np.array(list(entry[f"level_{number}"].values()))
            for number in range(1, len(COLOURS) + 1)
            if f"level_{number}" in entry
        ]
        return png(with_points(picture, list(zip(levels, COLOURS, strict=False))))

    def measured(self, folder: Path, view: str) -> tuple[dict[str, Any], list[str]]:
        """All metrics of each level on annotated photos, of each face its NME; and what was left out.

        A photo is read, looked at and forgotten before the next. ``view``: what level_1 sees of it
        (lightning_modules/faces/readers/annotation.py); the diagonal is the whole photo's.

        Raises:
            UserError: the folder's annotations are none that are known, or no photo can be read.
        """
        problems: list[str] = []
        annotated = faces_in(folder, view=view, skipped=problems.append)
        seen, points = [], []
        for index in range(len(annotated)):
            try:
                picture = Image.fromarray(np.ascontiguousarray(annotated.images[index]))
            except CorruptFileError as error:
                problems.append(str(error))
                continue
            seen.append(index)
            points.append(self.points(picture))
        if not seen:
            raise UserError(f"image={folder}: no annotated photo there can be used; the first: {problems[0]}")
        photos = annotated.images
        assert isinstance(photos, Photos)
        true, sizes = annotated.points[seen], np.array([photo_size(photos.paths[index]) for index in seen])
        nmes = [all_nmes(level, true, sizes) for level in np.stack(points, 1)]
        faces = [
            {
                "image": str(annotated.names[index]),
                "view": "picture" if annotated.attributes["whole"][index] else "face",
                **{f"level_{number}": round(float(level[""][place]), 2) for number, level in enumerate(nmes, 1)},
            }
            for place, index in enumerate(seen)
        ]
        levels = {f"level_{number}": _rounded(summary(level)) for number, level in enumerate(nmes, 1)}
        better = 100 * float((nmes[-1][""] < nmes[0][""]).mean())
        return {
            "faces": len(faces),
            "split": split_in(folder),
            "view": view,
            **levels,
            "better_with_level_2": round(better, 1),
            "nme": faces,
        }, problems


def opened(path: Path) -> Image.Image:
    """An RGB picture as it is to be looked at. Raises Broken."""
    try:
        with decoded(path) as file:
            picture = rgb(ImageOps.exif_transpose(file))
    except UnidentifiedImageError as error:
        raise Broken("is no picture") from error
    except Exception as error:  # decoders raise whatever a broken file leads them to
        raise Broken(f"cannot be read ({' '.join(str(error).split())[:120] or type(error).__name__})") from error
    if min(picture.size) < SMALLEST:
        raise Broken(f"has {picture.size[0]}x{picture.size[1]} pixels; {SMALLEST} a side are the least")
    return picture


def check_box(box: Sequence[float], size: tuple[int, int]) -> None:
    """Raises UserError unless left, top, width and height meet a picture of that width and height."""
    left, top, wide, high = box
    if left >= size[0] or top >= size[1] or left + wide <= 0 or top + high <= 0:
        raise UserError(
            f"box={','.join(f'{number:g}' for number in box)}: lies beside the picture of {size[0]}x{size[1]} pixels"
        )


def pictures_in(folder: Path, out: Path) -> list[Path]:
    """The pictures below ``folder``, links that lead nowhere among them, but for hidden ones (a system's own thumbnails) and
    those below ``out``, where drawings go, if that is in it."""
    drawings = out.resolve()
    own = drawings if folder.resolve() in drawings.parents else None
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and (path.is_file() or (path.is_symlink() and not path.exists()))
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and own not in Path(os.path.realpath(path)).parents  # resolve() raises for a link that leads to itself
    )


def with_points(picture: Image.Image, layers: Sequence[tuple[np.ndarray, str]]) -> Image.Image:
    """A copy with points (K, 2), each layer in its colour; small pictures are enlarged so that points are small on them."""
    factor = max(1, round(384 / max(picture.size)))
    large = picture.resize((factor * picture.width, factor * picture.height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(large)
    radius = max(2.0, max(large.size) / 128)
    for points, colour in layers:
        for x, y in (np.asarray(points) + 0.5) * factor - 0.5:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour, outline="white")
    return large


def png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, format="PNG")
    return out.getvalue()


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in values.items()}
