"""Random areas and colours of pictures that are decoded while training, against torchvision."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from lightning_modules.data.build import build_data
from lightning_modules.data.folder import FolderImages
from lightning_modules.errors import CorruptFileError, UserError
from lightning_modules.random_streams import stream_seed
from tests.data.conftest import conf
from tests.data.folders import image_folder
from tests.tiny import recipe

SIZE, RESIZE, SEED = 8, 12, 3
ALL = {"train_images": None, "val_images": None, "test_images": None}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image_folder(tmp_path_factory.mktemp("folder"))


def module(root: Path, augment: dict[str, Any], **changes: Any) -> FolderImages:
    small = {"root": str(root), "size": SIZE, "resize": RESIZE, "validation": {"share": 0.2, "seed": 0}}
    given = recipe(augment={"crop_padding": 0, "flip": True, **augment})
    data = build_data({**conf("image_folder"), **small, **changes}, given, ALL, SEED, root / "cache", workers=0)
    assert isinstance(data, FolderImages)
    return data


def first(root: Path, epoch: int = 0, **augment: Any) -> Tensor:
    """The first training image, (3, SIZE, SIZE) uint8."""
    example = module(root, augment).splits["train"][epoch, 0]
    assert not isinstance(example, CorruptFileError)
    return example[0]


@pytest.mark.parametrize("colours", [{}, {"color_jitter": 0.4}])
def test_area_and_colours_are_torchvisions(root: Path, colours: dict[str, float]) -> None:
    reference = [v2.RandomResizedCrop(SIZE, scale=(0.3, 0.5)), v2.RandomHorizontalFlip(0.5)]
    reference += [v2.ColorJitter(0.4, 0.4, 0.4)] if colours else []
    path = root / module(root, {}).splits["train"].paths[0].decode()
    for epoch in range(4):
        with torch.random.fork_rng(devices=[]), Image.open(path) as image:
            torch.default_generator.manual_seed(stream_seed(SEED, epoch, 0, "augment"))
            expected = v2.functional.pil_to_tensor(v2.Compose(reference)(image.convert("RGB")))
        assert torch.equal(first(root, epoch, crop_area=[0.3, 0.5], **colours), expected)


@pytest.mark.parametrize("colours", [{"color_jitter": 0.4}, {"lighting": 0.5}])
def test_colours_are_a_function_of_seed_epoch_and_example(root: Path, colours: dict[str, float]) -> None:
    found = [first(root, epoch, **colours) for epoch in range(4)]
    assert all(torch.equal(image, first(root, epoch, **colours)) for epoch, image in enumerate(found))
    assert all(not torch.equal(image, first(root, epoch)) for epoch, image in enumerate(found))


def test_lighting_shifts_the_whole_picture(root: Path) -> None:
    found, plain = first(root, lighting=0.3).int(), first(root).int()
    for channel, before in zip(found, plain, strict=True):
        whole = (channel > 0) & (channel < 255)
        assert whole.sum() > SIZE and len(set((channel - before)[whole].tolist())) == 1


def test_evaluation_has_no_colours(root: Path) -> None:
    wild = module(root, {"crop_area": [0.1, 0.2], "color_jitter": 0.9, "lighting": 0.9})
    for split in ("val", "test"):
        (images, _), (expected, _) = (
            next(iter(getattr(data, f"{split}_dataloader")())) for data in (wild, module(root, {}))
        )
        assert torch.equal(images, expected)


def test_grey_pictures_have_no_lighting(root: Path) -> None:
    with pytest.raises(UserError, match=r"^recipe\.augment\.lighting=0\.1: shifts colours, and data\.channels=1 has"):
        module(root, {"lighting": 0.1}, channels=1, mean=[0.5], std=[0.5])


def test_grey_pictures_have_brightness_and_contrast(root: Path) -> None:
    pictures = module(root, {"color_jitter": 0.4}, channels=1, mean=[0.5], std=[0.5]).splits["train"]
    plain = module(root, {}, channels=1, mean=[0.5], std=[0.5]).splits["train"]
    found, before = pictures[0, 0], plain[0, 0]
    assert not isinstance(found, CorruptFileError) and not isinstance(before, CorruptFileError)
    assert found[0].shape == (1, SIZE, SIZE) and not torch.equal(found[0], before[0])
