"""dlib's XML (as its tool imglab writes it): pictures with boxes, and in each box parts by name."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from xml.parsers import expat

import numpy as np

from lightning_modules.errors import CorruptFileError, UserError
from lightning_modules.faces.markup import MARKUPS
from lightning_modules.faces.readers.annotation import Annotation, existing, numbers

SUFFIX = ".xml"


def read_dlib(path: Path, skipped: Callable[[str], object] | None = None) -> list[Annotation]:
    """Every box with parts in the XML file ``path``, or in those below the folder ``path``; pictures are named relative to it.

    Boxes to be ignored, and those without parts, are left out; the parts' names give the points' order. A face that
    several files list, as one of all and one of a split do, is one. ``skipped``, if given, is told which photo is not there
    and which box or file is not in the format, and that is left out.

    Raises:
        UserError: there is no such file, or a picture is not there.
        CorruptFileError: the file is not in the format; file and line are named.
    """
    files = xml_files(path) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise UserError(f"data.root={path}: must be dlib's XML file, or a folder with some")
    faces = (face for file in files for face in _read(file, skipped))
    return list({(face.picture.resolve(), face.points.tobytes()): face for face in faces}.values())


def xml_files(folder: Path) -> list[Path]:
    """Below ``folder``, but for hidden ones."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() == SUFFIX and not path.name.startswith("."))


def _read(path: Path, skipped: Callable[[str], object] | None) -> list[Annotation]:
    parser, found = expat.ParserCreate(), []
    picture: list[Path | None] = []
    box: dict[str, str] = {}
    parts: list[tuple[str, dict[str, str]]] = []  # where each stands, and what it says

    def where() -> str:
        return f"{path}, line {parser.CurrentLineNumber}"

    def tell(error: CorruptFileError) -> None:
        if not skipped:
            raise error
        skipped(str(error))

    def start(tag: str, given: dict[str, str]) -> None:
        if tag == "image":
            picture[:] = [None]
            try:
                picture[:] = [existing(path.parent / _given(given, "file", where()), where(), skipped)]
            except CorruptFileError as error:
                tell(error)
        elif tag == "box":
            box.clear()
            box.update(given)
            parts.clear()
        elif tag == "part":
            parts.append((where(), given))

    def end(tag: str) -> None:
        if tag != "box" or not parts or box.get("ignore") == "1":
            return
        try:
            if not picture:
                raise CorruptFileError(f"{where()}: a box outside of any image")
            points = _points(parts, where())
        except CorruptFileError as error:
            tell(error)
            return
        if picture[0]:
            found.append(Annotation(picture[0], points))

    def refuse(*_: object) -> None:
        raise CorruptFileError(f"{where()}: declares an entity, which dlib's files never do")

    parser.StartElementHandler, parser.EndElementHandler, parser.EntityDeclHandler = start, end, refuse
    try:
        parser.Parse(path.read_bytes(), True)
    except expat.ExpatError as error:
        tell(CorruptFileError(f"{path}, line {error.lineno}: no XML ({expat.ErrorString(error.code)})"))
        return []
    except CorruptFileError as error:
        tell(error)
        return []
    return found


def _points(parts: Sequence[tuple[str, Mapping[str, str]]], where: str) -> np.ndarray:
    """(K, 2) float32 of a box's parts, in the order of their names. Raises CorruptFileError."""
    named = {_given(part, "name", place): (_given(part, "x", place), _given(part, "y", place)) for place, part in parts}
    if len(named) not in MARKUPS[1:]:
        known = " and ".join(map(str, MARKUPS[1:]))
        raise CorruptFileError(f"{where}: a box has {len(named)} parts; those of the markups known are {known}")
    places = {int(name): place for name, place in named.items() if name.isdecimal()}
    if sorted(places) != list(range(min(places, default=0), min(places, default=0) + len(named))):
        raise CorruptFileError(f"{where}: a box's parts must be named by numbers without a gap, which are their order")
    return numbers([word for name in sorted(places) for word in places[name]], where).reshape(-1, 2)


def _given(attributes: Mapping[str, str], name: str, where: str) -> str:
    if name not in attributes:
        raise CorruptFileError(f"{where}: lacks {name}=")
    return attributes[name]
