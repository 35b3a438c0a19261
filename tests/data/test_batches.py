"""Batches: every pixel against a slow reference, and nothing that depends on anything but (seed, epoch)."""

import hashlib
import itertools
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from lightning_fabric.utilities.data import _set_sampler_epoch
from torch import Tensor

from lightning_modules.data import batches as module
from lightning_modules.data.batches import Augment, Batches, Normalise
from lightning_modules.errors import UserError

AS_IT_IS = Normalise((0.0,), (1 / 255,))  # bytes stay what they are
BOTH = Augment(crop_padding=2, flip=True)


def pixels(images: int, channels: int = 1, height: int = 6, width: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (images, channels, height, width), generator=generator).to(torch.uint8)


def batches(images: Tensor, size: int = 8, seed: int = 0, augment: Augment | None = BOTH) -> Batches:
    """Labels are the positions of the images, so that a batch says where it is from."""
    return Batches(images, torch.arange(len(images)), size, AS_IT_IS, seed, augment)


def epoch(loader: Batches, number: int) -> tuple[Tensor, Tensor]:
    loader.sampler.set_epoch(number)
    found = list(loader)
    return torch.cat([images for images, _ in found]), torch.cat([labels for _, labels in found])


def crops(image: np.ndarray, padding: int, flip: bool) -> dict[tuple[int, int, bool], np.ndarray]:
    """All that augmentation may make of one (C, H, W) image, written out pixel by pixel."""
    channels, height, width = image.shape
    made = {}
    mirrors = (False, True) if flip else (False,)
    for top, left, mirrored in itertools.product(range(2 * padding + 1), range(2 * padding + 1), mirrors):
        crop = np.zeros_like(image)
        for c, y, x in itertools.product(range(channels), range(height), range(width)):
            row, column = y + top - padding, (width - 1 - x if mirrored else x) + left - padding
            if 0 <= row < height and 0 <= column < width:
                crop[c, y, x] = image[c, row, column]
        made[top, left, mirrored] = crop
    return made


def moves(images: Tensor, found: Tensor, labels: Tensor, padding: int, flip: bool) -> list[tuple[int, int, bool]]:
    """Which crop each image of an epoch is; fails where it is none or two."""
    result = []
    for image, label in zip(found.numpy(), labels, strict=True):
        made = crops(images[label].numpy(), padding, flip)
        fitting = [move for move, crop in made.items() if np.array_equal(crop, np.rint(image))]
        assert len(fitting) == 1
        result.append(fitting[0])
    return result


@pytest.mark.parametrize(("padding", "flip"), [(0, True), (1, False), (2, True)])
@pytest.mark.parametrize("channels", [1, 3])
def test_each_image_is_a_crop_of_its_own_padded_and_mirrored_self(padding: int, flip: bool, channels: int) -> None:
    images = pixels(24, channels)
    found, labels = epoch(batches(images, augment=Augment(padding, flip)), 3)
    assert found.shape == (24, channels, 6, 5)
    kinds = {mirrored for _, _, mirrored in moves(images, found, labels, padding, flip)}
    assert kinds == ({False, True} if flip else {False})


def test_crops_and_mirrors_are_drawn_evenly() -> None:
    images = pixels(900, height=4, width=4)
    found, labels = epoch(batches(images, size=100, augment=Augment(1, True)), 0)
    drawn = moves(images, found, labels, 1, True)
    for axis in (0, 1):
        counts = np.bincount([move[axis] for move in drawn], minlength=3)
        assert np.all(abs(counts - 300) < 5 * (900 * 2 / 9) ** 0.5)
    assert abs(sum(move[2] for move in drawn) - 450) < 5 * 15
    together = {(top, left) for top, left, _ in drawn}
    assert len(together) == 9  # the two edges are drawn apart


def test_without_crop_and_mirror_the_images_are_whole_but_shuffled() -> None:
    images = pixels(24)
    found, labels = epoch(batches(images, augment=Augment()), 0)
    assert torch.equal(found.round().to(torch.uint8), images[labels])
    assert labels.tolist() != list(range(24))


# Functions of (seed, epoch)


def test_an_epoch_is_the_same_whatever_came_before() -> None:
    images = pixels(40)
    through = batches(images)
    for number in range(3):
        epoch(through, number)
    torch.manual_seed(99)
    torch.rand(7)
    through_images, through_labels = epoch(through, 3)
    straight_images, straight_labels = epoch(batches(images), 3)
    assert torch.equal(through_labels, straight_labels)
    assert torch.equal(through_images, straight_images)


def test_an_epoch_left_in_the_middle_begins_again_the_same() -> None:
    loader = batches(pixels(40))
    first = next(iter(loader))
    again = next(iter(loader))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])


def test_epochs_and_seeds_differ_in_order_and_augmentation() -> None:
    images = pixels(60)
    seen_orders, seen_moves = set(), set()
    for seed, number in itertools.product((0, 1, 2), (0, 1, 2)):
        found, labels = epoch(batches(images, size=10, seed=seed), number)
        by_image = sorted(zip(labels.tolist(), moves(images, found, labels, 2, True), strict=True))
        seen_orders.add(tuple(labels.tolist()))
        seen_moves.add(tuple(move for _, move in by_image))
    assert len(seen_orders) == len(seen_moves) == 9


def test_augmentation_does_not_depend_on_the_size_of_the_batch() -> None:
    images = pixels(48)
    small_images, small_labels = epoch(batches(images, size=6), 1)
    large_images, large_labels = epoch(batches(images, size=16), 1)
    assert torch.equal(small_labels, large_labels)
    assert torch.equal(small_images, large_images)


def test_torchs_own_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    epoch(batches(pixels(20)), 1)
    assert torch.equal(before, torch.get_rng_state())


def test_lightning_finds_the_sampler_to_tell_the_epoch() -> None:
    loader = batches(pixels(40))
    _set_sampler_epoch(loader, 5)
    assert loader.sampler.epoch == 5
    assert torch.equal(torch.cat([labels for _, labels in loader]), epoch(batches(pixels(40)), 5)[1])


# Which images


@pytest.mark.parametrize(("images", "sizes"), [(10, [4, 4]), (8, [4, 4]), (7, [4]), (4, [4])])
def test_training_drops_the_last_batch_where_it_is_not_whole(images: int, sizes: Sequence[int]) -> None:
    loader = batches(pixels(images), size=4)
    assert len(loader) == len(sizes)
    assert [len(labels) for _, labels in loader] == sizes
    _, labels = epoch(loader, 0)
    assert len(set(labels.tolist())) == len(labels)


@pytest.mark.parametrize(("images", "sizes"), [(10, [4, 4, 2]), (8, [4, 4]), (3, [3])])
def test_evaluation_has_every_image_once_and_in_order(images: int, sizes: Sequence[int]) -> None:
    source = pixels(images)
    loader = batches(source, size=4, augment=None)
    assert len(loader) == len(sizes)
    assert [len(labels) for _, labels in loader] == sizes
    for number in (0, 1):
        found, labels = epoch(loader, number)
        assert labels.tolist() == list(range(images))
        assert torch.equal(found.round().to(torch.uint8), source)


def test_over_the_epochs_every_image_is_trained_on() -> None:
    loader = batches(pixels(10), size=4)
    assert {int(label) for number in range(8) for label in epoch(loader, number)[1]} == set(range(10))


# Shared by processes


def test_the_parts_of_two_processes_are_the_batch_of_one() -> None:
    images = pixels(40)
    labels = torch.arange(40)
    alone = batches(images, size=12)
    shared = [Batches(images, labels, 12, AS_IT_IS, 0, BOTH, (rank, 2)) for rank in (0, 1)]
    for loader in (alone, *shared):
        loader.sampler.set_epoch(2)
        assert len(loader) == 3
    for (whole, numbers), *parts in zip(alone, *shared, strict=True):
        assert {len(part) for part, _ in parts} == {6}
        assert torch.equal(torch.cat([part for part, _ in parts]), whole)
        assert torch.equal(torch.cat([part for _, part in parts]), numbers)


def test_evaluation_is_whole_in_every_process() -> None:
    loader = Batches(pixels(10), torch.arange(10), 3, AS_IT_IS, 0, None, (1, 2))
    assert [labels.tolist() for _, labels in loader] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]


def test_a_batch_that_cannot_be_shared_equally() -> None:
    with pytest.raises(UserError, match=r"recipe\.batch_size=10: cannot be shared equally by trainer\.devices=4"):
        Batches(pixels(40), torch.arange(40), 10, AS_IT_IS, 0, BOTH, (0, 4))


# Numbers


def test_the_numbers_of_the_published_results() -> None:
    """What the records in results/published were trained on: a change here makes them another experiment's."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(256, (20, 1, 8, 8), generator=generator).to(torch.uint8)
    normalise = Normalise((0.2860,), (0.3530,))
    digest = hashlib.sha256()
    for augment in (Augment(0, True), Augment(2, True), Augment(1, False), None):
        loader = Batches(images, torch.arange(20), 8, normalise, 7, augment)
        loader.sampler.set_epoch(3)
        for found, labels in loader:
            digest.update(found.numpy().tobytes() + labels.numpy().tobytes())
    assert digest.hexdigest() == "f0627adad9082236cf7940e4c47fa086f3823fb8c98a82b84301a9c96866df4c"


def test_normalisation() -> None:
    images = pixels(4, channels=3)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    found = Normalise(mean, std)(images)
    assert found.dtype == torch.float32
    expected = np.empty(images.shape)
    for channel in range(3):
        expected[:, channel] = (images[:, channel].numpy() / 255 - mean[channel]) / std[channel]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


def test_normalisation_leaves_its_source_alone() -> None:
    for images in (pixels(2), pixels(2).float()):
        before = images.clone()
        Normalise((0.5,), (0.5,))(images)
        assert torch.equal(images, before)


def test_padding_is_black_before_normalisation_not_grey() -> None:
    loader = Batches(torch.full((64, 1, 4, 4), 255, dtype=torch.uint8), torch.zeros(64), 64, Normalise((0.5,), (0.25,)),
                     0, Augment(crop_padding=2))  # fmt: skip
    values = set(next(iter(loader))[0].unique().tolist())
    assert values == {-2.0, 2.0}


@pytest.mark.parametrize("augment", [BOTH, Augment(), None])
def test_the_source_is_not_changed(augment: Augment | None) -> None:
    images = pixels(16)
    before = images.clone()
    loader = batches(images, augment=augment)
    first, _ = epoch(loader, 0)
    for found, labels in loader:
        found.zero_()
        labels.fill_(-1)
    assert torch.equal(images, before)
    assert torch.equal(epoch(loader, 0)[0], first)
    assert loader.labels.tolist() == list(range(16))


@pytest.mark.parametrize("augment", [None, BOTH])
def test_how_many_batches_are_made_at_once_changes_none(
    augment: Augment | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, labels = epoch(batches(pixels(70), augment=augment), 3)
    sizes = [len(found) for found, _ in batches(pixels(70), augment=augment)]
    assert sizes == [8] * 8 + ([6] if augment is None else [])
    monkeypatch.setattr(module, "TOGETHER", 1)
    alone, their_labels = epoch(batches(pixels(70), augment=augment), 3)
    assert torch.equal(images, alone) and torch.equal(labels, their_labels)
