"""Faces side by side in one picture."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from lightning_modules.faces.landmark_set import LandmarkSet

SIDE = 128  # pixels of a picture that is not zoomed


def sheet(faces: LandmarkSet, which: Sequence[int], columns: int, zoom: int = 1, points: bool = False) -> Image.Image:
    """The faces ``which`` in rows of ``columns``, each in a square of ``zoom`` x 128 px, with their points or without."""
    side = SIDE * zoom
    rows = -(-len(which) // columns)
    found = Image.new("RGB", (columns * side, rows * side))
    for place, index in enumerate(which):
        picture = Image.fromarray(np.asarray(faces.images[index]))
        ratio = np.array([side / picture.width, side / picture.height])
        tile = picture.resize((side, side), Image.Resampling.BICUBIC)
        pen = ImageDraw.Draw(tile)
        for x, y in (faces.points[index] + 0.5) * ratio if points else ():
            pen.ellipse([x - zoom, y - zoom, x + zoom, y + zoom], outline=(0, 255, 0))
        found.paste(tile, (place % columns * side, place // columns * side))
    return found
