"""dlib's XML (as its tool imglab writes it): pictures with boxes, and in each box parts by name."""

from collections.abc import Callable
from pathlib import Path
from xml.parsers import expat

import numpy as np

from lightning_modules.errors import CorruptFileError, UserError
from lightning_modules.faces.markup import MARKUPS
from lightning_modules.faces.readers.annotation import Annotation, existing, numbers


def read_dlib(path: Path, skipped: Callable[[str], object] | None = None) -> list[Annotation]:
    """Every box with parts in the XML file ``path``, or in those of the folder ``path``; pictures are named relative to it.

    Boxes to be ignored, and those without parts, are left out; the parts' names give the points' order. A face that
    several files list, as one of all and one of a split do, is one. ``skipped``, if given, is told which photo is not there.

    Raises:
        UserError: there is no such file, or a picture is not there.
        CorruptFileError: the file is not in the format; file and line are named.
    """
    files = sorted(path.glob("*.xml")) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise UserError(f"data.root={path}: must be dlib's XML file, or a folder with some")
    faces = (face for file in files for face in _read(file, skipped))
    return list({(face.picture.resolve(), face.points.tobytes()): face for face in faces}.values())


def _read(path: Path, skipped: Callable[[str], object] | None) -> list[Annotation]:
    parser, found = expat.ParserCreate(), []
    picture: list[Path | None] = []
    parts: dict[str, tuple[str, str]] = {}

    def where() -> str:
        return f"{path}, line {parser.CurrentLineNumber}"

    def start(tag: str, given: dict[str, str]) -> None:
        if tag == "image":
            picture[:] = [existing(path.parent / _given(given, "file", where()), where(), skipped)]
        elif tag == "box":
            parts.clear()
            if given.get("ignore") == "1":
                parts["ignore"] = ("", "")
        elif tag == "part":
            parts[_given(given, "name", where())] = (_given(given, "x", where()), _given(given, "y", where()))

    def end(tag: str) -> None:
        if tag == "box" and parts and "ignore" not in parts:
            if not picture:
                raise CorruptFileError(f"{where()}: a box outside of any image")
            if len(parts) not in MARKUPS[1:]:
                known = " and ".join(map(str, MARKUPS[1:]))
                raise CorruptFileError(
                    f"{where()}: a box has {len(parts)} parts; those of the markups known are {known}"
                )
            named = [parts[name] for name in sorted(parts, key=_order)]
            points = numbers([number for pair in named for number in pair], where()).reshape(-1, 2)
            if picture[0]:
                found.append(Annotation(picture[0], points.astype(np.float32)))

    def refuse(*_: object) -> None:
        raise CorruptFileError(f"{where()}: declares an entity, which dlib's files never do")

    parser.StartElementHandler, parser.EndElementHandler, parser.EntityDeclHandler = start, end, refuse
    try:
        parser.Parse(path.read_bytes(), True)
    except expat.ExpatError as error:
        raise CorruptFileError(f"{path}, line {error.lineno}: no XML ({expat.ErrorString(error.code)})") from error
    return found


def _order(name: str) -> tuple[int, str]:
    return (int(name), name) if name.isdigit() else (10**6, name)


def _given(attributes: dict[str, str], name: str, where: str) -> str:
    if name not in attributes:
        raise CorruptFileError(f"{where}: lacks {name}=")
    return attributes[name]
