"""Annotated photos in a user's folder, whatever their format, as sets of faces."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lightning_modules.errors import UserError, check_choice
from lightning_modules.faces.landmark_set import LandmarkSet
from lightning_modules.faces.readers import celeba, dlib_xml, pts, wflw
from lightning_modules.faces.readers.annotation import Annotation, as_set, shared_out

Splits = dict[str, list[Annotation]]
ALL = "all"  # the split of everything, whatever part it is in

READERS: dict[str, Callable[[Mapping[str, Any]], Splits]] = {
    "CelebAWild": celeba.read_celeba,
    "W300": pts.read_300w,
    "WFLW": wflw.read_wflw,
    "DlibFaces": lambda data: {ALL: dlib_xml.read_dlib(Path(data["root"]))},
    "PtsFolder": lambda data: {ALL: pts.read_folder(Path(data["root"]))},
}
# What to do about a data set that nobody may pass on.
GET: dict[str, str] = {
    "CelebAWild": "get CelebA (mmlab.ie.cuhk.edu.hk/projects/CelebA.html), the pictures in the wild, and give data.root=FOLDER with Img/img_celeba, Anno and Eval",
    "W300": "get 300-W (ibug.doc.ic.ac.uk/resources/300-W) and give data.root=FOLDER with afw, lfpw, helen and ibug",
    "WFLW": "get WFLW (wywu.github.io/projects/LAB/WFLW.html) and give data.root=FOLDER with WFLW_annotations and WFLW_images",
    "DlibFaces": "give data.root=FILE.xml as dlib's imglab writes it, or a folder with such files; its pictures lie beside it",
    "PtsFolder": "give data.root=FOLDER with photos and a .pts (or menpo's .ljson) of the same name beside each",
}


def annotated_faces(data: Mapping[str, Any], split: str, count: int | None = None) -> LandmarkSet:
    """The first ``count`` faces (None: all) of a split of the photos that ``data`` (a conf/data file's content) describes.

    Splits are train, val, test, and all. Where the data set has no validation split, it is cut from train
    (``data.validation.share``); where it has none at all, by ``data.shares``. Points: ``data.points``, 5 or all.

    Raises:
        UserError: no folder given, or it is not in the layout; a split without faces.
        CorruptFileError: a file or a line in it is not in the format; both are named.
    """
    check_choice("split", split, ("train", "val", "test", ALL))
    if data["root"] is None:
        raise UserError(f"data.root: {GET[data['dataset']]}")
    root = Path(data["root"])
    found = _split(READERS[data["dataset"]](data), data, root)
    faces = [face for part in found.values() for face in part] if split == ALL else found[split]
    if not faces:
        raise UserError(
            f"data.root={root}: has no annotated face for the split {split}; "
            "it holds too few, or data.shares or data.validation.share leaves it none"
        )
    return as_set(faces[:count], root if root.is_dir() else root.parent, data["points"], data["view"], data["margin"])


def _split(found: Splits, data: Mapping[str, Any], root: Path) -> Splits:
    if ALL in found:
        if data["validation"] is None:
            raise UserError("data.validation=null: the set has no splits; give {seed: 0}, from which they are drawn")
        return shared_out(found[ALL], root, data["shares"], data["validation"]["seed"])
    if "val" not in found:
        if data["validation"] is None:
            raise UserError("data.validation=null: the set has no validation split; give {share: 0.05, seed: 0}")
        share = data["validation"]["share"]
        cut = shared_out(found["train"], root, {"train": 1 - share, "val": share}, data["validation"]["seed"])
        found = {**cut, "test": found["test"]}
    return found


def split_in(root: Path) -> str:
    """Which split ``faces_in`` reads: test of CelebA and WFLW, whose lists say which that is; all of everything else."""
    return "test" if any((root / path).is_file() for path in (celeba.LANDMARKS, wflw.LISTS.format("test"))) else ALL


def faces_in(
    root: Path, points: int = 5, view: str = "auto", margin: float = 0.5, skipped: Callable[[str], object] | None = None
) -> LandmarkSet:
    """The annotated faces (``split_in``) of the folder (or dlib XML file) ``root``, in whichever of the formats it is.

    ``skipped`` is told what is wrong with a ``.pts``, ``.ljson`` or ``.xml`` file, a face's parts or eyes or a photo's head,
    or which photo is not there, and the face is left out.

    Raises:
        UserError: none of the formats is there.
        CorruptFileError: a list is not in its format, or ``skipped`` is None and something is wrong; file and line are named.
    """
    told: list[str] = []

    def tell(message: str) -> None:
        told.append(message)
        if skipped:
            skipped(message)

    tells = tell if skipped else None

    if (root / celeba.LANDMARKS).is_file():
        found = celeba.read_celeba({"root": str(root)}, tells, ("test",))
    elif (root / wflw.LISTS.format("test")).is_file():
        found = {"test": wflw.read_list(root, "test", tells)}
    elif root.suffix.lower() == dlib_xml.SUFFIX:
        found = {ALL: dlib_xml.read_dlib(root, tells)}
    else:
        listed = dlib_xml.read_dlib(root, tells) if dlib_xml.xml_files(root) else []
        found = {ALL: listed or pts.read_folder(root, tells)}
    faces = found[split_in(root)]
    if not faces and told:
        raise UserError(f"{root}: no annotated face there can be used; the first: {told[0]}")
    if not faces and split_in(root) != ALL:
        raise UserError(f"{root}: its lists have no face of the split {split_in(root)}")
    if not faces:
        raise UserError(
            f"{root}: no annotations there; they may be .pts, .ljson, dlib's .xml, or CelebA's or WFLW's lists"
        )
    return as_set(faces, root if root.is_dir() else root.parent, points, view, margin, skipped)
