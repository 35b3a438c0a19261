"""Images decoded while training: every pixel against Pillow and torchvision, and nothing that depends on workers."""

import itertools
import struct
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from lightning_modules.data.batches import Augment, Normalise
from lightning_modules.data.build import build_data
from lightning_modules.data.folder import EVALUATION_BATCH, FolderImages
from lightning_modules.data.folder_split import hold_out
from lightning_modules.data.listing import listing_of
from lightning_modules.data.pictures import read_image
from lightning_modules.errors import CorruptFileError, UserError
from tests.data.conftest import conf
from tests.data.folders import TEST, TRAIN, image_folder, picture
from tests.tiny import recipe

SIZE, RESIZE = 8, 12
ALL = {"train_images": None, "val_images": None, "test_images": None}
Batch = tuple[Tensor, Tensor]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image_folder(tmp_path_factory.mktemp("folder"))


def configured(root: Path, **changes: Any) -> dict[str, Any]:
    """conf/data/image_folder.yaml with small sizes, a fifth for the validation, and these changes."""
    validation = {"share": 0.2, "seed": 0}
    return {
        **conf("image_folder"),
        "root": str(root),
        "size": SIZE,
        "resize": RESIZE,
        "validation": validation,
        **changes,
    }


def module(
    root: Path, seed: int = 0, workers: int = 0, augment: Augment | None = None, batch_size: int = 6, **changes: Any
) -> FolderImages:
    augment = augment or Augment(crop_padding=1, flip=True)
    given = recipe(batch_size=batch_size, augment={"crop_padding": augment.crop_padding, "flip": augment.flip})
    data = build_data(configured(root, **changes), given, ALL, seed, root / "cache", workers)
    assert isinstance(data, FolderImages)
    return data


def epoch(loader: Any, number: int) -> list[Batch]:
    """As Lightning asks for it: the iterator first, then the epoch is told."""
    batches = iter(loader)
    loader.batch_sampler.sampler.set_epoch(number)
    return [(images.clone(), labels.clone()) for images, labels in batches]


def assert_same(found: Iterable[Batch], expected: Iterable[Batch]) -> None:
    for (images, labels), (other_images, other_labels) in zip(found, expected, strict=True):
        assert torch.equal(labels, other_labels)
        assert torch.equal(images, other_images)


# Pixels


@pytest.mark.parametrize("channels", [1, 3])
def test_evaluation_is_the_centre_as_torchvision_has_it(root: Path, channels: int) -> None:
    mean, std = [0.5] * channels, [0.25] * channels
    data = module(root, channels=channels, mean=mean, std=std)
    grey = [v2.Grayscale()] if channels == 1 else []
    reference = v2.Compose([*grey, v2.Resize(RESIZE), v2.CenterCrop(SIZE), v2.PILToTensor()])
    expected = ImageFolder(str(root / "val"), transform=reference)
    [(images, labels)] = list(data.test_dataloader())
    assert (images.dtype, labels.dtype) == (torch.uint8, torch.int64)
    assert torch.equal(images, torch.stack([image for image, _ in expected]))
    assert labels.tolist() == expected.targets == data.test_labels.tolist()
    assert data.classes == expected.classes
    for index in (0, 4, 9):
        shown = data.test_picture(index)
        assert shown.shape == ((SIZE, SIZE) if channels == 1 else (SIZE, SIZE, 3))
        np.testing.assert_array_equal(shown.reshape(SIZE, SIZE, channels), expected[index][0].permute(1, 2, 0).numpy())
        assert int(data.test_labels[index]) == expected.targets[index]


def possible(image: Image.Image, padding: int, flip: bool) -> list[np.ndarray]:
    """All that augmentation may make of an image, (3, SIZE, SIZE) each: every crop of it, mirrored or not."""
    shorter = min(image.size)
    width, height = (side * RESIZE // shorter for side in image.size)
    resized = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    padded = np.pad(resized, ((padding, padding), (padding, padding), (0, 0))).transpose(2, 0, 1)
    made = []
    for top, left in itertools.product(range(height + 2 * padding - SIZE + 1), range(width + 2 * padding - SIZE + 1)):
        crop = padded[:, top : top + SIZE, left : left + SIZE]
        made += [crop, crop[:, :, ::-1]] if flip else [crop]
    return made


@pytest.mark.parametrize(("padding", "flip"), [(0, True), (0, False), (2, True)])
def test_a_training_image_is_a_crop_of_its_resized_padded_mirrored_self(root: Path, padding: int, flip: bool) -> None:
    data = module(root, augment=Augment(padding, flip))
    pictures = data.splits["train"]
    moves = set()
    for number, name in enumerate(pictures.paths.tolist()):
        example = pictures[3, number]
        assert not isinstance(example, CorruptFileError)
        with Image.open(root / name.decode()) as image:
            made = possible(image.convert("RGB"), padding, flip)
        fitting = [move for move, crop in enumerate(made) if np.array_equal(crop, example[0].numpy())]
        assert len(fitting) == 1
        moves.add(fitting[0])
        assert example[1] == list(TRAIN).index(name.decode().split("/")[1])
    assert len(moves) > 10
    assert {move % 2 for move in moves} == {0, 1}


def test_normalisation_on_the_way_to_the_device(root: Path) -> None:
    data = module(root, mean=[0.4, 0.5, 0.6], std=[0.2, 0.3, 0.4])
    images, labels = next(iter(data.test_dataloader()))
    found, same = data.on_after_batch_transfer((images, labels), 0)
    assert torch.equal(found, Normalise((0.4, 0.5, 0.6), (0.2, 0.3, 0.4))(images))
    assert found.dtype == torch.float32
    assert same is labels


# Functions of (seed, epoch)


def test_two_workers_deliver_what_none_does(root: Path) -> None:
    alone, helped = module(root).train_dataloader(), module(root, workers=2).train_dataloader()
    for number in (0, 1):
        expected = epoch(alone, number)
        assert len(expected) == len(helped) == 3
        assert_same(epoch(helped, number), expected)
    data = module(root, workers=2)
    assert_same(list(data.test_dataloader()), list(module(root).test_dataloader()))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_is_the_same_whatever_came_before(root: Path, workers: int) -> None:
    straight = module(root).train_dataloader()
    through = module(root, workers=workers).train_dataloader()
    next(iter(through))  # an epoch that is left in the middle
    epoch(through, 0)
    assert_same(epoch(through, 1), epoch(straight, 1))
    assert_same(epoch(through, 1), epoch(straight, 1))


def test_epochs_and_seeds_differ_in_order_and_pixels(root: Path) -> None:
    orders, pixels = set(), set()
    for seed, number in itertools.product((0, 1), (0, 1)):
        data = module(root, seed=seed)
        loader: Any = data.train_dataloader()
        loader.batch_sampler.sampler.set_epoch(number)
        orders.add(tuple(index for batch in loader.batch_sampler for _, index in batch))
        pixels.add(data.splits["train"][number, 0][0].numpy().tobytes())  # type: ignore[index]
    assert len(orders) == len(pixels) == 4


def test_pixels_do_not_depend_on_the_size_of_the_batch(root: Path) -> None:
    small, large = (epoch(module(root, batch_size=size).train_dataloader(), 1) for size in (3, 9))
    for part in (0, 1):
        assert torch.equal(
            torch.cat([batch[part] for batch in small])[:18], torch.cat([batch[part] for batch in large])
        )


def test_torchs_own_generator_is_left_alone(root: Path) -> None:
    for workers in (0, 1):
        before = torch.get_rng_state()
        data = module(root, workers=workers)
        epoch(data.train_dataloader(), 0)
        list(data.val_dataloader())
        assert torch.equal(before, torch.get_rng_state())


def test_the_parts_of_two_processes_are_the_batch_of_one(root: Path) -> None:
    alone, shared = module(root), [module(root), module(root)]
    for rank, data in enumerate(shared):
        data.trainer = SimpleNamespace(global_rank=rank, world_size=2)  # type: ignore[assignment]
        assert [len(labels) for _, labels in data.test_dataloader()] == [sum(TEST.values())]
    whole, *parts = (epoch(data.train_dataloader(), 2) for data in (alone, *shared))
    assert {len(labels) for part in parts for _, labels in part} == {3}
    together = []
    for (left, left_labels), (right, right_labels) in zip(*parts, strict=True):
        together.append((torch.cat([left, right]), torch.cat([left_labels, right_labels])))
    assert_same(together, whole)
    three = module(root)
    three.trainer = SimpleNamespace(global_rank=0, world_size=4)  # type: ignore[assignment]
    with pytest.raises(UserError, match=r"recipe\.batch_size=6: cannot be shared equally by trainer\.devices=4"):
        three.train_dataloader()


# Which images


def test_the_splits(root: Path) -> None:
    data = module(root)
    listing = listing_of(root)
    train, val = hold_out(listing.train, 0.2, 0)
    for name, expected in (("train", train), ("val", val), ("test", listing.test)):
        assert [path.decode() for path in data.splits[name].paths.tolist()] == list(expected.paths)
        assert data.splits[name].labels.tolist() == list(expected.labels)
    assert data.train_images == len(train) == sum(TRAIN.values()) - 5
    assert (data.num_classes, data.in_channels) == (3, 3)


def test_the_budget_limits_each_split_over_all_classes(root: Path) -> None:
    limits = {"train_images": 6, "val_images": 3, "test_images": 4}
    splits = [build_data(configured(root), recipe(batch_size=2), limits, seed, root).splits for seed in (0, 1)]  # type: ignore[attr-defined]
    for name, labels in (("train", [0, 0, 1, 1, 2, 2]), ("val", [0, 1, 2])):
        assert splits[0][name].labels.tolist() == labels
    assert len(splits[0]["test"]) == 4
    assert set(splits[0]["test"].labels.tolist()) == {0, 1, 2}
    assert all(np.array_equal(splits[0][name].paths, splits[1][name].paths) for name in splits[0])  # whatever the seed


def test_evaluation_in_batches(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sum(TEST.values()) < EVALUATION_BATCH
    monkeypatch.setattr("lightning_modules.data.folder.EVALUATION_BATCH", 4)
    assert [len(labels) for _, labels in module(root).test_dataloader()] == [4, 4, 2]


# Mistakes


def test_mistakes_are_the_users(root: Path, tmp_path: Path) -> None:
    for changes, message in (
        ({"size": 300, "resize": 256}, "data.size=300: larger than data.resize=256, the shorter side before the crop"),
        ({"channels": 2}, "data.channels=2: choose one of 1, 3"),
        ({"num_classes": 1000}, f"data.num_classes=1000: {root}/train has 3 class folders"),
        ({"root": None}, "data.root: say where the images are, data.root=FOLDER with train/<class>/* and val/<class>/*"),
        ({"listing": "ab"}, f"data.root={root}: its files are not those of data.listing=ab"),
        ({"name": "imagenet", "root": None},
         "data.root: say where ImageNet is, data.root=FOLDER with train/<class>/* and val/<class>/*"),
    ):  # fmt: skip
        with pytest.raises(UserError) as raised:
            build_data({**configured(root), **changes}, recipe(), ALL, 0, tmp_path)
        assert str(raised.value) == message
    with pytest.raises(UserError, match=r"recipe\.batch_size=24: larger than the training split of 23 images"):
        module(root, batch_size=24)
    assert module(root, num_classes=3, listing=listing_of(root).sha256).num_classes == 3


def spoilt(root: Path, kind: str) -> Path:
    """A folder whose training image ant_3.png cannot be read."""
    path = image_folder(root) / "train" / "ant" / "ant_3.png"
    whole = path.read_bytes()
    if kind == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "bad header":
        path.write_bytes(whole[:20] + struct.pack(">I", 2**31) + whole[24:])
    elif kind == "gone":
        path.unlink()
    else:
        path.write_bytes(b"" if kind == "empty" else b"<html>")
    return path


@pytest.mark.parametrize("kind", ["truncated", "bad header", "gone", "empty", "text"])
def test_an_image_that_cannot_be_read_is_named(tmp_path: Path, kind: str) -> None:
    listing_of(image_folder(tmp_path))
    path = spoilt(tmp_path, kind)
    with pytest.raises(CorruptFileError) as raised:
        read_image(path, 3)
    assert str(raised.value).startswith(f"{path} ")
    assert "\n" not in str(raised.value)
    data = module(tmp_path, batch_size=23)
    [batch] = list(data.train_dataloader())
    with pytest.raises(CorruptFileError, match=r"ant_3\.png"):
        data.on_before_batch_transfer(batch, 0)


def test_images_of_other_kinds(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 4), dtype=np.uint8)
    picture(tmp_path / "grey.png", 0, mode="L")
    Image.fromarray(pixels, "RGBA").save(tmp_path / "alpha.png")
    Image.fromarray(pixels, "CMYK").save(tmp_path / "cmyk.jpg")
    Image.fromarray(pixels[..., :3]).quantize(8).save(tmp_path / "palette.png")
    for path in tmp_path.iterdir():
        with Image.open(path) as image:
            for channels, mode in ((1, "L"), (3, "RGB")):
                found = read_image(path, channels)
                assert found.mode == mode
                np.testing.assert_array_equal(np.asarray(found), np.asarray(image.convert(mode)))


# With a Trainer


class Net(pl.LightningModule):
    """Learns a little, and keeps what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.output = nn.Linear(3 * SIZE * SIZE, 3)
        self.seen: list[Batch] = []
        self.tested: list[Batch] = []

    def training_step(self, batch: Batch, index: int) -> Tensor:
        images, labels = batch
        self.seen.append((images.clone(), labels.clone()))
        return nn.functional.cross_entropy(self.output(images.flatten(1)), labels)

    def validation_step(self, batch: Batch, index: int) -> None:
        self.tested.append(batch)

    test_step = validation_step

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.01)


@pytest.fixture
def fit(tmp_path: Path):
    """fit(data, epochs, checkpoint) -> the trainer and the net after it."""

    def run(data: FolderImages, epochs: int, checkpoint: Path | None = None, **changes: Any) -> tuple[pl.Trainer, Net]:
        pl.seed_everything(0, verbose=False)
        net = Net()
        trainer = pl.Trainer(
            accelerator="cpu", max_epochs=epochs, logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, num_sanity_val_steps=0, default_root_dir=tmp_path, **changes,
        )  # fmt: skip
        trainer.fit(net, datamodule=data, ckpt_path=checkpoint, weights_only=True)
        return trainer, net

    return run


@pytest.mark.filterwarnings("ignore")
def test_a_resumed_run_sees_what_an_uninterrupted_one_saw(root: Path, tmp_path: Path, fit) -> None:
    _, whole = fit(module(root), 3)
    assert len(whole.seen) == 9
    images, _ = whole.seen[0]
    assert (images.dtype, images.shape) == (torch.float32, (6, 3, SIZE, SIZE))
    assert images.min() < -1 < 1 < images.max()  # normalised
    trainer, first = fit(module(root, workers=2), 1)
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    for workers in (0, 2):
        _, rest = fit(module(root, workers=workers), 3, tmp_path / "one.ckpt")
        assert_same(first.seen + rest.seen, whole.seen)
        assert torch.equal(rest.output.weight, whole.output.weight)


@pytest.mark.filterwarnings("ignore")
def test_evaluation_goes_through_the_same_hooks(root: Path, fit) -> None:
    data = module(root, workers=1)
    trainer, net = fit(data, 1)
    [(images, labels)] = net.tested
    assert torch.equal(images, data._normalise(next(iter(module(root).val_dataloader()))[0]))
    assert labels.tolist() == data.splits["val"].labels.tolist()
    trainer.test(net, datamodule=data, verbose=False)
    assert net.tested[1][0].dtype == torch.float32
    assert torch.equal(net.tested[1][1], data.test_labels)


@pytest.mark.filterwarnings("ignore")
def test_batches_have_the_type_of_the_trainers_precision(root: Path, fit) -> None:
    _, net = fit(module(root), 1, precision="64-true")
    assert net.seen[0][0].dtype == torch.float64


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("workers", [0, 2])
def test_training_ends_with_the_name_of_a_bad_image(tmp_path: Path, fit, workers: int) -> None:
    listing_of(image_folder(tmp_path))
    path = spoilt(tmp_path, "truncated")
    with pytest.raises(CorruptFileError) as raised:
        fit(module(tmp_path, workers=workers, batch_size=23), 1)
    assert str(raised.value) == f"{path} cannot be read as an image (image file is truncated)"
