"""Image files, decoded and augmented one by one, in worker processes or not.

What an example looks like is a function of (seed, epoch, example) alone: not of the worker that decodes it, nor of what
came before.
"""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate
from torchvision.transforms import v2

from lightning_modules.data.batches import Augment
from lightning_modules.data.lighting import Lighting
from lightning_modules.data.listing import Files
from lightning_modules.data.order import EpochOrder, Parts
from lightning_modules.errors import CorruptFileError
from lightning_modules.random_streams import stream_seed

MODES = {1: "L", 3: "RGB"}  # Pillow's names, by the number of channels

# ImageNet has files with damaged metadata around good pixels; a line about each in every epoch helps nobody.
warnings.filterwarnings("ignore", category=UserWarning, module="PIL")

Key = tuple[int, int]  # epoch, number of the example


def transforms(size: int, resize: int, augment: Augment | None) -> v2.Transform:
    """From a PIL image to (C, size, size) uint8: the shorter side to ``resize`` pixels, then a crop.

    With ``augment`` it is a random crop (of the image padded by ``crop_padding`` zeros, or of random area and shape),
    a random mirror and random colours; without, the centre.
    """
    shrink = v2.Resize(resize, antialias=True)
    if augment is None:
        return v2.Compose([shrink, v2.CenterCrop(size), v2.PILToTensor()])
    crop = [shrink, v2.RandomCrop(size, padding=augment.crop_padding or None)]
    if augment.crop_area:
        least, most = augment.crop_area
        crop = [v2.RandomResizedCrop(size, scale=(least, most), antialias=True)]
    mirror = v2.RandomHorizontalFlip(0.5 if augment.flip else 0.0)
    amount = augment.color_jitter
    jitter = [v2.ColorJitter(brightness=amount, contrast=amount, saturation=amount)] if amount else []
    lighting = [Lighting(augment.lighting)] if augment.lighting else []
    return v2.Compose([*crop, mirror, *jitter, v2.PILToTensor(), *lighting])


def read_image(path: Path, channels: int) -> Image.Image:
    """The decoded image, grey or RGB. Raises CorruptFileError."""
    try:
        with Image.open(path) as image:
            return image.convert(MODES[channels])
    except UnidentifiedImageError as error:
        raise CorruptFileError(f"{path} is not an image; replace it or take it out of the folder") from error
    except Exception as error:  # Pillow raises what its decoders come across: OSError, SyntaxError, struct.error, ...
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CorruptFileError(f"{path} cannot be read as an image ({reason})") from error


class Pictures(Dataset[tuple[Tensor, int] | CorruptFileError]):
    """The images (C, H, W) uint8 of a split, each with its label, by (epoch, number of the example).

    An image that cannot be read is returned as an error, not raised: what a worker process raises arrives as a text
    with a traceback.
    """

    def __init__(self, root: Path, files: Files, channels: int, transform: v2.Transform, seed: int):
        self.root, self.channels, self.transform, self.seed = root, channels, transform, seed
        # Arrays: counting the references to a million texts would copy them all, page by page, into every worker.
        self.paths = np.array([os.fsencode(path) for path in files.paths])
        self.labels = np.array(files.labels)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, key: Key) -> tuple[Tensor, int] | CorruptFileError:
        epoch, number = key
        try:
            image = read_image(self.root / os.fsdecode(self.paths[number]), self.channels)
        except CorruptFileError as error:
            return error
        with torch.random.fork_rng(devices=[]):
            # The CPU's generator alone: torch.manual_seed would, without workers, also set the GPU's, for dropout.
            torch.default_generator.manual_seed(stream_seed(self.seed, epoch, number, "augment"))
            return self.transform(image), int(self.labels[number])


class KeyBatches:
    """The keys of each batch. The epoch travels in them: to workers that live on, nothing else would tell it."""

    def __init__(self, sampler: EpochOrder, parts: Parts):
        self.sampler = sampler  # Lightning looks for it, to tell the epoch
        self.parts = parts

    def __len__(self) -> int:
        return len(self.parts)

    def __iter__(self) -> Iterator[list[Key]]:
        epoch, order = self.sampler.epoch, self.sampler.indices()
        for part in self.parts:
            yield [(epoch, number) for number in order[part].tolist()]


class PictureLoader(DataLoader):
    """Fetches nothing before the first batch is asked for.

    A resuming Trainer makes the iterator and only then tells the epoch; workers would have begun with the wrong one.
    """

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        yield from super().__iter__()


def picture_loader(pictures: Pictures, batches: KeyBatches, workers: int) -> PictureLoader:
    """Batches of (images (B, C, H, W) uint8, labels (B,) int64), or an error in the place of one."""
    return PictureLoader(
        pictures,
        batch_sampler=batches,  # type: ignore[arg-type]
        num_workers=workers,
        collate_fn=collate,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=workers > 0,
        generator=torch.Generator(),  # its own: each iterator draws from it
    )


def collate(examples: list[tuple[Tensor, int] | CorruptFileError]) -> tuple[Tensor, Tensor] | CorruptFileError:
    """The examples as a batch, or the first error among them."""
    for example in examples:
        if isinstance(example, CorruptFileError):
            return example
    images, labels = default_collate(examples)
    return images, labels
