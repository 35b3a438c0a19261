"""What `experiments.landmarks` does with photos: where they go, what is refused, what is skipped, where points are."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from experiments.landmark_photos import LARGEST, Broken, Finder, opened, pictures_in
from experiments.landmarks import LEVELS
from lightning_modules import cascade_files
from lightning_modules.crops import face_boxes
from lightning_modules.data.batches import Normalise
from lightning_modules.faces.annotated import faces_in
from lightning_modules.landmark_cascade import Cascade
from lightning_modules.nets import LandmarkMobileNetV2
from tests.faces.readers.test_pts import written
from tests.faces_made import faces, options
from tests.in_process import called, its_own_process

ARCH = {"name": "l", "net": "LandmarkMobileNetV2", "paper_input": [3, 48, 48], "memory_format": "channels_last"}
ABOUT = {"arch": ARCH, "points": 5, "landmarks": options(crop="box"), "mean": [0.5] * 3, "std": [0.5] * 3}


class Says:
    """A verb's call: (exit status, stdout, stderr)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], weights: Path):
        self.monkeypatch, self.capsys, self.weights = monkeypatch, capsys, weights

    def __call__(self, *arguments: object) -> tuple[object, str, str]:
        command = " ".join(["landmarks", *map(str, arguments), f"weights={self.weights}"])
        return called(command, self.monkeypatch, self.capsys)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(1)
    for number, name in enumerate(LEVELS, 1):
        net = LandmarkMobileNetV2()
        with torch.no_grad():
            net.fc2.bias.copy_(torch.tensor([-0.2, -0.2, 0.2, -0.2, 0, 0, -0.1, 0.2, 0.1, 0.2]))
        (folder / name).write_bytes(cascade_files.level_file(net, {**ABOUT, "level": number}))
    return folder


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], weights: Path, tmp_path: Path):
    monkeypatch.setenv("COMPACT_NETS_RESULTS", str(tmp_path / "results"))
    with its_own_process(monkeypatch):
        yield Says(monkeypatch, capsys, weights)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "photos"
    found.mkdir()
    for index, name in enumerate(("a.jpg", "a.png", "b.png")):
        Image.fromarray(np.asarray(faces(3, 0, 64).images[index])).save(found / name)
    return found


def test_a_photo_is_never_drawn_over(says: Says, folder: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (tmp_path / "link.png").symlink_to(folder / "b.png")
    for image, out in (
        (folder / "b.png", folder / "b.png"),
        (folder / "b.png", tmp_path / "link.png"),
        (folder, folder),
    ):
        status, _, said = says(f"image={image}", f"out={out}")
        assert (
            status == 2
            and said == f"error: out={out}: is image={image} itself, which stays as it is; name another place\n"
        )
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    status, _, said = says(f"image={folder}", f"out={folder / 'b.png'}")
    assert status == 2 and said.endswith("is a file; name a folder\n")


def test_each_picture_has_its_drawing_and_drawings_are_no_pictures(says: Says, folder: Path) -> None:
    out = folder / "drawn"
    for _ in range(2):
        status, text, _ = says(f"image={folder}", f"out={out}")
        assert status == 0 and len(json.loads(text)) == 3
        assert sorted(path.name for path in out.iterdir()) == ["a.jpg.png", "a.png.png", "b.png.png"]
    assert len(pictures_in(folder, out)) == len(pictures_in(folder, folder.parent)) - 3 == 3


def test_where_a_drawing_goes_unless_it_is_said(says: Says, folder: Path, tmp_path: Path) -> None:
    assert says(f"image={folder / 'a.jpg'}")[0] == 0
    assert (tmp_path / "results" / "local" / "landmarks" / "a.jpg.png").is_file()
    assert not (folder / "a.jpg.png").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("box=500,10,20,20", "box=500,10,20,20: lies beside the picture of 64x64 pixels"),
        ("box=-30,10,20,20", "box=-30,10,20,20: lies beside the picture of 64x64 pixels"),
        ("box=1,1,20,3", "box=1,1,20,3: give left, top, width and height in pixels"),
        ("box=1,1,nan,20", "box=1,1,nan,20: give left, top, width and height"),
        ("view=face", "view=face: is of metrics=true; leave it out"),
        ("out=found.jpg", "out=found.jpg: drawings are .png files; name it found.png"),
    ],
)
def test_a_mistake_is_one_line(says: Says, folder: Path, arguments: str, said: str) -> None:
    status, _, error = says(f"image={folder / 'b.png'}", arguments)
    assert status == 2 and error.startswith(f"error: {said}") and error.count("\n") == 1


@pytest.mark.parametrize("argument", ["box=1,1,20,20", "out=somewhere.png"])
def test_what_has_no_effect_on_metrics_is_refused(says: Says, folder: Path, argument: str) -> None:
    status, _, said = says(f"image={folder}", "metrics=true", argument)
    assert status == 2 and said.startswith(f"error: {argument}: metrics=true draws nothing")


def annotated(folder: Path) -> None:
    generator = np.random.default_rng(0)
    for index in range(4):
        Image.fromarray(np.asarray(faces(4, 0, 64).images[index])).save(folder / f"face{index}.png")
        written(folder / f"face{index}.pts", generator.uniform(20, 40, (68, 2)))


def halved(path: Path) -> None:
    """Its head is whole, its pixels are not."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert Image.open(path).size == (64, 64)


def test_metrics_leave_out_what_cannot_be_read_and_go_on(says: Says, tmp_path: Path) -> None:
    """A photo that ends in its middle, and a face whose eyes are in one place: two lines, and the metrics of the others."""
    annotated(tmp_path)
    halved(tmp_path / "face1.png")
    written(tmp_path / "face2.pts", np.full((68, 2), 30.0))
    status, text, said = says(f"image={tmp_path}", "metrics=true")
    found = json.loads(text)
    assert status == 1 and said.count("\n") == said.count("skipped: ") == 2
    assert "face1.png cannot be read" in said and "face2.png: is annotated with both eyes in one place" in said
    assert (found["faces"], found["split"], found["view"]) == (2, "all", "auto")
    assert [face["image"] for face in found["nme"]] == ["face0.png", "face3.png"]
    mean = np.mean([face["level_2"] for face in found["nme"]])
    assert found["level_2"]["nme"] == pytest.approx(mean, abs=0.01) and {"fr10", "auc10"} <= set(found["level_1"])


def test_the_diagonal_is_the_photos_whatever_is_seen_of_it(says: Says, tmp_path: Path) -> None:
    annotated(tmp_path)
    true = faces_in(tmp_path).points
    by_diagonal = np.linalg.norm(true[:, 0] - true[:, 1], axis=1) / np.hypot(64, 64)
    for view in ("picture", "face"):
        status, text, _ = says(f"image={tmp_path}", "metrics=true", f"view={view}")
        found = json.loads(text)
        expected = np.mean([face["level_2"] for face in found["nme"]] * by_diagonal)
        assert status == 0 and found["level_2"]["nme_diagonal"] == pytest.approx(expected, rel=2e-3)


def test_a_large_photo_is_read_without_a_word(
    says: Says, folder: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4000)
    assert says(f"image={folder / 'b.png'}")[0] == 0 and not recwarn.list
    annotated(folder)
    assert says(f"image={folder}", "metrics=true")[0] == 0 and not recwarn.list


def test_metrics_of_no_readable_photo_are_a_mistake(says: Says, tmp_path: Path) -> None:
    annotated(tmp_path)
    for index in range(4):
        halved(tmp_path / f"face{index}.png")
    status, _, said = says(f"image={tmp_path}", "metrics=true")
    assert status == 2 and "no annotated photo there can be used; the first: " in said


class Corner(nn.Module):
    """Says of every crop: its first pixel's centre, its last one's, and its centre."""

    def forward(self, crops: Tensor) -> Tensor:
        return torch.tensor([-1.0, -1, 1, 1, 0, 0, 0, 0, 0, 0]).expand(len(crops), -1)


def test_points_of_a_photo_that_is_made_smaller_are_in_its_own_pixels() -> None:
    """Pillow puts the pictures' edges in one place: half a pixel of the smaller is a pixel and a half of one thrice as large."""
    net = Cascade([Corner()], 48, Normalise((0.5,) * 3, (0.5,) * 3), lambda points, sizes: face_boxes(points)).eval()
    large = Image.new("RGB", (3 * LARGEST, 30))
    found = Finder(net).points(large)[0]
    assert found[0, 0] == pytest.approx(1.0, abs=0.01)  # the centre of the first three pixels
    assert found[1, 0] == pytest.approx(3 * LARGEST - 2, abs=0.01) and found[2, 0] == pytest.approx(
        (3 * LARGEST - 1) / 2
    )
    boxed = Finder(net).points(large, (3000, 10, 300, 6))[0]
    assert boxed[2].tolist() == pytest.approx([3150, 13], abs=0.01)
    assert boxed[1, 0] - boxed[0, 0] == pytest.approx(1.3 * 300, abs=0.01)


def test_pictures_of_16_bits_and_with_transparency(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 32 * 32).reshape(32, 32).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    assert np.abs(np.asarray(opened(tmp_path / "deep.png"))[..., 0] - ramp / 257).max() <= 0.51
    clear = np.zeros((16, 16, 4), np.uint8)
    clear[:, 8:] = (200, 10, 10, 255)
    Image.fromarray(clear).save(tmp_path / "clear.png")
    found = np.asarray(opened(tmp_path / "clear.png"))
    assert (found[:, :8] == 255).all() and (found[:, 8:] == (200, 10, 10)).all()


def test_pixels_in_floating_point_are_refused(says: Says, tmp_path: Path) -> None:
    Image.fromarray(np.linspace(0, 1, 1024, dtype=np.float32).reshape(32, 32)).save(tmp_path / "float.tif")
    status, text, said = says(f"image={tmp_path / 'float.tif'}")
    assert (status, text) == (1, "") and "float.tif: cannot be read (pixels in floating point" in said


def test_a_link_that_leads_nowhere_is_told_and_hidden_files_are_not(says: Says, folder: Path) -> None:
    (folder / "lost.jpg").symlink_to(folder / "gone.jpg")
    (folder / "round.jpg").symlink_to("round.jpg")
    (folder / "._a.jpg").write_bytes(b"what macOS keeps beside a file")
    (folder / ".thumbnails").mkdir()
    (folder / "a.jpg").rename(folder / ".thumbnails" / "a.jpg")
    status, text, said = says(f"image={folder}")
    assert status == 1 and len(json.loads(text)) == 2
    assert said.count("skipped: ") == 2
    assert "lost.jpg: cannot be read" in said and "round.jpg: cannot be read" in said


@pytest.mark.parametrize("error", [KeyError("x"), struct.error("unpack"), ZeroDivisionError()])
def test_whatever_a_decoder_raises_is_a_broken_picture(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("experiments.landmark_photos.ImageOps.exif_transpose", fails)
    with pytest.raises(Broken, match="cannot be read"):
        opened(folder / "a.jpg")


def test_weights_of_levels_that_do_not_belong_together(says: Says, weights: Path, tmp_path: Path, folder: Path) -> None:
    net = LandmarkMobileNetV2()
    for changes, said in (
        ({"level": 1}, "is level_1, not level_2; write both again"),
        ({"level": 2, "mean": [0.4] * 3}, "is of another cascade than"),
        ({"level": 2, "landmarks": options(crop="sideways")}, r"make no cascade (landmarks.crop=sideways"),
        ({"level": 2, "landmarks": options(crop="box", size=96.5)}, "make no cascade"),
        ({"level": 2, "landmarks": options(crop="box", box_scale=1e38)}, "make no cascade (its points are no numbers"),
    ):
        (tmp_path / LEVELS[0]).write_bytes((weights / LEVELS[0]).read_bytes())
        (tmp_path / LEVELS[1]).write_bytes(cascade_files.level_file(net, {**ABOUT, **changes}))
        says.weights = tmp_path
        status, _, error = says(f"image={folder / 'b.png'}")
        assert status == 2 and said in error and LEVELS[1] in error and error.count("\n") == 1
