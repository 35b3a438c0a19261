"""Folders with .pts and .ljson, and 300-W."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lightning_modules.errors import CorruptFileError, UserError
from lightning_modules.faces.annotated import annotated_faces, faces_in
from lightning_modules.faces.markup import five_points
from lightning_modules.faces.readers import pts
from tests.faces.readers.conftest import Photo, face


def written(path: Path, points: np.ndarray) -> Path:
    lines = "\n".join(f"{x + 1:.6f} {y + 1:.6f}" for x, y in points)
    path.write_text(f"version: 1\nn_points:  {len(points)}\n{{\n{lines}\n}}\n", encoding="utf-8")
    return path


def test_a_pts_file_counts_from_one(tmp_path: Path) -> None:
    assert np.allclose(pts.read_pts(written(tmp_path / "a.pts", face(68))), face(68), atol=1e-4)


def test_a_pts_file_may_say_no_version(tmp_path: Path) -> None:
    path = written(tmp_path / "a.pts", face(68))
    path.write_text(path.read_text(encoding="utf-8").replace("version: 1\n", ""), encoding="utf-8")
    assert np.allclose(pts.read_pts(path), face(68), atol=1e-4)
    path.write_text(path.read_text(encoding="utf-8").replace("68", "67"), encoding="utf-8")
    with pytest.raises(CorruptFileError, match="line 1: n_points is 67, and there are 68"):
        pts.read_pts(path)


@pytest.mark.parametrize("content", [
    {"version": 2, "labels": [], "landmarks": {"points": face(68)[:, ::-1].tolist(), "connectivity": []}},
    {"version": 3, "groups": {"PTS": {"labels": [], "landmarks": {"points": face(68)[:, ::-1].tolist()}}}},
])  # fmt: skip
def test_menpos_points_are_y_and_x_from_zero(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "a.ljson"
    path.write_text(json.dumps(content), encoding="utf-8")
    assert np.allclose(pts.read_ljson(path), face(68), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [(("version: 1", "68 points"), r"a.pts, line 1: no .pts file"), (("n_points:  68", "n_points:  67"), r"line 2: n_points is 67, and there are 68"),
     (("}", ""), r"line 71: ends without '}'"), (("{", "{\n1 2 3"), r"line 4: '1 2 3' must be x and y"),
     (("{", "{\n1 two"), r"line 4: could not convert string to float: 'two'; numbers are due"), (("{", "{\nnan 1"), r"line 4: .* is no place in a picture")],
)  # fmt: skip
def test_a_malformed_pts_file_is_one_line_with_file_and_line(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    path = written(tmp_path / "a.pts", face(68))
    path.write_text(path.read_text(encoding="utf-8").replace(*change, 1), encoding="utf-8")
    with pytest.raises(CorruptFileError, match=message) as raised:
        pts.read_pts(path)
    assert "\n" not in str(raised.value)


def test_points_of_no_known_markup_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorruptFileError, match=r"a.pts: has 39 points; the markups known have 5, 68, 98"):
        pts.read_pts(written(tmp_path / "a.pts", face(39)))


@pytest.mark.parametrize(
    "content",
    [
        "[", "[]", '{"groups": {}}', '{"landmarks": {"points": [[1, null]]}}', '{"landmarks": 3}',
        '{"landmarks": {"points": [[1, 1e300], [1, 2], [3, 4], [5, 6], [7, 8]]}}',
        f'{{"landmarks": {{"points": [[1, {10**400}], [1, 2], [3, 4], [5, 6], [7, 8]]}}}}',
    ],
)  # fmt: skip
def test_a_malformed_ljson_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.ljson"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CorruptFileError, match=r"a\.ljson"):
        pts.read_ljson(path)


def test_a_folder_is_read_with_its_photos(tmp_path: Path, photo: Photo) -> None:
    for name, seed in (("b/two.jpg", 2), ("one.PNG", 1)):
        written(photo(name).with_suffix(".pts"), face(68, seed))
    found = faces_in(tmp_path)
    assert list(found.names) == ["b/two.jpg", "one.PNG"]
    assert np.allclose(found.points, five_points(np.stack([face(68, 2), face(68, 1)])), atol=1e-4)
    assert found.images[0].shape == (30, 40, 3) and found.images[0][5, 7].tolist() == [42, 40, 0]
    eyes = found.points[:, :2]
    assert np.allclose(found.attributes["scale"], np.linalg.norm(eyes[:, 0] - eyes[:, 1], axis=1) / 40)


def test_view_face_cuts_the_picture_and_moves_the_points(tmp_path: Path, photo: Photo) -> None:
    written(photo("a.jpg").with_suffix(".pts"), face(68))
    whole, cut = faces_in(tmp_path, 68, "picture"), faces_in(tmp_path, 68, "face", margin=0.1)
    red = cut.images[0][:, :, 0]
    assert cut.images[0].shape < (30, 40, 3)
    shift = np.array([red[0, 0] / 6, cut.images[0][0, 0, 1] / 8])
    assert np.allclose(cut.points + shift, whole.points, atol=1e-4)
    assert cut.points.min() > 0 and (cut.points < cut.images[0].shape[1::-1]).all()


@pytest.mark.parametrize(("share", "whole"), [(0.07, 1), (0.06, 0)])
def test_a_face_that_level_1_is_too_coarse_for_is_cut_out(
    tmp_path: Path, photo: Photo, share: float, whole: int
) -> None:
    """Of a photo 40 pixels wide, by the distance of the eyes."""
    points = face(68)
    left, right = five_points(points)[:2]
    written(photo("a.jpg").with_suffix(".pts"), 20 + (points - 20) * share * 40 / np.linalg.norm(left - right))
    assert faces_in(tmp_path).attributes["whole"].tolist() == [whole]
    assert faces_in(tmp_path, view="picture").attributes["whole"].tolist() == [1]


def test_view_face_shows_as_much_around_five_points_as_around_68(tmp_path: Path) -> None:
    points = 400 + 20 * np.array([(-1, 0), (1, 0), (0, 1), (-0.8, 2), (0.8, 2)], np.float32)
    Image.new("RGB", (1000, 1000)).save(tmp_path / "a.png")
    written(tmp_path / "a.pts", points)
    side = 40 + 2 * 1.5 * 40 + 1  # the last pixel, too
    assert faces_in(tmp_path, view="face").attributes["scale"] == pytest.approx(40 / side)


def test_points_without_a_photo_and_a_broken_photo_are_named(tmp_path: Path) -> None:
    written(tmp_path / "a.pts", face(68))
    with pytest.raises(UserError, match=r"a.pts: no photo of that name beside it"):
        faces_in(tmp_path)
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(CorruptFileError, match=r"a.jpg cannot be read as a picture"):
        faces_in(tmp_path)


def test_a_folder_without_annotations_is_one_line(tmp_path: Path, photo: Photo) -> None:
    photo("a.jpg")
    with pytest.raises(UserError, match=r"no annotations there; they may be \.pts"):
        faces_in(tmp_path)


def test_a_folder_of_which_nothing_can_be_used_says_why(tmp_path: Path, photo: Photo) -> None:
    photo("a.jpg")
    (tmp_path / "a.pts").write_text("68 points\n{\n}\n", encoding="utf-8")
    said: list[str] = []
    with pytest.raises(UserError, match=r"no annotated face there can be used; the first: .*a\.pts, line 1: no \.pts"):
        faces_in(tmp_path, skipped=said.append)
    assert len(said) == 1


def test_an_xml_without_faces_hides_no_points(tmp_path: Path, photo: Photo) -> None:
    photo("a.jpg")
    written(tmp_path / "a.pts", face(68))
    (tmp_path / "info.xml").write_text("<a/>", encoding="utf-8")
    assert list(faces_in(tmp_path).names) == ["a.jpg"]


W300 = {
    "dataset": "W300",
    "points": 5,
    "view": "face",
    "margin": 0.5,
    "test": "full",
    "validation": {"share": 0.5, "seed": 0},
}


@pytest.fixture
def w300(tmp_path: Path, photo: Photo) -> dict[str, Any]:
    for seed, folder in enumerate(("afw", "lfpw/trainset", "helen/trainset", "lfpw/testset", "helen/testset", "ibug")):
        for number in range(4):
            written(photo(f"{folder}/{number}.jpg").with_suffix(".pts"), face(68, seed))
    return {**W300, "root": str(tmp_path)}


def test_300w_has_its_parts(w300: dict[str, Any]) -> None:
    sizes = {split: len(annotated_faces(w300, split)) for split in ("train", "val", "test", "all")}
    assert sizes["train"] + sizes["val"] == 12 and sizes["train"] and sizes["val"]
    assert (sizes["test"], sizes["all"]) == (12, 24)
    assert not set(annotated_faces(w300, "train").names) & set(annotated_faces(w300, "val").names)
    assert set(annotated_faces({**w300, "test": "challenge"}, "test").names) == {
        f"ibug/{number}.jpg" for number in range(4)
    }
    assert len(annotated_faces({**w300, "test": "common"}, "test", 5)) == 5


def test_300w_says_what_is_missing(w300: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"data.root: get 300-W .* data.root=FOLDER with afw, lfpw, helen and ibug"):
        annotated_faces({**w300, "root": None}, "train")
    with pytest.raises(UserError, match=r"has no folder afw, lfpw/trainset"):
        annotated_faces({**w300, "root": str(Path(w300["root"]) / "ibug")}, "train")
    with pytest.raises(UserError, match=r"data.test=hard: choose one of common, challenge, full"):
        annotated_faces({**w300, "test": "hard"}, "test")


def test_endings_in_capitals_a_byte_order_mark_and_two_files_for_a_photo(tmp_path: Path, photo: Photo) -> None:
    path = written(photo("a.jpg").with_suffix(".PTS"), face(68))
    path.write_text("\ufeff" + path.read_text(encoding="utf-8"), encoding="utf-8")
    other = {"version": 2, "landmarks": {"points": face(68, 1)[:, ::-1].tolist()}}
    (tmp_path / "a.ljson").write_text(json.dumps(other), encoding="utf-8")
    found = faces_in(tmp_path, 68)
    assert len(found) == 1 and np.allclose(found.points[0], face(68), atol=1e-4)


def test_eyes_in_one_place_are_named_or_skipped(tmp_path: Path, photo: Photo) -> None:
    written(photo("a.jpg").with_suffix(".pts"), np.full((68, 2), 10.0))
    written(photo("b.jpg").with_suffix(".pts"), face(68))
    with pytest.raises(CorruptFileError, match=r"a.jpg: is annotated with both eyes in one place"):
        faces_in(tmp_path)
    said: list[str] = []
    assert list(faces_in(tmp_path, skipped=said.append).names) == ["b.jpg"] and len(said) == 1


@pytest.mark.parametrize(
    ("points", "said"),
    [
        (np.array([[10, 10], [20, 10], [15, 10], [12, 10], [18, 10]]), "all points in one row or column"),
        (face(68) + np.array([1000, 0]), "a face outside of its 40x30 pixels"),
        (face(68) - np.array([0, 1000]), "a face outside of its 40x30 pixels"),
    ],
)
def test_a_face_that_cannot_be_measured_is_named_or_skipped(
    tmp_path: Path, photo: Photo, points: np.ndarray, said: str
) -> None:
    written(photo("a.jpg").with_suffix(".pts"), points)
    written(photo("b.jpg").with_suffix(".pts"), face(68))
    with pytest.raises(CorruptFileError, match=f"a.jpg: is annotated with {said}; mend it or take it out"):
        faces_in(tmp_path)
    told: list[str] = []
    assert list(faces_in(tmp_path, skipped=told.append).names) == ["b.jpg"] and len(told) == 1


def test_sizes_are_known_without_decoding(tmp_path: Path, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    written(photo("a.jpg").with_suffix(".pts"), face(68))
    monkeypatch.setattr("lightning_modules.faces.readers.annotation.read_photo", None)
    assert faces_in(tmp_path).sizes().tolist() == [[40, 30]]
    cut = faces_in(tmp_path, view="face", margin=0.0).sizes()[0]
    assert (cut < (40, 30)).all() and (cut > 0).all()


def test_no_validation_is_one_line(w300: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"data.validation=null: the set has no validation split"):
        annotated_faces({**w300, "validation": None}, "train")
