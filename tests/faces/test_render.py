"""Single faces: the same whenever they are asked for, each another person, landmarks where they should be."""

import io

import numpy as np
import pytest
from PIL import Image

from lightning_modules.faces.camera import Camera, Pose, turn
from lightning_modules.faces.head import head
from lightning_modules.faces.jaw import outline
from lightning_modules.faces.markup import FLIP, five_points
from lightning_modules.faces.person import draw_person
from lightning_modules.faces.render import ATTRIBUTES, SPLITS, Face, generator, render

KEYS = [(0, "train", 0), (0, "train", 1), (0, "val", 0), (0, "test", 0), (1, "train", 0)]


@pytest.fixture(scope="module")
def faces() -> list[Face]:
    return [render(*key, size=64) for key in KEYS]


def test_a_face_is_a_function_of_seed_split_and_index(faces: list[Face]) -> None:
    again = render(*KEYS[3], size=64)
    assert again.picture == faces[3].picture
    assert np.array_equal(again.points, faces[3].points)
    assert np.array_equal(again.attributes(), faces[3].attributes())
    assert len({face.picture for face in faces}) == len(KEYS)


def test_a_face_is_a_jpeg_with_its_points_in_it(faces: list[Face]) -> None:
    for face in faces:
        picture = Image.open(io.BytesIO(face.picture))
        assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (64, 64))
        assert face.points.shape == (68, 2) and face.points.dtype == np.float32
        assert face.points[17:].min() > 0 and face.points[17:].max() < 63
        assert np.asarray(picture, float).std() > 5


def test_attributes_say_how_the_face_is(faces: list[Face]) -> None:
    for face in faces:
        named = dict(zip(ATTRIBUTES, face.attributes(), strict=True))
        eyes = five_points(face.points)[:2]
        assert named["scale"] == pytest.approx(np.linalg.norm(eyes[0] - eyes[1]) / 64, abs=1e-5)
        assert named["occlusion"] == pytest.approx(face.hidden.mean())
        assert abs(named["yaw"]) <= 62 and abs(named["pitch"]) <= 32 and abs(named["roll"]) <= 45


def test_no_identity_is_in_two_splits_nor_twice_in_one() -> None:
    """By construction: each face draws its person from a stream of its own. Here: the streams draw nobody twice."""
    shapes = []
    for seed in (0, 1):
        for split in SPLITS:
            for index in range(20):
                person = draw_person(head(), generator(seed, split, index))
                shapes.append([person.features.get(name, 0.0) for name in sorted(head().morphs["local"])])
    found = np.array(shapes)
    apart = np.linalg.norm(found[:, None] - found[None], axis=2)[np.triu_indices(len(found), 1)]
    assert len(found) == 120 and apart.min() > 1


def test_the_head_turns_as_its_degrees_say() -> None:
    nose, top = np.array([0, 0, 1.0]), np.array([0, 1.0, 0])
    assert (turn(30, 0, 0) @ nose)[0] == pytest.approx(0.5)  # to the viewer's right
    assert (turn(0, 30, 0) @ nose)[1] == pytest.approx(0.5)  # up
    assert (turn(0, 0, 30) @ top)[0] == pytest.approx(0.5)  # clockwise: the top goes right
    assert np.allclose(turn(20, -15, 40) @ turn(20, -15, 40).T, np.eye(3), atol=1e-6)


def test_the_body_stays_when_the_head_turns() -> None:
    pose = Pose(yaw=60, pitch=0, roll=0, body_yaw=0, body_roll=0)
    shoulder, brow = np.array([[1.5, 5.5, 0.1]], np.float32), np.array([[0, 7.6, 1.3]], np.float32)
    before = Pose(0, 0, 0, 0, 0)
    assert np.abs(pose.posed(shoulder) - before.posed(shoulder)).max() < 1e-5
    assert pose.posed(brow)[0, 0] > 0.8


def test_what_is_nearer_is_larger_in_the_picture() -> None:
    camera = Camera(distance=10.0, scale=5.0, offset=np.array([32.0, 32.0]))
    far, near = camera.project(np.array([[1, 1, 0.0], [1, 1, 5.0]]))
    assert far.tolist() == pytest.approx([37, 27])  # y down
    assert near.tolist() == pytest.approx([42, 22])


def test_landmarks_lie_where_the_eyes_are_drawn() -> None:
    """The darkest of an eye is at its landmarks more often than beside them."""
    darker = 0
    for index in range(8):
        face = render(3, "train", index, size=96)
        grey = np.asarray(Image.open(io.BytesIO(face.picture)).convert("L"), float)
        eyes, between = five_points(face.points)[:2], five_points(face.points)[:2].mean(0)
        at = [grey[int(y) - 1 : int(y) + 3, int(x) - 1 : int(x) + 3].mean() for x, y in eyes]
        darker += (
            np.mean(at)
            < grey[int(between[1]) - 1 : int(between[1]) + 3, int(between[0]) - 1 : int(between[0]) + 3].mean()
        )
    assert darker >= 6


@pytest.mark.parametrize("yaw", [-40, 0, 40])
def test_the_jaw_is_on_the_outline_that_is_seen(yaw: float) -> None:
    turned = Pose(yaw, 0, 0, 0, 0).posed(head().mean)
    seen = turned[:, :2] * [1, -1]
    jaw = seen[outline(head(), seen)]
    face = (head().part == 0) & (head().mean[:, 1] > 6.3) & (head().mean[:, 2] > 0.55) & (head().masks[:, 3] < 0.05)
    low = face & (head().mean[:, 1] < 7.3)
    assert jaw[8, 1] > np.quantile(seen[low, 1], 0.95)  # the chin is lowest
    assert (np.diff(jaw[2:15, 0]) > -0.02).all()  # from the viewer's left to right
    for point, side in ((jaw[3], -1), (jaw[13], 1)):
        level = low & (np.abs(seen[:, 1] - point[1]) < 0.06)
        assert side * point[0] > np.quantile(side * seen[level, 0], 0.9)


def test_the_mean_head_looks_straight_at_the_viewer() -> None:
    found = head().mean[head().landmarks]
    assert np.allclose(found[:, 0], -found[list(FLIP[68]), 0], atol=1e-3)
    assert found[30, 2] > found[[36, 45, 48, 54], 2].max()  # the nose is in front
    assert found[36, 0] < found[45, 0] and found[36, 1] > found[48, 1]
