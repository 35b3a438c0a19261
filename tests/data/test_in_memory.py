"""Splits in RAM."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lightning_modules.data.batches import Augment, Normalise
from lightning_modules.data.in_memory import EVALUATION_BATCH, InMemoryImages, Split
from lightning_modules.errors import UserError


def grey(images: int, height: int = 4, width: int = 4) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 256, (images, height, width), dtype=np.uint8)


def module(train: int, val: int = 3, test: int = 3, batch_size: int = 4) -> InMemoryImages:
    one, two, three = (Split.of(grey(count), np.arange(count) % 2, 4, None) for count in (train, val, test))
    return InMemoryImages(
        one, two, three, ["cat", "dog"], Normalise((0.0,), (1 / 255,)), batch_size, Augment(1, True), seed=0
    )


def test_grey_images_get_a_channel() -> None:
    images = grey(5)
    found = Split.of(images, np.arange(5, dtype=np.uint8), 4, None)
    assert (found.images.dtype, found.labels.dtype) == (torch.uint8, torch.int64)
    np.testing.assert_array_equal(found.images.numpy(), images[:, None])
    assert found.labels.tolist() == [0, 1, 2, 3, 4]


def test_the_channels_of_colour_images_come_first() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), dtype=np.uint8)
    found = Split.of(images, np.zeros(3), 5, None).images
    assert found.shape == (3, 3, 5, 5)
    for channel in range(3):
        np.testing.assert_array_equal(found[:, channel, :4].numpy(), images[..., channel])


@pytest.mark.parametrize(
    ("height", "width", "size", "top", "left"), [(4, 4, 7, 1, 1), (4, 3, 7, 1, 2), (4, 4, 5, 0, 0)]
)
def test_images_are_centred_on_zeros(height: int, width: int, size: int, top: int, left: int) -> None:
    images = grey(2, height, width)
    found = Split.of(images, np.zeros(2), size, None).images.numpy()
    expected = np.zeros((2, 1, size, size), dtype=np.uint8)
    expected[:, 0, top : top + height, left : left + width] = images
    np.testing.assert_array_equal(found, expected)


def test_from_twice_their_size_on_images_are_enlarged() -> None:
    images = np.concatenate([grey(1001, 4, 3)] * 2)  # more than are enlarged at once
    found = Split.of(images, np.zeros(2002), 9, None).images.numpy()
    assert (found.shape, found.dtype) == ((2002, 1, 9, 9), np.uint8)
    np.testing.assert_array_equal(found[:1001], found[1001:])
    assert not found[:, :, 8].any()
    assert not found[:, :, :, [0, 7, 8]].any()
    # Of a doubled image, a pixel is 9/16 its own, 3/16 each of the two nearest neighbours' and 1/16 the corner's.
    source = np.pad(images[0].astype(np.float32), 1, mode="edge")
    for row, column in np.ndindex(8, 6):
        y, x, dy, dx = row // 2 + 1, column // 2 + 1, 2 * (row % 2) - 1, 2 * (column % 2) - 1
        expected = 9 * source[y, x] + 3 * source[y + dy, x] + 3 * source[y, x + dx] + source[y + dy, x + dx]
        assert found[0, 0, row, column + 1] == np.round(expected / 16)


def test_a_limit_takes_the_first() -> None:
    images = grey(5)
    found = Split.of(images, np.arange(5), 4, 2)
    np.testing.assert_array_equal(found.images[:, 0].numpy(), images[:2])
    assert found.labels.tolist() == [0, 1]
    assert len(Split.of(images, np.arange(5), 4, 9).labels) == 5


def test_the_source_is_copied() -> None:
    images, labels = grey(3), np.arange(3)
    found = Split.of(images, labels, 4, None)
    found.images.zero_()
    found.labels.zero_()
    assert images.all()
    assert labels.tolist() == [0, 1, 2]


@pytest.mark.parametrize(("height", "width"), [(6, 4), (4, 6)])
def test_images_larger_than_the_input(height: int, width: int) -> None:
    with pytest.raises(UserError, match=rf"data\.size=5: the images have {width}x{height} pixels; choose 6 or more"):
        Split.of(grey(2, height, width), np.zeros(2), 5, None)


def test_a_batch_larger_than_the_training_split() -> None:
    with pytest.raises(UserError, match=r"recipe\.batch_size=9: larger than the training split of 8 images"):
        module(8, batch_size=9)
    assert len(module(8, batch_size=8).train_dataloader()) == 1


def test_what_it_says_of_itself() -> None:
    data = module(10)
    assert (data.num_classes, data.classes, data.in_channels, data.train_images) == (2, ["cat", "dog"], 1, 10)


def test_training_is_shuffled_and_evaluation_is_not() -> None:
    data = module(train=10, val=EVALUATION_BATCH + 1, test=7)
    assert [len(labels) for _, labels in data.train_dataloader()] == [4, 4]
    assert [len(labels) for _, labels in data.val_dataloader()] == [EVALUATION_BATCH, 1]
    for name, loader in (("val", data.val_dataloader()), ("test", data.test_dataloader())):
        found = torch.cat([images for images, _ in loader]).round().to(torch.uint8)
        assert torch.equal(found, data.splits[name].images)
    first = next(iter(data.train_dataloader()))[0].round().to(torch.uint8)
    assert not torch.equal(first, data.splits["train"].images[:4])


def test_a_test_image_and_its_label() -> None:
    data = module(train=8)
    for index in range(3):
        np.testing.assert_array_equal(data.test_picture(index), grey(3)[index])
        assert int(data.test_labels[index]) == index % 2
    colour = Split.of(np.random.default_rng(0).integers(0, 256, (8, 4, 4, 3), dtype=np.uint8), np.zeros(8), 4, None)
    found = InMemoryImages(colour, colour, colour, ["one"], Normalise((0.0,) * 3, (1.0,) * 3), 4, Augment(), seed=0)
    assert found.test_picture(1).shape == (4, 4, 3)
    np.testing.assert_array_equal(found.test_picture(1), colour.images[1].permute(1, 2, 0).numpy())


def test_without_a_trainer_there_is_one_process() -> None:
    assert module(8).shard == (0, 1)


def test_the_trainer_says_which_part_is_this_processs() -> None:
    alone, shared = module(16), [module(16), module(16)]
    for rank, data in enumerate(shared):
        data.trainer = SimpleNamespace(global_rank=rank, world_size=2)  # type: ignore[assignment]
        assert data.shard == (rank, 2)
        assert [len(labels) for _, labels in data.val_dataloader()] == [3]
    for (whole, _), *parts in zip(alone.train_dataloader(), *(data.train_dataloader() for data in shared), strict=True):
        assert torch.equal(torch.cat([part for part, _ in parts]), whole)


def test_a_batch_that_the_processes_cannot_share() -> None:
    data = module(16, batch_size=9)
    data.trainer = SimpleNamespace(global_rank=0, world_size=2)  # type: ignore[assignment]
    with pytest.raises(UserError, match=r"recipe\.batch_size=9: cannot be shared equally by trainer\.devices=2"):
        data.train_dataloader()
