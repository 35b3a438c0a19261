"""The batches of a level: crops where points are, augmentation as a function of (seed, epoch), what guides level_2."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightning_modules.crops import face_boxes, to_crop, to_picture, whole
from lightning_modules.data.batches import Normalise
from lightning_modules.errors import UserError
from lightning_modules.landmark_augment import FaceAugment, jittered, random_crops, recoloured
from lightning_modules.landmark_data import Faces, LandmarkData, extents, random_squares
from lightning_modules.landmark_options import Options
from tests.faces_made import COLOURS, faces, options

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
    assert torch.allclose(made._residuals[0], found[:1] - made.splits["val"].points)  # type: ignore[index]


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
