"""What an image folder holds."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from torchvision.datasets import ImageFolder

from lightning_modules.data.listing import Listing, content_id, listing_of
from lightning_modules.errors import UserError
from tests.data.conftest import conf
from tests.data.folders import TEST, TRAIN, blank_folder, image_folder


def again(root: Path) -> Listing:
    """Listed anew, as another process would."""
    listing_of.cache_clear()
    return listing_of(root)


def refused(root: Path) -> str:
    with pytest.raises(UserError) as raised:
        listing_of(root)
    message = str(raised.value)
    assert message.startswith(f"data.root={root}: ")
    assert "\n" not in message
    return message.removeprefix(f"data.root={root}: ")


def test_classes_files_and_labels_are_torchvisions(tmp_path: Path) -> None:
    root = image_folder(tmp_path)
    (root / "train" / "bee" / "deeper").mkdir()
    (root / "train" / "bee" / "bee_1.JPEG").rename(root / "train" / "bee" / "deeper" / "a.JPEG")
    found = listing_of(root)
    assert found.classes == tuple(sorted(TRAIN))
    for split, files in (("train", found.train), ("val", found.test)):
        expected = ImageFolder(str(root / split))
        assert list(found.classes) == expected.classes
        assert [
            (str(root / path), label) for path, label in zip(files.paths, files.labels, strict=True)
        ] == expected.imgs
    assert (len(found.train), len(found.test)) == (sum(TRAIN.values()), sum(TEST.values()))


def test_what_is_passed_over(tmp_path: Path) -> None:
    root = blank_folder(tmp_path)
    before = again(root)
    for extra in ("README.txt", "train/README.md", "train/ant/list.csv", "train/ant/.hidden.png", "train/bee/._0.png"):
        (root / extra).touch()
    (root / "train" / ".cache").mkdir()
    (root / "train" / ".cache" / "0.png").touch()
    assert again(root) == before


def test_every_ending_of_an_image_counts(tmp_path: Path) -> None:
    root = blank_folder(tmp_path)
    for ending in ("JPEG", "jpg", "PNG", "ppm", "bmp", "pgm", "tif", "tiff", "webp"):
        (root / "train" / "ant" / f"more.{ending}").touch()
    assert len(listing_of(root).train) == sum(TRAIN.values()) + 9


def test_test_is_read_where_there_is_no_val(tmp_path: Path) -> None:
    root = image_folder(tmp_path, tested="test")
    assert {path.split("/")[0] for path in listing_of(root).test.paths} == {"test"}
    blank_folder(tmp_path / "other")
    image_folder(tmp_path / "other", tested="test")
    assert {path.split("/")[0] for path in listing_of(tmp_path / "other").test.paths} == {"val"}


def test_the_digest_is_of_names_and_sizes_alone(tmp_path: Path) -> None:
    root = blank_folder(tmp_path / "one")
    first = again(root)
    assert again(blank_folder(tmp_path / "two")).sha256 == first.sha256  # wherever it lies
    os.utime(root / "train" / "ant" / "0.png", (0, 0))
    assert again(root).sha256 == first.sha256
    seen = {first.sha256}
    (root / "train" / "ant" / "0.png").write_bytes(b"x")
    seen.add(again(root).sha256)
    (root / "train" / "ant" / "0.png").rename(root / "train" / "ant" / "00.png")
    seen.add(again(root).sha256)
    (root / "train" / "ant" / "00.png").rename(root / "train" / "bee" / "00.png")
    seen.add(again(root).sha256)
    (root / "val" / "ant" / "more.png").touch()
    seen.add(again(root).sha256)
    assert len(seen) == 5


def test_it_is_listed_once(tmp_path: Path) -> None:
    root = blank_folder(tmp_path)
    first = listing_of(root)
    (root / "train" / "ant" / "more.png").touch()
    assert listing_of(root) is first


def test_links(tmp_path: Path) -> None:
    """Of classes and of files: how people make a subset. Below a class they are not followed: they may form a ring."""
    whole = blank_folder(tmp_path / "whole")
    linked = tmp_path / "linked"
    for split in ("train", "val"):
        (linked / split).mkdir(parents=True)
        for name in TRAIN:
            (linked / split / name).symlink_to(whole / split / name)
    assert listing_of(linked).sha256 == listing_of(whole).sha256
    (whole / "train" / "ant" / "ring").symlink_to(whole / "train")
    assert len(again(linked).train) == sum(TRAIN.values())
    (whole / "train" / "ant" / "linked.png").symlink_to(whole / "train" / "ant" / "0.png")
    assert len(again(linked).train) == sum(TRAIN.values()) + 1
    (whole / "train" / "ant" / "0.png").unlink()
    listing_of.cache_clear()
    assert refused(linked) == "train/ant/linked.png is no file, or a link to none"


def test_a_name_that_is_no_unicode(tmp_path: Path) -> None:
    root = blank_folder(tmp_path)
    odd = os.fsdecode(b"train/ant/\xff\xfe.png")
    try:
        (root / odd).touch()
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    assert odd in listing_of(root).train.paths


# Mistakes


def test_a_root_that_is_no_folder(tmp_path: Path) -> None:
    layout = "it must hold train/<class>/* and val/<class>/* (or test)"
    assert refused(tmp_path / "nowhere") == f"no such folder; {layout}"
    (tmp_path / "file").touch()
    assert refused(tmp_path / "file") == f"not a folder; {layout}"
    assert refused(tmp_path) == f"has no train folder; {layout}"
    blank_folder(tmp_path / "one", test={})
    assert refused(tmp_path / "one") == f"has no val or test folder; {layout}"
    (tmp_path / "one" / "val").mkdir()
    (tmp_path / "one" / "val" / "0.png").touch()
    assert refused(tmp_path / "one") == f"val has no class folders; {layout}"


def test_classes_that_differ(tmp_path: Path) -> None:
    one = blank_folder(tmp_path / "one", train={**TRAIN, "dog": 1})
    assert refused(one) == "train has class folders that val has not: dog"
    other = blank_folder(tmp_path / "other", test={**TEST, **dict.fromkeys("vwxyz", 1)})
    assert refused(other) == "val has class folders that train has not: v, w, x and 2 more"


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_class_without_images(tmp_path: Path, split: str) -> None:
    root = blank_folder(tmp_path)
    for path in (root / split / "bee").iterdir():
        path.rename(path.with_suffix(".txt"))
    assert refused(root).startswith(f"{split}/bee has no images; a class needs some (.jpg, ")


def test_a_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = blank_folder(tmp_path)
    scandir = os.scandir

    def guarded(path: Path):
        if Path(path).name == "bee":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    assert refused(root).startswith("cannot be listed ([Errno 13] Permission denied: ")


# What stands for it in a run's name


def test_the_id_of_a_folder_is_its_listing(tmp_path: Path) -> None:
    data = conf("image_folder")
    assert content_id(data) is None
    root = blank_folder(tmp_path)
    assert content_id({**data, "root": str(root)}) == listing_of(root).sha256
    assert content_id({**conf("imagenet"), "root": str(root)}) == listing_of(root).sha256
    with pytest.raises(UserError, match=r"data\.root=/nowhere: no such folder"):
        content_id({**data, "root": "/nowhere"})


def test_the_published_folder_needs_none(tmp_path: Path) -> None:
    published = {"train": sum(TRAIN.values()), "val": sum(TEST.values())}
    data = {**conf("imagenet"), "root": str(blank_folder(tmp_path)), "num_classes": 3, "images": published}
    assert content_id(data) is None
    digest = listing_of(tmp_path).sha256
    assert content_id({**data, "num_classes": 4}) == digest
    assert content_id({**data, "images": {**published, "train": 1}}) == digest
    assert content_id({**data, "images": {**published, "val": 1}}) == digest


def test_a_data_set_that_is_no_folder_has_none() -> None:
    for name in ("fashion_mnist", "cifar10"):
        assert content_id({**conf(name), "root": "/nowhere"}) is None


def test_the_published_counts() -> None:
    data = conf("imagenet")
    assert (data["num_classes"], data["images"]) == (1000, {"train": 1_281_167, "val": 50_000})


def test_it_needs_no_torch() -> None:
    code = "import sys, lightning_modules.data.listing, lightning_modules.data.folder_split; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_many_files_take_no_time(tmp_path: Path) -> None:
    blank_folder(tmp_path, train=dict.fromkeys("abcd", 1000), test=dict.fromkeys("abcd", 1))
    began = time.perf_counter()
    assert len(listing_of(tmp_path).train) == 4000
    assert time.perf_counter() - began < 1
