"""The faces of a level's run as batches: in RAM, cropped as the level sees them, augmented a few batches at a time.

A level's crops for validation and test follow from what the levels before it say of these very faces (``guide``). Those
for training are the crops of the true points, moved by the errors that level_1 makes on the validation split: what it
says of faces that it was trained on is better than what it will say of others.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from lightning_modules.crops import article_boxes, cropped, face_boxes, five_of, to_crop, to_picture, whole
from lightning_modules.data.batches import TOGETHER, Normalise
from lightning_modules.data.order import EpochOrder, Parts
from lightning_modules.errors import UserError
from lightning_modules.faces.landmark_set import LandmarkSet
from lightning_modules.faces.markup import FLIP
from lightning_modules.landmark_augment import (
    FaceAugment,
    Moves,
    jittered,
    located,
    placed,
    random_crops,
    recoloured,
)
from lightning_modules.landmark_metrics import inter_ocular
from lightning_modules.landmark_options import Options
from lightning_modules.random_streams import stream

EVALUATION_BATCH = 500
REACHED = 0.99  # of level_2's training crops: those that lie in what is kept of a photo
RANDOM_SHARE = 0.5  # of the picture's side, at least: a crop of the control that nobody guides


@dataclass(frozen=True)
class Faces:
    """A split: pictures (H, W, 3) uint8, ``points`` (N, K, 2) in their pixels, ``sizes`` (N, 2), what is known of each."""

    images: np.ndarray | Sequence[np.ndarray]
    points: Tensor
    sizes: Tensor
    attributes: Mapping[str, np.ndarray]
    names: Sequence[str] = ()

    @classmethod
    def of(cls, found: LandmarkSet) -> "Faces":
        points = torch.from_numpy(np.asarray(found.points, np.float32))
        sizes = torch.from_numpy(found.sizes().astype(np.float32))
        return cls(found.images, points, sizes, found.attributes, found.names)

    def __len__(self) -> int:
        return len(self.points)


class LandmarkData(pl.LightningDataModule):
    """Train, validation and test faces of one level.

    Training batches are (images (B, 3, S, S) float32, points (B, K, 2) in the crop's coordinates); those of validation
    and test also have ``half`` (B, 2), half of the crop's sides in pixels, and the distance of the eyes (B,).

    ``kept_size``: pixels a side at which photos of sizes of their own are kept in RAM for training. ``outside``: percent of
    an epoch's crops of these that reach out of what is kept; None where pictures are kept as they are.

    Raises:
        UserError: the batch is larger than the training split, or the points are of a markup that is not known.
    """

    in_channels = 3

    def __init__(
        self,
        splits: Mapping[str, Faces],
        options: Options,
        augment: FaceAugment,
        normalise: Normalise,
        batch_size: int,
        seed: int,
        kept_size: int = 128,
    ):
        super().__init__()
        self.splits, self.options, self.augment, self.normalise = splits, options, augment, normalise
        self.batch_size, self.seed, self.kept_size = batch_size, seed, kept_size
        self.outside: float | None = None
        self.train_images = len(splits["train"])
        self.points = splits["train"].points.shape[1]
        if batch_size > self.train_images:
            raise UserError(
                f"recipe.batch_size={batch_size}: larger than the training split of {self.train_images} faces"
            )
        if self.points not in FLIP:
            raise UserError(f"data.points={self.points}: choose one of {', '.join(map(str, FLIP))}")
        self.boxes: dict[str, Tensor] = {}
        self._residuals: tuple[Tensor, Tensor] | None = None
        self._crops: dict[str, Tensor] = {}
        self._kept: tuple[Tensor, Tensor] | None = None

    def guide(self, levels: Sequence[nn.Module], points_of: "PointsOf") -> None:
        """Finds the crops of validation and test by the levels before, and level_1's errors on the validation split."""
        for name in ("val", "test"):
            self.boxes[name] = self._guided(self.splits[name], levels, points_of, name)
        self._crops, self._kept = {}, None

    def _guided(self, faces: Faces, levels: Sequence[nn.Module], points_of: "PointsOf", name: str) -> Tensor:
        options = self.options
        if options.crop == "whole":
            return whole(faces.sizes)
        if options.crop == "random":
            return random_squares(faces.sizes, stream("random crop", name))
        if options.applied == "true_box":
            return self.rule(faces.points, faces.sizes)
        boxes = whole(faces.sizes)
        for number, net in enumerate(levels):
            crops = cropped(faces.images, boxes, options.size)
            found = to_picture(points_of(net, crops), boxes)
            if number == 0 and name == "val":
                true = to_crop(faces.points, whole(faces.sizes))
                self._residuals = to_crop(found, whole(faces.sizes)) - true, extents(true)
            boxes = self.rule(found, faces.sizes)
        return boxes

    def rule(self, points: Tensor, sizes: Tensor) -> Tensor:
        """The crops (N, 4) that follow from points (N, K, 2) in pixels."""
        if self.options.crop == "article":
            return article_boxes(points, sizes)
        return face_boxes(points, self.options.box_scale)

    def crops(self, name: str) -> Tensor:
        """Of a split that is evaluated, (N, 3, S, S) uint8."""
        if name not in self._crops:
            self._crops[name] = cropped(self.splits[name].images, self.boxes[name], self.options.size)
        return self._crops[name]

    def moves(self, epoch: int) -> Moves:
        """Each training face's crop in this epoch."""
        faces, augment = self.splits["train"], self.augment
        generator = stream(self.seed, epoch, "augment")
        count = len(faces)
        angles = torch.deg2rad(augment.rotate * (2 * torch.rand(count, generator=generator) - 1))
        flips = torch.rand(count, generator=generator) < (0.5 if augment.flip else 0.0)
        if self.options.crop == "whole":
            boxes = random_crops(faces.points, faces.sizes, augment.zoom, generator)
        elif self.options.crop == "random":
            boxes = random_squares(faces.sizes, generator)
        else:
            boxes = self._jittered(faces, flips, generator)
        return Moves(boxes, angles, flips)

    def _jittered(self, faces: Faces, flips: Tensor, generator: torch.Generator) -> Tensor:
        assert self._residuals is not None  # a guided level's data was guided
        residuals, known = self._residuals
        pictures = whole(faces.sizes)
        true = to_crop(faces.points, pictures)
        moved = jittered(true, self.options.jitter * residuals, extents(true), known, generator)
        moved = to_picture(moved, pictures)
        # The left eye of a mirrored picture is the right one.
        return self.rule(torch.where(flips[:, None, None], moved[:, FLIP[self.points]], moved), faces.sizes)

    def kept(self) -> tuple[Tensor, Tensor]:
        """What training crops are made from, (N, 3, H, W) uint8, and the boxes of the pictures that it shows, (N, 4).

        Pictures of one size are kept as they are. Photos are made alike: all of each for a level that sees all, the
        surroundings of the face for a level that is guided, as far as its crops reach.
        """
        if self._kept is None:
            faces = self.splits["train"]
            frames = whole(faces.sizes)
            if isinstance(faces.images, np.ndarray):
                self._kept = torch.from_numpy(faces.images).permute(0, 3, 1, 2), frames
            else:
                if self.options.guided:
                    frames = self._surroundings(faces)
                self._kept = cropped(faces.images, frames, self.kept_size), frames
        return self._kept

    def _surroundings(self, faces: Faces) -> Tensor:
        """Squares (N, 4) around the faces, in each as many times the face's extent as the first epoch's crops ask for."""
        reached = self.moves(0).ends()
        centre, _ = face_boxes(faces.points).split(2, 1)
        needed = torch.cat([centre - reached[:, :2], reached[:, 2:] - centre], 1).amax(1) / extents(
            five_of(faces.points)
        )
        scale = float(needed.quantile(REACHED))
        self.outside = 100 * float((needed > scale).float().mean())
        return face_boxes(faces.points, scale)

    def train_dataloader(self) -> "TrainingBatches":
        return TrainingBatches(self)

    def val_dataloader(self) -> "EvaluationBatches":
        return EvaluationBatches(self, "val")

    def test_dataloader(self) -> "EvaluationBatches":
        return EvaluationBatches(self, "test")


PointsOf = Callable[
    [nn.Module, Tensor], Tensor
]  # of a net and crops (N, 3, S, S) uint8: (N, K, 2) in their coordinates


class TrainingBatches:
    """An iterable over an epoch's batches; Lightning calls ``sampler.set_epoch``."""

    def __init__(self, data: LandmarkData):
        self.data = data
        self.parts = Parts(data.train_images, data.batch_size, whole=False)
        self.batch_sampler = None  # Lightning looks for it beside ``sampler``
        self.sampler = EpochOrder(data.train_images, data.seed, shuffle=True)
        self._flip = torch.tensor(FLIP[data.points])

    def __len__(self) -> int:
        return len(self.parts)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order, epoch = self.sampler.indices(), self.sampler.epoch
        moves, points = self.data.moves(epoch), self.data.splits["train"].points
        pictures, frames = self.data.kept()
        parts = list(self.parts)
        for first in range(0, len(parts), TOGETHER):
            some = parts[first : first + TOGETHER]
            # A batch at a time, which a core's cache holds; what follows is faster on many.
            rows = [order[part] for part in some]
            chosen, size = torch.cat(rows), self.data.options.size
            images = torch.cat([placed(pictures[row].float(), frames[row], moves[row], size) for row in rows])
            generator = stream(self.data.seed, epoch, "colours", first)
            images = self.data.normalise(recoloured(images, self.data.augment, generator))
            targets = located(points[chosen], moves[chosen], self._flip)
            sizes = [len(row) for row in rows]
            yield from zip(images.split(sizes), targets.split(sizes), strict=True)


class EvaluationBatches:
    """An iterable over a split in its own order."""

    def __init__(self, data: LandmarkData, name: str):
        faces, boxes = data.splits[name], data.boxes[name]
        self.data, self.name, self.half = data, name, boxes[:, 2:]
        self.targets = to_crop(faces.points, boxes)
        eyes = inter_ocular(faces.points.numpy(), faces.sizes.numpy())
        self.eyes = torch.from_numpy(eyes.astype(np.float32))

    def __len__(self) -> int:
        return -(-len(self.targets) // EVALUATION_BATCH)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        crops = self.data.crops(self.name)
        for start in range(0, len(crops), EVALUATION_BATCH):
            some = slice(start, start + EVALUATION_BATCH)
            yield self.data.normalise(crops[some]), self.targets[some], self.half[some], self.eyes[some]


def extents(points: Tensor) -> Tensor:
    """(N,): the longer side of the upright box around points (N, K, 2)."""
    return (points.amax(1) - points.amin(1)).amax(1)


def random_squares(sizes: Tensor, generator: torch.Generator) -> Tensor:
    """Boxes (N, 4) that nobody guides: anywhere in the picture, of ``RANDOM_SHARE`` of its sides to all of them."""
    half = (sizes - 1) / 2
    share = RANDOM_SHARE + (1 - RANDOM_SHARE) * torch.rand(len(sizes), 1, generator=generator)
    away = (2 * torch.rand(len(sizes), 2, generator=generator) - 1) * (half - half * share)
    return torch.cat([half + away, half * share], 1)


def read(
    data: Mapping[str, Any],
    budget: Mapping[str, Any],
    cache: Path,
    said: Callable[..., None],
    splits: Sequence[str] = ("train", "val", "test"),
) -> dict[str, Faces]:
    """The splits that ``data`` (a conf/data file's content) describes, as many faces of each as ``budget`` allows.

    ``said`` is told how far the rendering is. Raises UserError where nothing here reads that data set, or it can't be had.
    """
    limits = {name: budget[f"{name}_images"] for name in splits}
    if "points" not in data:
        raise UserError(
            f"data={data['name']}: has no landmarks; choose data=synthetic_faces, or data=celeba_wild with data.root=FOLDER"
        )
    if data["dataset"] == "SyntheticFaces":
        from lightning_modules.faces.synthetic import of_config

        most = data["counts"]
        counts = {name: min(limit or most[name], most[name]) for name, limit in limits.items()}
        return {name: Faces.of(of_config(data, cache, name, count, said)) for name, count in counts.items()}
    from lightning_modules.faces.annotated import annotated_faces

    return {name: Faces.of(annotated_faces(data, name, limit)) for name, limit in limits.items()}
