"""Crops of pictures: where they lie, what they look like, and points to a crop and back.

A box is (centre x, centre y, half width, half height) in pixels of the picture, whose first pixel's centre is (0, 0). In
a crop, points have coordinates from -1 to 1 across the box: that is what the nets see and say. The centres of a crop's
outermost pixels lie on the box's edges, so that a picture's own box maps pixels to pixels whatever the sizes: the
article's labels, (x - w1) / w1 with w1 = (w - 1) / 2.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.faces.markup import five_points

LEFT_EYE, NOSE = 0, 2  # of the five points
REACH = 2.0  # of the article's square: so many distances of nose and left eye to each side of the nose
BOX_SCALE = 1.35  # of the steadier one: half of its side, in lengths of the longer side around the points
GAP = 1.5  # pixels between places that are averaged, about: linear interpolation leaves none out
LEAST_WIDTH = 0.05  # pixels: a mean over less is a value
SMALLEST = 2.0  # pixels of half a side: a guess that puts all points in one place still has a crop


def whole(sizes: Tensor) -> Tensor:
    """The box of all of a picture, (N, 4); ``sizes`` (N, 2): width and height in pixels."""
    half = (sizes - 1) / 2
    return torch.cat([half, half], 1)


def to_crop(points: Tensor, boxes: Tensor) -> Tensor:
    """Pixels of the picture (N, K, 2) -> coordinates in the box (N, 4), from -1 to 1 inside."""
    return (points - boxes[:, None, :2]) / boxes[:, None, 2:]


def to_picture(points: Tensor, boxes: Tensor) -> Tensor:
    """The other way round."""
    return points * boxes[:, None, 2:] + boxes[:, None, :2]


def article_boxes(points: Tensor, sizes: Tensor) -> Tensor:
    """The article's crop, (N, 4), of points (N, K, 2): the square around the nose that reaches twice as far as the left eye.

    Its edges are rounded to pixels and kept inside of the picture (``sizes``, (N, 2)): near a border it is no square.
    """
    five = five_of(points)
    reach = REACH * (five[:, NOSE] - five[:, LEFT_EYE]).norm(dim=1, keepdim=True)
    last = sizes - 1
    first = (five[:, NOSE] - reach).round().clamp(min=0).minimum(last)
    end = (five[:, NOSE] + reach).round().clamp(min=0).minimum(last)
    return torch.cat([(first + end) / 2, ((end - first) / 2).clamp(min=SMALLEST)], 1)


def face_boxes(points: Tensor, scale: float = BOX_SCALE) -> Tensor:
    """A steadier square, (N, 4): around the mean of the five points, half its side ``scale`` times their longer extent."""
    five = five_of(points)
    extent = (five.amax(1) - five.amin(1)).amax(1, keepdim=True)
    half = (scale * extent).clamp(min=SMALLEST)
    return torch.cat([five.mean(1), half, half], 1)


def resampled(pictures: Tensor, boxes: Tensor, size: int) -> Tensor:
    """The crops (N, C, size, size) float32 of pictures (N, C, H, W) of any type; outside, the border's pixels go on.

    Linear interpolation at the crop's pixels; where the crop has fewer pixels than the picture has there, its mean over
    about a pixel of the crop, so that nothing is skipped. Both are exact at fractions of a pixel.
    """
    height, width = pictures.shape[-2:]
    down = _weights(boxes[:, 1], boxes[:, 3], height, size)
    across = _weights(boxes[:, 0], boxes[:, 2], width, size)
    return down[:, None] @ pictures.to(torch.float32) @ across[:, None].transpose(-1, -2)


def _weights(centre: Tensor, half: Tensor, length: int, size: int) -> Tensor:
    """(N, size, length): which of the ``length`` pixels make each of the crop's, by how much; along one side."""
    steps = torch.linspace(-1, 1, size, dtype=centre.dtype, device=centre.device)
    places = (centre[:, None] + half[:, None] * steps).clamp(0, length - 1)
    away = places[:, :, None] - torch.arange(length, dtype=centre.dtype, device=centre.device)
    step = (2 * half / (size - 1))[:, None, None]  # of the crop, in pixels of the picture
    # What is averaged over: a step where there are many pixels in it, nothing where there is one.
    width = (step.square() - 1).clamp(min=0).sqrt()
    averaged = (_ramp(away + width / 2) - _ramp(away - width / 2)) / width.clamp(min=LEAST_WIDTH)
    weights = torch.where(width > LEAST_WIDTH, averaged, F.relu(1 - away.abs()))
    return weights / weights.sum(2, keepdim=True)


def _ramp(x: Tensor) -> Tensor:
    """The integral, from the left to ``x``, of the triangle of height 1 from -1 to 1: what interpolates linearly."""
    x = x.clamp(-1, 1)
    return 0.5 + x - 0.5 * x * x.abs()


def cropped(images: np.ndarray | Sequence[np.ndarray], boxes: Tensor, size: int, together: int = 250) -> Tensor:
    """Crops (N, 3, size, size) uint8, rounded, of RGB pictures (H, W, 3) uint8 that may each have a size of their own."""
    found = torch.empty(len(boxes), 3, size, size, dtype=torch.uint8)
    alike = isinstance(images, np.ndarray)
    step = together if alike else 1
    for start in range(0, len(boxes), step):
        some = np.asarray(images[start : start + step] if alike else images[start][None])
        pictures = torch.from_numpy(np.ascontiguousarray(some)).permute(0, 3, 1, 2)
        chosen = boxes[start : start + step]
        found[start : start + step] = resampled(pictures, chosen, size).round_().clamp_(0, 255).to(torch.uint8)
    return found


def warped(pictures: Tensor, affine: Tensor, size: int) -> Tensor:
    """Crops (N, C, size, size) of pictures (N, C, H, W) float32 that may be turned and mirrored.

    ``affine`` (N, 2, 3) takes a crop's coordinates to the picture's, both from -1 to 1 between the centres of the outermost
    pixels. Linear interpolation; a crop that is coarser than the picture is a mean over some places around each of its
    pixels, which spread as far as what ``resampled`` averages: nets are trained on crops as sharp as those they are used on.
    """
    height, width = pictures.shape[-2:]
    turn = affine[:, :, :2]
    grid = F.affine_grid(affine, [len(pictures), pictures.shape[1], size, size], align_corners=True)
    step = (turn * (turn.new_tensor([[width - 1], [height - 1]]) / (size - 1))).norm(dim=1)  # (N, 2) pixels
    count = max(2, math.ceil(max(height, width) / (GAP * size)))
    # So far apart that they spread (in variance) as a mean over ``resampled``'s width does: evenly spaced places.
    gaps = ((step.square() - 1).clamp(min=0) / (count**2 - 1)).sqrt()
    if not gaps.any():
        return F.grid_sample(pictures, grid, padding_mode="border", align_corners=True)
    along = (turn * (gaps / step.clamp(min=LEAST_WIDTH) * 2 / (size - 1))[:, None])[:, None, None, None]
    away = torch.arange(count) - (count - 1) / 2
    x, y = (offsets.reshape(-1, 1, 1, 1) for offsets in torch.meshgrid(away, away, indexing="xy"))
    places = grid[:, None] + x * along[..., 0] + y * along[..., 1]  # (N, count squared, size, size, 2)
    found = F.grid_sample(pictures, places.flatten(1, 2), padding_mode="border", align_corners=True)
    return found.unflatten(2, (-1, size)).mean(2)


def five_of(points: Tensor) -> Tensor:
    """The five points (N, 5, 2) of those of any markup that is known, (N, K, 2)."""
    if points.shape[1] == 5:
        return points
    shares = five_points(np.repeat(np.eye(points.shape[1], dtype=np.float32)[:, :, None], 2, 2))[:, :, 0]
    return torch.from_numpy(np.ascontiguousarray(shares.T)).to(points) @ points
