"""Crops: points there and back, pixels where they belong whatever the sizes, the two rules."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lightning_modules.crops import (
    article_boxes,
    cropped,
    face_boxes,
    resampled,
    to_crop,
    to_picture,
    warped,
    whole,
)

SIZES = torch.tensor([[128.0, 128.0]])


def ramp(height: int, width: int) -> torch.Tensor:
    """Each pixel says where it is: (1, 2, H, W), x and y."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([x, y])[None].float()


@pytest.mark.parametrize("size", [17, 48, 96])
@pytest.mark.parametrize("box", [(40.3, 52.71, 21.37, 21.37), (63.5, 63.5, 20.0, 35.25), (33.0, 40.0, 11.7, 9.2)])
def test_every_pixel_of_a_crop_is_where_it_should_be(size: int, box: tuple[float, ...]) -> None:
    """On a picture whose pixels say where they are, so do those of the crop: to a thousandth of a pixel."""
    boxes = torch.tensor([box])
    found = resampled(ramp(128, 128), boxes, size)[0]
    steps = torch.linspace(-1, 1, size)
    assert torch.allclose(found[0], (box[0] + box[2] * steps)[None, :].expand(size, size), atol=1e-3)
    assert torch.allclose(found[1], (box[1] + box[3] * steps)[:, None].expand(size, size), atol=1e-3)


def test_points_through_a_crop_and_back() -> None:
    generator = torch.Generator().manual_seed(0)
    points = 127 * torch.rand(200, 5, 2, generator=generator)
    boxes = torch.cat(
        [127 * torch.rand(200, 2, generator=generator), 5 + 60 * torch.rand(200, 2, generator=generator)], 1
    )
    back = to_picture(to_crop(points, boxes), boxes)
    assert (back - points).abs().max() < 1e-3


@pytest.mark.parametrize(("height", "width", "size"), [(128, 128, 48), (97, 160, 48), (48, 48, 48), (31, 20, 48)])
def test_a_bright_dot_is_found_where_its_point_goes(height: int, width: int, size: int) -> None:
    """A blob's centre of mass in the crop is where ``to_crop`` puts its centre."""
    centre, spread = torch.tensor([width * 0.4, height * 0.55]), min(height, width) / 16
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    blob = torch.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * spread**2))
    boxes = whole(torch.tensor([[width, height]], dtype=torch.float32))
    crop = resampled(blob[None, None], boxes, size)[0, 0]
    steps = torch.linspace(-1, 1, size)
    mass = torch.stack([(crop.sum(0) * steps).sum(), (crop.sum(1) * steps).sum()]) / crop.sum()
    found = to_picture(mass.view(1, 1, 2), boxes)[0, 0]
    assert (found - centre).abs().max() < 0.02


def test_a_crop_of_all_at_the_picture_s_size_is_the_picture() -> None:
    picture = torch.rand(2, 3, 48, 48)
    boxes = whole(torch.full((2, 2), 48.0))
    assert torch.allclose(resampled(picture, boxes, 48), picture, atol=1e-4)


def test_nothing_is_skipped_where_the_crop_is_coarser() -> None:
    """One bright pixel of 512 x 512 is seen by the crop, wherever it is."""
    for place in ((100, 101), (255, 311), (302, 200)):
        picture = torch.zeros(1, 1, 512, 512)
        picture[0, 0, place[0], place[1]] = 1
        crop = resampled(picture, whole(torch.tensor([[512.0, 512.0]])), 48)
        assert crop.sum() * (511 / 47) ** 2 == pytest.approx(1, rel=0.02)


def test_outside_the_picture_its_border_goes_on() -> None:
    picture = torch.rand(1, 3, 20, 20)
    crop = resampled(picture, torch.tensor([[-15.0, -15.0, 3.0, 3.0]]), 8)
    assert torch.allclose(crop, picture[:, :, :1, :1].expand(1, 3, 8, 8), atol=1e-6)


def test_crops_of_arrays_are_rounded_bytes_and_pictures_may_differ_in_size() -> None:
    generator = np.random.default_rng(0)
    pictures = generator.integers(0, 256, (3, 30, 30, 3), dtype=np.uint8)
    boxes = torch.tensor([[14.5, 14.5, 14.5, 14.5], [10.0, 12.3, 7.0, 7.0], [20.0, 9.0, 5.0, 8.0]])
    alike = cropped(pictures, boxes, 16)
    assert alike.dtype == torch.uint8 and alike.shape == (3, 3, 16, 16)
    assert torch.equal(alike, cropped(list(pictures), boxes, 16))
    exact = resampled(torch.from_numpy(pictures).permute(0, 3, 1, 2), boxes, 16)
    assert (alike.float() - exact).abs().max() <= 0.5 + 1e-4


def test_the_article_s_crop_reaches_twice_as_far_as_the_left_eye() -> None:
    points = torch.tensor([[[40.0, 50.0], [70.0, 50.0], [55.0, 70.0], [45.0, 85.0], [68.0, 85.0]]])
    # |nose - left eye| = sqrt(15**2 + 20**2) = 25: from (5, 20) to (105, 120).
    assert torch.allclose(article_boxes(points, SIZES), torch.tensor([[55.0, 70.0, 50.0, 50.0]]))


def test_the_article_s_crop_is_rounded_and_stays_inside() -> None:
    points = torch.tensor([[[20.2, 20.0], [50.0, 20.0], [20.2, 40.1], [30.0, 60.0], [50.0, 60.0]]])
    # Reach 2 * 20.1 = 40.2: x from -20 to 60, y from 0 (-0.1) to 80 (80.3).
    assert torch.allclose(article_boxes(points, SIZES), torch.tensor([[30.0, 40.0, 30.0, 40.0]]))


def test_the_steadier_crop() -> None:
    points = torch.tensor([[[40.0, 50.0], [70.0, 50.0], [55.0, 70.0], [45.0, 90.0], [65.0, 90.0]]])
    found = face_boxes(points)
    assert torch.allclose(found, torch.tensor([[55.0, 70.0, 54.0, 54.0]]))  # 1.35 * max(30, 40)
    assert torch.allclose(face_boxes(points, 1.0)[:, 2:], torch.tensor([[40.0, 40.0]]))


def test_both_rules_take_68_points_by_their_five() -> None:
    points = torch.rand(4, 68, 2) * 100
    five = torch.stack(
        [points[:, 36:42].mean(1), points[:, 42:48].mean(1), points[:, 30], points[:, 48], points[:, 54]], 1
    )
    assert torch.allclose(face_boxes(points), face_boxes(five), atol=1e-4)
    sizes = torch.full((4, 2), 200.0)
    assert torch.allclose(article_boxes(points, sizes), article_boxes(five, sizes), atol=1e-4)


def test_points_in_one_place_still_have_a_crop() -> None:
    points = torch.full((1, 5, 2), 30.0)
    for boxes in (face_boxes(points), article_boxes(points, SIZES)):
        assert (boxes[:, 2:] > 0).all()
        assert torch.isfinite(resampled(torch.rand(1, 3, 64, 64), boxes, 48)).all()


def test_a_warp_without_a_turn_is_a_crop() -> None:
    """Where the crop is no coarser than the picture the two agree."""
    picture = torch.rand(1, 3, 32, 32)
    boxes = torch.tensor([[14.2, 17.1, 9.3, 9.3]])
    frame = whole(torch.tensor([[32.0, 32.0]]))
    affine = torch.zeros(1, 2, 3)
    affine[:, 0, 0], affine[:, 1, 1] = boxes[0, 2] / frame[0, 2], boxes[0, 3] / frame[0, 3]
    affine[:, :, 2] = (boxes[:, :2] - frame[:, :2]) / frame[:, 2:]
    assert torch.allclose(warped(picture, affine, 48), resampled(picture, boxes, 48), atol=1e-4)
    assert not torch.allclose(warped(picture, affine, 48), F.interpolate(picture, 48), atol=1e-2)
