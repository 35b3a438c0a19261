"""The batches of a level: crops where points are, augmentation as a function of (seed, epoch), what guides level_2."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightning_modules.crops import cropped, face_boxes, to_crop, to_picture, whole
from lightning_modules.data.batches import Normalise
from lightning_modules.errors import UserError
from lightning_modules.faces.landmark_set import LandmarkSet
from lightning_modules.landmark_augment import FaceAugment, jittered, placed, random_crops, recoloured
from lightning_modules.landmark_data import Faces, LandmarkData, extents, random_squares
from lightning_modules.landmark_options import Options
from tests.faces_made import COLOURS, SHAPE, faces, options

FLIP = [1, 0, 2, 4, 3]
PLAIN = Normalise((0.0,) * 3, (1 / 255,) * 3)
STRONG = FaceAugment(True, 0.5, 20.0, 0.3, 0.1, 0.1, 0.02, 0.3, 0.3)


class Wrong(nn.Module):
    """Says of every crop the same points."""

    def __init__(self, points: Tensor):
        super().__init__()
        self.points = points

    def forward(self, images: Tensor) -> Tensor:
        return self.points.flatten().expand(len(images), -1)


def points_of(net: nn.Module, crops: Tensor) -> Tensor:
    return net(crops).unflatten(1, (-1, 2))


def data(augment: FaceAugment | None = None, batch_size: int = 8, **changes: object) -> LandmarkData:
    splits = {
        name: Faces.of(faces(count, seed))
        for seed, (name, count) in enumerate({"train": 40, "val": 30, "test": 20}.items())
    }
    return LandmarkData(splits, Options.of(options(**changes)), augment or FaceAugment(), PLAIN, batch_size, seed=3)


def guided(**changes: object) -> LandmarkData:
    made = data(**changes)  # type: ignore[arg-type]
    made.guide([Wrong(torch.tensor([[-0.2, -0.2], [0.2, -0.2], [0, 0], [-0.1, 0.2], [0.1, 0.2]]))], points_of)
    return made


def epoch(made: LandmarkData, number: int) -> tuple[Tensor, Tensor]:
    batches = made.train_dataloader()
    batches.sampler.set_epoch(number)
    images, points = zip(*batches, strict=True)
    return torch.cat(images), torch.cat(points)


def colours_at(images: Tensor, points: Tensor) -> Tensor:
    """(N, K, 3): what the crops (N, 3, S, S) show at points (N, K, 2)."""
    found = torch.nn.functional.grid_sample(images, points[:, :, None], align_corners=True)
    return found[..., 0].transpose(1, 2)


@pytest.mark.parametrize(
    ("augment", "changes"),
    [
        (FaceAugment(), {}),
        (FaceAugment(flip=True, zoom=0.5, rotate=20.0), {}),
        (FaceAugment(flip=True, rotate=20.0), {"crop": "box", "jitter": 0.3}),
        (FaceAugment(flip=True, rotate=20.0), {"crop": "article", "jitter": 0.3}),
    ],
)
def test_points_are_where_the_crop_shows_them(augment: FaceAugment, changes: dict[str, object]) -> None:
    """Each point has its own colour: turned, moved or mirrored, the crop shows it at the label."""
    made = guided(augment=augment, **changes)
    images, points = epoch(made, 0)
    inside = (points.abs() < 0.9).all(2)
    wanted = torch.tensor(COLOURS, dtype=torch.float32).expand(len(points), -1, -1)
    away = (colours_at(images, points) - wanted).abs().mean(2)
    assert inside.float().mean() > 0.6
    # A mirrored picture's left eye is its right one, with the colour of that.
    mirrored = (colours_at(images, points) - wanted[:, FLIP]).abs().mean(2)
    assert torch.minimum(away, mirrored)[inside].median() < 30
    if augment.flip:
        assert 0.2 < (mirrored[:, 0] < away[:, 0]).float().mean() < 0.8


def test_validation_and_test_are_whole_and_in_order() -> None:
    made = guided(crop="box")
    images, points, half, eyes = map(torch.cat, zip(*made.val_dataloader(), strict=True))
    faces_ = made.splits["val"]
    assert len(images) == 30
    assert torch.equal(points, to_crop(faces_.points, made.boxes["val"])) and torch.equal(
        half, made.boxes["val"][:, 2:]
    )
    assert torch.allclose(eyes, (faces_.points[:, 1] - faces_.points[:, 0]).norm(dim=1))


def test_an_epoch_is_a_function_of_seed_and_epoch() -> None:
    one, again = guided(augment=STRONG, crop="box"), guided(augment=STRONG, crop="box")
    first = epoch(one, 0)
    for number in (1, 0):
        epoch(again, number)
    assert all(torch.equal(a, b) for a, b in zip(first, epoch(again, 0), strict=True))
    assert not torch.equal(first[1], epoch(one, 1)[1])


def test_level_2_is_guided_by_level_1() -> None:
    made = guided(crop="box")
    said = torch.tensor([[-0.2, -0.2], [0.2, -0.2], [0, 0], [-0.1, 0.2], [0.1, 0.2]])
    faces_ = made.splits["test"]
    found = to_picture(said.expand(20, -1, -1), whole(faces_.sizes))
    assert torch.allclose(made.boxes["test"], face_boxes(found))
    val = to_crop(made.splits["val"].points, whole(made.splits["val"].sizes))
    assert torch.allclose(made._residuals[0], said - val, atol=1e-5)  # type: ignore[index]


def test_the_true_box_and_a_second_pass() -> None:
    made = guided(crop="box", applied="true_box")
    assert torch.allclose(made.boxes["test"], face_boxes(made.splits["test"].points))
    centred, left = torch.zeros(5, 2), torch.full((5, 2), -0.5)
    centred += torch.tensor([[-0.2, -0.2], [0.2, -0.2], [0, 0], [-0.1, 0.2], [0.1, 0.2]])
    twice = data(crop="box", applied="twice")
    twice.guide([Wrong(centred), Wrong(left + centred)], points_of)
    once = face_boxes(to_picture(centred.expand(20, -1, -1), whole(twice.splits["test"].sizes)))
    again = face_boxes(to_picture((left + centred).expand(20, -1, -1), once))
    assert torch.allclose(twice.boxes["test"], again)


def test_jitter_is_level_1_s_errors_on_validation_faces_of_about_that_size() -> None:
    """Errors grow with the face: what is drawn for a face is of one near its size, and all that is drawn was there."""
    known = torch.linspace(10, 100, 200)
    residuals = known[:, None, None].expand(-1, 5, 2) / 10
    points = torch.zeros(50, 5, 2)
    reach = torch.linspace(20, 90, 50)
    moved = jittered(points, residuals, reach, known, torch.Generator().manual_seed(0))
    assert (moved[:, 0, 0] * 10 - reach).abs().max() < 10
    assert torch.isin(moved[:, 0, 0], residuals[:, 0, 0]).all()
    assert len(moved[:, 0, 0].unique()) > 30


def test_no_face_is_left_out() -> None:
    made = guided(crop="box", batch_size=10)
    assert made.train_images == 40 and sum(len(points) for _, points in made.train_dataloader()) == 40
    assert len(made.boxes["test"]) == 20


def test_a_random_crop_keeps_the_points_and_stays_in_the_picture() -> None:
    made = faces(200, 9)
    points, sizes = torch.from_numpy(made.points), torch.full((200, 2), 64.0)
    boxes = random_crops(points, sizes, 0.4, torch.Generator().manual_seed(1))
    away = to_crop(points, boxes)
    assert away.abs().max() <= 1 + 1e-4
    assert (boxes[:, :2] - boxes[:, 2:]).min() > -1e-3 and (boxes[:, :2] + boxes[:, 2:] - 63).max() < 1e-3
    shares = boxes[:, 2:] / 31.5
    assert shares.min() < 0.55 and shares.max() > 0.95
    assert (shares[:, 0] / shares[:, 1]).std() > 0.1  # width and height are drawn by themselves


def test_nobody_guides_the_control() -> None:
    made = data(crop="random")
    made.guide([], points_of)
    other = data(crop="random")
    other.guide([], points_of)
    assert torch.equal(made.boxes["test"], other.boxes["test"])  # all seeds are tested on the same crops
    sizes = torch.full((500, 2), 128.0)
    boxes = random_squares(sizes, torch.Generator().manual_seed(0))
    assert (boxes[:, :2] - boxes[:, 2:]).min() > -1e-3 and (boxes[:, :2] + boxes[:, 2:]).max() < 127 + 1e-3


def test_colours_change_within_their_bounds_and_not_without() -> None:
    images = torch.full((64, 3, 32, 32), 100.0)
    same = recoloured(images.clone(), FaceAugment(), torch.Generator().manual_seed(0))
    assert torch.equal(same, images)
    changed = recoloured(images.clone(), FaceAugment(color_jitter=0.3), torch.Generator().manual_seed(0))
    assert 70 - 1e-3 <= changed.min() < 80 and 120 < changed.max() <= 130 + 1e-3
    grey = recoloured(torch.rand(64, 3, 8, 8) * 255, FaceAugment(grey=1.0), torch.Generator().manual_seed(0))
    assert (grey[:, 0] - grey[:, 1]).abs().max() < 1e-2
    hidden = recoloured(images.clone(), FaceAugment(erase=1.0), torch.Generator().manual_seed(0))
    share = (hidden != 100).any(1).float().mean((1, 2))
    assert share.min() > 0 and share.max() <= 0.45**2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"crop": "face"}, "landmarks.crop=face: choose one of whole, article, box, random"),
        ({"applied": "twice"}, "landmarks.applied=twice: is of level_2"),
        ({"share": 0.0}, "landmarks.share=0.0: must be a number above 0"),
        ({"jitter": -1.0}, "landmarks.jitter=-1.0: must be 0 or more"),
        ({"size": 4}, "landmarks.size=4: must be from 8 to 512"),
        ({"loss": "l2"}, "landmarks.loss=l2: choose one of"),
    ],
)
def test_a_mistake_names_the_field(changes: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=said.replace("(", r"\(")):
        Options.of(options(**changes))


def test_more_mistakes() -> None:
    with pytest.raises(UserError, match=r"recipe.batch_size=41: larger than the training split of 40 faces"):
        data(batch_size=41)
    with pytest.raises(UserError, match=r"recipe.augment.zoom=0.05: must be 0.1 or more"):
        FaceAugment(zoom=0.05)
    with pytest.raises(UserError, match=r"recipe.augment.crop_padding=2: faces have none"):
        FaceAugment.of({"crop_padding": 2, "flip": True})


def test_sizes_of_pictures_may_differ() -> None:
    made = faces(12, 0, 40)
    pictures = [
        np.ascontiguousarray(np.pad(image, ((0, index), (0, 2 * index), (0, 0))))
        for index, image in enumerate(made.images)
    ]
    found = Faces(
        pictures, torch.from_numpy(made.points), torch.tensor([[40.0 + 2 * i, 40.0 + i] for i in range(12)]), {}
    )
    splits = {"train": found, "val": found, "test": found}
    module = LandmarkData(splits, Options.of(options()), FaceAugment(), PLAIN, 4, 0)
    module.guide([], partial(points_of))
    images, points = epoch(module, 0)
    assert images.shape == (12, 3, 48, 48)
    wanted = torch.tensor(COLOURS, dtype=torch.float32).expand(12, -1, -1)
    assert (colours_at(images, points) - wanted).abs().mean() < 45
    assert extents(found.points).shape == (12,)


def textured(count: int, size: int = 128) -> LandmarkSet:
    """Noise with as much at each scale, about as photos have it: what is left of details says how a crop was resampled."""
    generator = np.random.default_rng(0)
    images = np.full((count, size, size, 3), 128.0)
    for scale in (1, 2, 4, 8):
        noise = generator.normal(0, 20, (count, size // scale, size // scale, 3))
        images += noise.repeat(scale, 1).repeat(scale, 2)
    images = images.clip(0, 255).astype(np.uint8)
    centre = generator.uniform(0.4 * size, 0.6 * size, (count, 1, 2))
    return LandmarkSet(images, (centre + 0.08 * size * SHAPE).astype(np.float32))


def energy(images: Tensor) -> Tensor:
    """Of the details: the mean square of what neighbours differ by."""
    return images.diff(dim=-1).square().mean()


@pytest.mark.parametrize("changes", [{}, {"crop": "box", "jitter": 0.0}, {"crop": "article", "jitter": 0.0}])
def test_training_crops_are_as_sharp_as_those_of_the_test(changes: dict[str, object]) -> None:
    """The same faces, trained on without augmentation and tested: mean, deviation and details agree."""
    found = Faces.of(textured(16))
    made = LandmarkData(
        dict.fromkeys(("train", "val", "test"), found), Options.of(options(**changes)), FaceAugment(), PLAIN, 8, 0
    )
    made.guide([Wrong(torch.tensor(SHAPE / 8).float())], points_of)
    made.boxes["test"] = made.rule(found.points, found.sizes) if changes else made.boxes["test"]
    trained, tested = epoch(made, 0)[0], PLAIN(made.crops("test"))
    assert float(trained.mean()) == pytest.approx(float(tested.mean()), rel=0.005)
    assert float(trained.std()) == pytest.approx(float(tested.std()), rel=0.01)
    assert float(energy(trained)) == pytest.approx(float(energy(tested)), rel=0.04)


def test_the_control_of_a_random_crop_is_trained_on_the_pictures_it_is_tested_on() -> None:
    made = data(crop="random")
    pictures, frames = made.kept()
    assert torch.equal(pictures[3].permute(1, 2, 0), torch.from_numpy(made.splits["train"].images[3]))
    assert torch.equal(frames, whole(made.splits["train"].sizes))


def test_a_guided_level_s_crops_show_what_is_there_however_far_they_are_moved() -> None:
    """Small faces at large errors: crops reach far from the face, and are the test's of the same boxes."""
    made = data(crop="box", jitter=3.0)
    made.guide([Wrong(torch.zeros(5, 2) + torch.tensor([[0.1, 0.4]]))], points_of)
    moves = made.moves(0)
    pictures, frames = made.kept()
    images = placed(pictures.float(), frames, moves, 48)
    exact = cropped(made.splits["train"].images, moves.boxes, 48).float()
    assert (images - exact).abs().mean() < 3
    assert made.outside is None


@pytest.mark.parametrize("crop", ["box", "article"])
def test_of_photos_the_surroundings_are_kept_that_crops_reach(crop: str) -> None:
    drawn = faces(60, 0, 128)
    photos = LandmarkSet(list(drawn.images), drawn.points)
    found = Faces.of(photos)
    made = LandmarkData(
        dict.fromkeys(("train", "val", "test"), found), Options.of(options(crop=crop)), FaceAugment(), PLAIN, 8, 0, 200
    )
    made.guide([Wrong(torch.tensor(SHAPE / 8).float() + 0.1)], points_of)
    pictures, frames = made.kept()
    assert pictures.shape == (60, 3, 200, 200)
    reached, kept = made.moves(0).ends(), torch.cat([frames[:, :2] - frames[:, 2:], frames[:, :2] + frames[:, 2:]], 1)
    outside = ((reached - kept)[:, :2].amin(1) < -1e-3) | ((reached - kept)[:, 2:].amax(1) > 1e-3)
    assert made.outside == pytest.approx(100 * float(outside.float().mean()))
    assert made.outside is not None and 0 < made.outside < 3


def test_errors_are_shares_of_the_picture() -> None:
    """A photo four times as large is moved four times as far."""
    small, large, others = faces(30, 0, 64), faces(30, 0, 64), faces(30, 1, 64)
    twice = [np.repeat(np.repeat(image, 4, 0), 4, 1) for image in large.images]
    scaled = LandmarkSet(np.stack(twice), to_picture(to_crop(torch.from_numpy(large.points), torch.tensor([[31.5] * 4])),
                                                     torch.tensor([[127.5] * 4])).numpy())  # fmt: skip
    boxes = []
    for train in (small, scaled):
        splits = {"train": Faces.of(train), "val": Faces.of(others), "test": Faces.of(others)}
        made = LandmarkData(splits, Options.of(options(crop="box")), FaceAugment(), PLAIN, 8, 0)
        made.guide([Wrong(torch.tensor(SHAPE / 8).float())], points_of)
        boxes.append(made.moves(0).boxes[:, :2] / (made.splits["train"].sizes[:, :1] - 1))
    assert torch.allclose(*boxes, atol=1e-4)
