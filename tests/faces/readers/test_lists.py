"""CelebA in the wild, WFLW and dlib's XML, in files of the exact format."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightning_modules.errors import CorruptFileError, UserError
from lightning_modules.faces.annotated import annotated_faces, faces_in, split_in
from lightning_modules.faces.markup import five_points
from lightning_modules.faces.readers import celeba, wflw
from tests.faces.readers.conftest import Photo, face

COMMON = {"points": 5, "view": "picture", "margin": 0.5, "validation": {"share": 0.5, "seed": 0}}


def edited(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


# CelebA in the wild


@pytest.fixture
def celeba_data(tmp_path: Path, photo: Photo) -> dict[str, Any]:
    names = [photo(f"{celeba.PHOTOS}/{number:06d}.jpg").name for number in range(1, 5)]
    rows = [
        " ".join([name, *(f"{round(value):4d}" for value in face(5, seed).ravel())]) for seed, name in enumerate(names)
    ]
    heads = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
    for path, text in ((celeba.LANDMARKS, "\n".join(["4", heads, *rows, ""])),
                       (celeba.PARTITION, "\n".join(f"{name} {split}" for name, split in zip(names, "0012", strict=True)))):  # fmt: skip
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    return {**COMMON, "dataset": "CelebAWild", "root": str(tmp_path)}


def test_celeba_follows_its_partition(celeba_data: dict[str, Any]) -> None:
    found = {split: annotated_faces(celeba_data, split) for split in ("train", "val", "test", "all")}
    assert {split: len(faces) for split, faces in found.items()} == {"train": 2, "val": 1, "test": 1, "all": 4}
    assert np.array_equal(found["test"].points[0], np.round(face(5, 3)))
    assert list(found["val"].names) == [f"{celeba.PHOTOS}/000003.jpg"]
    assert np.array_equal(faces_in(Path(celeba_data["root"])).points, found["test"].points)
    assert split_in(Path(celeba_data["root"])) == "test" and split_in(Path(celeba_data["root"]) / "Img") == "all"


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [(celeba.LANDMARKS, "4\n", "5\n", "list_landmarks_celeba.txt, line 1: says 5 pictures, and there are 4"),
     (celeba.LANDMARKS, "4\n", "four\n", "line 1: the number of pictures is due there"),
     (celeba.LANDMARKS, "000002.jpg", "000002.jpg 7", "line 4: has 12 words, and 11 are due"),
     (celeba.LANDMARKS, "000002.jpg", "000009.jpg", "line 4: 000009.jpg is not in Eval/list_eval_partition.txt"),
     (celeba.LANDMARKS, "000003.jpg   ", "000003.jpg x ", "line 5: "),
     (celeba.PARTITION, "000002.jpg 0", "000002.jpg 3", "list_eval_partition.txt, line 2: must be a file's name and 0, 1 or 2")],
)  # fmt: skip
def test_a_malformed_line_of_celeba_is_named(
    celeba_data: dict[str, Any], file: str, old: str, new: str, message: str
) -> None:
    edited(Path(celeba_data["root"]) / file, old, new)
    with pytest.raises(CorruptFileError, match=message) as raised:
        annotated_faces(celeba_data, "train")
    assert "\n" not in str(raised.value)


def test_celeba_says_what_is_missing(celeba_data: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"data.root: get CelebA .* with Img/img_celeba, Anno and Eval"):
        annotated_faces({**celeba_data, "root": None}, "train")
    (Path(celeba_data["root"]) / celeba.PHOTOS / "000002.jpg").unlink()
    with pytest.raises(UserError, match=r"list_landmarks_celeba.txt, line 4: names .*000002.jpg, which is not there"):
        annotated_faces(celeba_data, "train")
    (Path(celeba_data["root"]) / celeba.LANDMARKS).unlink()
    with pytest.raises(UserError, match=r"list_landmarks_celeba.txt: no such file"):
        annotated_faces(celeba_data, "train")


# WFLW


@pytest.fixture
def wflw_data(tmp_path: Path, photo: Photo) -> dict[str, Any]:
    for split, count in (("train", 6), ("test", 3)):
        rows = []
        for number in range(count):
            name = f"{number}--Parade/{split}_{number}.jpg"
            photo(f"{wflw.PHOTOS}/{name}")
            coordinates = " ".join(f"{value:.6f}" for value in face(98, number).ravel())
            rows.append(f"{coordinates} 5 5 35 25 {number % 2} 0 0 0 1 0 {name}")
        path = tmp_path / wflw.LISTS.format(split)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return {**COMMON, "dataset": "WFLW", "subset": None, "root": str(tmp_path)}


def test_wflw_is_read_with_its_flags_and_subsets(wflw_data: dict[str, Any]) -> None:
    test = annotated_faces({**wflw_data, "points": 98}, "test")
    assert np.allclose(test.points, np.stack([face(98, number) for number in range(3)]), atol=1e-4)
    assert test.attributes["pose"].tolist() == [0, 1, 0] and test.attributes["occlusion"].tolist() == [1, 1, 1]
    posed = annotated_faces({**wflw_data, "subset": "pose"}, "test")
    assert np.allclose(posed.points, five_points(face(98, 1))[None], atol=1e-4)
    train, val = (annotated_faces(wflw_data, split) for split in ("train", "val"))
    assert len(train) + len(val) == 6 and not set(train.names) & set(val.names)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [(" 5 5 35 25", " 5 5 35", "list_98pt_rect_attr_test.txt, line 1: has 206 words, and 207 are due"),
     ("25 0 0", "25 2 0", "line 1: the flags are 2 0 0 0 1 0, and each must be 0 or 1"),
     ("5 5 35 25", "5 5 35 x", "line 1: could not convert string to float: 'x'"),
     ("1--Parade", "../../elsewhere", "line 2: ../../elsewhere/test_1.jpg leads out of")],
)  # fmt: skip
def test_a_malformed_line_of_wflw_is_named(wflw_data: dict[str, Any], old: str, new: str, message: str) -> None:
    edited(Path(wflw_data["root"]) / wflw.LISTS.format("test"), old, new)
    with pytest.raises(CorruptFileError, match=message):
        annotated_faces(wflw_data, "test")


def test_wflw_says_what_is_missing(wflw_data: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"data.root: get WFLW .* with WFLW_annotations and WFLW_images"):
        annotated_faces({**wflw_data, "root": None}, "test")
    with pytest.raises(UserError, match=r"data.subset=hats: choose one of pose, expression"):
        annotated_faces({**wflw_data, "subset": "hats"}, "test")
    with pytest.raises(UserError, match=r"data.points=68: the faces in .* have 98; data.points=5 always goes"):
        annotated_faces({**wflw_data, "points": 68}, "test")


# dlib's XML

HEAD = "<?xml version='1.0' encoding='ISO-8859-1'?>\n<?xml-stylesheet type='text/xsl' href='image_metadata_stylesheet.xsl'?>\n<dataset>\n<images>\n"
TAIL = "</images>\n</dataset>\n"


def box(points: np.ndarray, ignore: str = "") -> str:
    order = np.random.default_rng(1).permutation(len(points))  # the names give the order, not the lines
    parts = "\n".join(
        f"      <part name='{index:02d}' x='{points[index, 0]:.0f}' y='{points[index, 1]:.0f}'/>" for index in order
    )
    return f"    <box top='3' left='4' width='20' height='20'{ignore}>\n{parts}\n    </box>\n"


@pytest.fixture
def xml(tmp_path: Path, photo: Photo) -> Path:
    for name in ("one.jpg", "two.jpg"):
        photo(name)
    path = tmp_path / "faces.xml"
    bare = "    <box top='1' left='1' width='5' height='5'/>\n"
    path.write_text(f"{HEAD}  <image file='one.jpg'>\n{box(face(68))}  </image>\n  <image file='two.jpg'>\n{box(face(68, 1))}"
                    f"{box(face(68, 2))}{bare}{box(face(68, 3), chr(32) + 'ignore=' + chr(39) + '1' + chr(39))}  </image>\n{TAIL}", encoding="utf-8")  # fmt: skip
    return path


def test_dlib_boxes_with_parts_are_faces(xml: Path) -> None:
    found = faces_in(xml, 68, "picture")
    assert np.array_equal(found.points, np.round(np.stack([face(68, seed) for seed in range(3)])))
    assert list(found.names) == ["one.jpg", "two.jpg", "two.jpg"]
    assert np.array_equal(faces_in(xml.parent, 68, "picture").points, found.points)
    capitals = xml.rename(xml.with_name("FACES.XML"))
    assert np.array_equal(faces_in(capitals, 68, "picture").points, found.points)
    inside = shutil.copytree(xml.parent, xml.parent / "outer" / "inner")
    assert np.array_equal(faces_in(inside.parent, 68, "picture").points, found.points)


def test_a_name_that_no_file_can_have_is_a_photo_that_is_missing(xml: Path) -> None:
    edited(xml, "one.jpg", "o" * 300)
    with pytest.raises(UserError, match=r"faces.xml, line 5: names .*ooo, which is not there"):
        faces_in(xml)


@pytest.mark.parametrize("kind", ["xml", "celeba_data", "wflw_data"])
def test_a_photo_that_is_missing_is_skipped_where_one_may(kind: str, request: pytest.FixtureRequest) -> None:
    made = request.getfixturevalue(kind)
    root = made if kind == "xml" else Path(made["root"])
    names = faces_in(root).names
    missing = (root.parent if kind == "xml" else root) / names[0]
    missing.unlink()
    with pytest.raises(UserError, match=f"names {missing}, which is not there"):
        faces_in(root)
    said: list[str] = []
    left = [name for name in names if name != names[0]]
    if left:
        assert list(faces_in(root, skipped=said.append).names) == left
    else:
        with pytest.raises(UserError, match=f"no annotated face there can be used; the first: .*names {missing}"):
            faces_in(root, skipped=said.append)
    assert f"names {missing}, which is not there" in said[0]


def test_of_wflw_the_test_list_is_enough(wflw_data: dict[str, Any]) -> None:
    root = Path(wflw_data["root"])
    found = faces_in(root)
    (root / wflw.LISTS.format("train")).unlink()
    assert list(faces_in(root).names) == list(found.names)
    (root / wflw.LISTS.format("test")).write_text("", encoding="utf-8")
    with pytest.raises(UserError, match="its lists have no face of the split test"):
        faces_in(root)


def test_a_face_that_several_files_list_is_one(xml: Path) -> None:
    found = faces_in(xml.parent)
    (xml.parent / "all.xml").write_bytes(xml.read_bytes())
    assert list(faces_in(xml.parent).names) == list(found.names)


def test_of_a_picture_with_several_faces_each_is_cut_out(xml: Path) -> None:
    found, whole = faces_in(xml, margin=0.0), faces_in(xml, view="picture")
    assert found.images[0].shape == (30, 40, 3) and np.array_equal(found.points[0], whole.points[0])
    assert found.images[1].shape < (30, 40, 3)
    red, green = found.images[1][0, 0, :2]
    assert np.allclose(found.points[1] + [red / 6, green / 8], whole.points[1], atol=1e-4)


def test_dlib_faces_are_shared_out_by_picture(xml: Path) -> None:
    data = {**COMMON, "dataset": "DlibFaces", "root": str(xml), "shares": {"train": 0.4, "val": 0.3, "test": 0.3}}
    found = {}
    for split in ("train", "val", "test"):
        try:
            found[split] = set(annotated_faces(data, split).names)
        except UserError as error:
            assert f"has no annotated face for the split {split}" in str(error)
            found[split] = set()
    assert sum(map(len, found.values())) == 2 and len(annotated_faces(data, "all")) == 3
    with pytest.raises(UserError, match=r"data.shares=.*: must be shares from 0 to 1 that add up to 1"):
        annotated_faces({**data, "shares": {"train": 0.4, "val": 0.3, "test": 0.2}}, "all")
    with pytest.raises(UserError, match=r"data.root: give data.root=FILE.xml"):
        annotated_faces({**data, "root": None}, "all")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [("</dataset>", "", r"faces.xml, line \d+: no XML"), (" x='", " z='", r"line 7: lacks x="), ("x='", "x='a", r"could not convert string to float: 'a"),
     ("<part name='00'", "<part name='01'", r"a box has 67 parts; those of the markups known are 68 and 98"),
     ("<part name='03'", "<part name='foo'", r"a box's parts must be named by numbers without a gap"),
     ("<part name='67'", "<part name='70'", r"a box's parts must be named by numbers without a gap"),
     ("<images>", "</dataset><images>", r"faces.xml, line 4: no XML"), ("<image file=", "<image name=", r"line 5: lacks file=")],
)  # fmt: skip
def test_a_malformed_xml_is_named_with_its_line(xml: Path, old: str, new: str, message: str) -> None:
    edited(xml, old, new)
    with pytest.raises(CorruptFileError, match=message):
        faces_in(xml)


@pytest.mark.parametrize(
    ("old", "new", "left"),
    [(" x='", " z='", 2), ("x='", "x='a", 2), ("<part name='00'", "<part name='01'", 2), ("<image file=", "<image name=", 2),
     ("</dataset>", "", 0), ("<dataset>", "<!DOCTYPE dataset [<!ENTITY a 'aaaa'>]>\n<dataset>", 0)],
)  # fmt: skip
def test_what_is_malformed_in_an_xml_is_skipped_where_one_may(
    xml: Path, photo: Photo, old: str, new: str, left: int
) -> None:
    """A box, a picture, or a file: of a folder the others are read."""
    (xml.parent / "other").mkdir()
    photo("other/three.jpg")
    (xml.parent / "more.xml").write_text(
        f"{HEAD}<image file='other/three.jpg'>\n{box(face(68))}</image>\n{TAIL}", encoding="utf-8"
    )
    edited(xml, old, new)
    said: list[str] = []
    assert len(faces_in(xml.parent, skipped=said.append)) == left + 1
    assert len(said) == 1 and str(xml) in said[0]


def test_of_celeba_photos_of_other_splits_may_be_missing(celeba_data: dict[str, Any]) -> None:
    root, said = Path(celeba_data["root"]), list[str]()
    for path in sorted((root / celeba.PHOTOS).iterdir())[:3]:
        path.unlink()
    assert list(faces_in(root, skipped=said.append).names) == [f"{celeba.PHOTOS}/000004.jpg"] and not said


def test_an_xml_that_declares_entities_is_refused(xml: Path) -> None:
    edited(xml, "<dataset>", "<!DOCTYPE dataset [<!ENTITY a 'aaaa'>]>\n<dataset>")
    with pytest.raises(CorruptFileError, match="declares an entity"):
        faces_in(xml)


def test_an_xml_that_names_no_picture_is_one_line(xml: Path) -> None:
    (xml.parent / "two.jpg").unlink()
    with pytest.raises(UserError, match=r"faces.xml, line \d+: names .*two.jpg, which is not there"):
        faces_in(xml)
    with pytest.raises(UserError, match=r"must be dlib's XML file, or a folder with some"):
        faces_in(xml.with_name("none.xml"))
