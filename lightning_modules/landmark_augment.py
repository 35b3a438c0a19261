"""What the faces of a training batch go through: which crop, turn and mirror each gets, and how its colours change.

All draws are made for a whole epoch at once, from generators of (seed, epoch): a resumed run sees what an uninterrupted
one saw.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from lightning_modules.crops import warped
from lightning_modules.errors import UserError

GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601
WHOLE = 0.5  # share of the pictures of which level_1 sees all, as it does when it is used
INSIDE = 0.9  # a random crop keeps the points this share of half its side from its centre
ERASED = (0.1, 0.4)  # of a side of the crop: a hidden rectangle's


@dataclass(frozen=True)
class FaceAugment:
    """``augment`` of conf/recipe/landmarks.yaml. All at these defaults: nothing is changed.

    Raises:
        UserError: a value is out of range; the message names the field.
    """

    flip: bool = False
    zoom: float = 1.0
    rotate: float = 0.0
    color_jitter: float = 0.0
    tint: float = 0.0
    grey: float = 0.0
    noise: float = 0.0
    blur: float = 0.0
    erase: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value, most = getattr(self, field.name), 180.0 if field.name == "rotate" else 1.0
            if not (math.isfinite(value) and 0 <= value <= most):
                raise UserError(f"recipe.augment.{field.name}={value}: must be from 0 to {most:g}")
        if self.zoom < 0.1:
            raise UserError(f"recipe.augment.zoom={self.zoom}: must be 0.1 or more")

    @classmethod
    def of(cls, augment: Mapping[str, Any]) -> "FaceAugment":
        """From a recipe's ``augment``. Raises UserError for what only images of classes go through."""
        for name in ("crop_padding", "crop_area", "lighting"):
            if augment.get(name):
                raise UserError(f"recipe.augment.{name}={augment[name]}: faces have none; leave it out")
        return cls(**{field.name: augment[field.name] for field in fields(cls) if field.name in augment})


@dataclass(frozen=True)
class Moves:
    """Where each crop lies: ``boxes`` (N, 4) in pixels of the picture, turned by ``angles`` (N,), mirrored where ``flips``."""

    boxes: Tensor
    angles: Tensor
    flips: Tensor

    def __getitem__(self, chosen: Tensor | slice) -> "Moves":
        return Moves(self.boxes[chosen], self.angles[chosen], self.flips[chosen])

    def ends(self) -> Tensor:
        """(N, 4): left, top, right and bottom of what the turned crops reach, in pixels of the picture."""
        reach = self.linear().abs().sum(2)
        return torch.cat([self.boxes[:, :2] - reach, self.boxes[:, :2] + reach], 1)

    def linear(self) -> Tensor:
        """(N, 2, 2): from the crop's coordinates to pixels, beside the centre."""
        cos, sin = self.angles.cos(), self.angles.sin()
        turn = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
        half = self.boxes[:, 2:].clone()
        half[:, 0] = torch.where(self.flips, -half[:, 0], half[:, 0])
        return turn * half[:, None]


def random_crops(points: Tensor, sizes: Tensor, zoom: float, generator: torch.Generator) -> Tensor:
    """A box (N, 4) for each picture: of its width and of its height a share from ``zoom`` to 1, drawn by itself; of half
    of the pictures, all.

    It lies in the picture and holds the points (N, K, 2), so it is larger than drawn where they ask for it.
    """
    half = (sizes - 1) / 2
    shares = zoom + (1 - zoom) * torch.rand(len(points), 2, generator=generator)
    shares[torch.rand(len(points), generator=generator) < WHOLE] = 1
    low, high = points.amin(1).clamp(min=0), points.amax(1).minimum(sizes - 1)
    new = (half * shares).maximum((high - low) / (2 * INSIDE)).minimum(half)
    first = (high - INSIDE * new).maximum(new)
    last = (low + INSIDE * new).minimum(2 * half - new)
    first = first.minimum(2 * half - new)
    place = torch.rand(len(points), 2, generator=generator)
    return torch.cat([first + (last - first).clamp(min=0) * place, new], 1)


def jittered(points: Tensor, residuals: Tensor, reach: Tensor, known: Tensor, generator: torch.Generator) -> Tensor:
    """Points (N, K, 2) as the level before might have said them: moved by its errors on other faces of about this size.

    All are in the coordinates of the whole picture, which is how the level sees it, whatever its pixels. ``residuals``
    (M, K, 2) are its errors on faces of the sizes ``known`` (M,), ``reach`` (N,) are the sizes of these; an error is drawn from among the tenth of the M faces whose sizes are nearest.
    """
    order = known.argsort()
    window = max(1, len(order) // 10)
    nearest = torch.searchsorted(known[order].contiguous(), reach.contiguous())
    first = (nearest - window // 2).clamp(min=0, max=len(order) - window)
    drawn = torch.randint(window, (len(points),), generator=generator)
    return points + residuals[order[first + drawn]]


def placed(pictures: Tensor, frames: Tensor, moves: Moves, size: int) -> Tensor:
    """The crops (N, C, size, size) of pictures (N, C, H, W) float32 that show the boxes ``frames`` (N, 4) of the originals."""
    shift = (moves.boxes[:, :2] - frames[:, :2])[:, :, None]
    affine = torch.cat([moves.linear(), shift], 2) / frames[:, 2:, None]
    return warped(pictures, affine, size)


def located(points: Tensor, moves: Moves, flip_map: Tensor) -> Tensor:
    """The points (N, K, 2) of the pictures in their crops' coordinates; ``flip_map`` (K,) is their order in a mirror."""
    away = (points - moves.boxes[:, None, :2]) @ torch.linalg.inv(moves.linear()).transpose(1, 2)
    return torch.where(moves.flips[:, None, None], away[:, flip_map], away)


def recoloured(images: Tensor, augment: FaceAugment, generator: torch.Generator) -> Tensor:
    """(N, 3, H, W) float32 from 0 to 255, changed in place where it can be: details, light, colours, what is hidden, noise."""
    count, size = len(images), images.shape[-1]

    def varied(share: float, *shape: int) -> Tensor:
        return 1 + share * (2 * torch.rand(count, *shape, 1, 1, generator=generator) - 1)

    if augment.blur:
        rows = (torch.rand(count, generator=generator) < augment.blur).nonzero().flatten()
        coarse = F.interpolate(images[rows], scale_factor=0.5, mode="bilinear", align_corners=False)
        images[rows] = F.interpolate(coarse, size=(size, size), mode="bilinear", align_corners=False)
    if augment.grey or augment.color_jitter:
        grey = (images * images.new_tensor(GREY).view(1, 3, 1, 1)).sum(1, keepdim=True)
        colour = varied(augment.color_jitter, 1)
        colour = torch.where(torch.rand(count, 1, 1, 1, generator=generator) < augment.grey, 0.0, colour)
        images = grey + (images - grey) * colour
    if augment.color_jitter:
        mean = images.mean((1, 2, 3), keepdim=True)
        images = (mean + (images - mean) * varied(augment.color_jitter, 1)) * varied(augment.color_jitter, 1)
    if augment.tint:
        images = images * varied(augment.tint, 3)
    if augment.noise:
        deviation = 255 * augment.noise * torch.rand(count, 1, 1, 1, generator=generator)
        images = images + deviation * torch.randn(images.shape, generator=generator)
    if augment.erase:
        images = _erased(images, augment.erase, generator)
    return images.clamp_(0, 255)


def _erased(images: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """A rectangle of one colour over that share of the images, anywhere, as a hand or hair may lie over a face."""
    count, size = len(images), images.shape[-1]
    least, most = ERASED
    sides = size * (least + (most - least) * torch.rand(count, 2, generator=generator))
    first = torch.rand(count, 2, generator=generator) * (size - sides)
    pixels = torch.arange(size)
    inside = (pixels >= first[:, :, None]) & (pixels < (first + sides)[:, :, None])
    hidden = inside[:, 0, None, :, None] & inside[:, 1, None, None, :]
    hidden &= (torch.rand(count, generator=generator) < share)[:, None, None, None]
    return torch.where(hidden, 255 * torch.rand(count, 3, 1, 1, generator=generator), images)
