"""CIFAR-10 and CIFAR-100 in small, in the true files: read like torchvision reads them, and nothing else read."""

import gzip
import hashlib
import io
import os
import pickle
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision

from lightning_modules.data import cifar, split
from lightning_modules.data.build import build_data, summary
from lightning_modules.data.cifar import CIFAR10, CIFAR100, Images, Release
from lightning_modules.errors import CorruptFileError, UserError
from tests.data import python2
from tests.data.conftest import closed_port, conf
from tests.tiny import recipe

TORCHVISION = {CIFAR10: torchvision.datasets.CIFAR10, CIFAR100: torchvision.datasets.CIFAR100}
CONF = {CIFAR10: conf("cifar10"), CIFAR100: conf("cifar100")}
RELEASES = pytest.mark.parametrize("release", [CIFAR10, CIFAR100], ids=["10", "100"])


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@dataclass(frozen=True)
class Small:
    """Twelve images a file, in the files of ``release``."""

    release: Release
    content: dict[str, bytes]

    @property
    def md5(self) -> dict[str, str]:
        return {name: hashlib.md5(content).hexdigest() for name, content in self.content.items()}

    def folder(self, root: Path) -> Path:
        """As torchvision unpacks it."""
        (root / self.release.folder).mkdir(parents=True)
        for name, content in self.content.items():
            (root / self.release.folder / name).write_bytes(content)
        return root

    def archive(self, root: Path, **more: bytes | tarfile.TarInfo) -> Path:
        """As its authors packed it, with other members put before."""
        root.mkdir(parents=True, exist_ok=True)
        with tarfile.open(root / self.release.archive, "w:gz") as archive:
            for name, content in {**more, **self.members}.items():
                info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
                if isinstance(content, bytes):
                    info.size = len(content)
                archive.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
        return root

    @property
    def members(self) -> dict[str, bytes]:
        named = {f"{self.release.folder}/{name}": content for name, content in self.content.items()}
        return {f"{self.release.folder}/readme.html": b"<html>", **named}

    def load(self, cache: Path, root: Path | None = None, mirrors: list[str] | None = None) -> Images:
        archive = cache.parent / "served" / self.release.archive
        digest = hashlib.sha256(archive.read_bytes()).hexdigest() if archive.is_file() else ""
        return cifar.load(self.release, root, cache, {self.release.archive: digest}, self.md5, mirrors, 2.0)


def small(release: Release) -> Small:
    generator = np.random.default_rng(0)
    classes = CONF[release]["classes"]
    content = {}
    for name in (*release.train, *release.test):
        labels = generator.integers(0, len(classes), 12).tolist()
        batch = {b"batch_label": name.encode(), release.labels: labels}
        batch[b"data"] = generator.integers(0, 256, (12, 3072), dtype=np.uint8)
        batch[b"filenames"] = [b"image_%02d.png" % number for number in range(12)]
        if release is CIFAR100:
            batch[b"coarse_labels"] = [label % 20 for label in labels]
        content[name] = python2.dumps(batch)
    names = [name.encode() for name in classes]
    content[release.meta] = python2.dumps({b"num_cases_per_batch": 12, release.names: names, b"num_vis": 3072})
    return Small(release, content)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def assert_equal(found: Images, data: Small, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    """To what torchvision reads from the same files."""
    kind = TORCHVISION[data.release]
    monkeypatch.setattr(kind, "train_list", [[name, data.md5[name]] for name in data.release.train])
    monkeypatch.setattr(kind, "test_list", [[name, data.md5[name]] for name in data.release.test])
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": data.md5[data.release.meta]})
    for train, (images, labels) in ((True, found.train), (False, found.test)):
        expected = kind(str(root), train=train)
        assert images.dtype == np.uint8
        np.testing.assert_array_equal(images, expected.data)
        assert labels.tolist() == expected.targets
        assert found.classes == expected.classes


# Where it may lie


@RELEASES
@pytest.mark.parametrize("packed", [True, False])
def test_what_torchvision_reads(
    release: Release, packed: bool, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = small(release)
    folder = data.folder(tmp_path / "folder")
    found = data.load(cache, data.archive(tmp_path / "packed") if packed else folder)
    assert_equal(found, data, monkeypatch, folder)
    assert len(found.train[0]) == 12 * len(release.train)
    assert not cache.exists()


def test_the_folder_of_the_files_itself(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = small(CIFAR10)
    root = data.folder(tmp_path)
    assert_equal(data.load(cache, root / "cifar-10-batches-py"), data, monkeypatch, root)


@RELEASES
def test_a_mirror_fills_the_cache(
    release: Release, tmp_path: Path, cache: Path, serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = small(release)
    address, handler = serve(data.archive(tmp_path / "served"))
    assert_equal(data.load(cache, mirrors=[address]), data, monkeypatch, data.folder(tmp_path / "folder"))
    assert [path.name for path in cache.iterdir()] == [release.archive]
    data.load(cache, mirrors=[closed_port()])
    assert handler.requests == 1


@RELEASES
def test_without_mirrors_torchvisions_is_asked(
    release: Release, tmp_path: Path, cache: Path, serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = small(release)
    address, handler = serve(data.archive(tmp_path / "served"))
    monkeypatch.setattr(TORCHVISION[release], "url", f"{address}{release.archive}")
    data.load(cache)
    assert handler.requests == 1


def test_an_archive_that_is_another_does_not_reach_the_cache(tmp_path: Path, cache: Path, serve) -> None:
    data = small(CIFAR10)
    (data.archive(tmp_path / "served") / CIFAR10.archive).write_bytes(gzip.compress(b"a log-in page"))
    digest = {CIFAR10.archive: "0" * 64}
    with pytest.raises(UserError, match=r"not found \(download: cifar-10-python\.tar\.gz is not the published"):
        cifar.load(CIFAR10, None, cache, digest, data.md5, [serve(tmp_path / "served")[0]], 2.0)
    assert not cache.exists()


def test_nowhere(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(UserError, match="CIFAR-10 not found") as raised:
        small(CIFAR10).load(cache, mirrors=[closed_port()])
    for way in ("refused", str(cache), CIFAR10.archive, "data.root=", "data.mirrors="):
        assert way in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "reason"), [("missing", "not a folder"), ("file", "not a folder"), ("empty", "no CIFAR-10 there")]
)
def test_a_root_that_does_not_hold_it(tmp_path: Path, cache: Path, kind: str, reason: str) -> None:
    small(CIFAR10).archive(cache)  # a root is never completed from elsewhere
    root = tmp_path / "mine"
    if kind == "file":
        root.write_text("", encoding="ascii")
    if kind == "empty":
        root.mkdir()
    with pytest.raises(UserError, match=reason) as raised:
        small(CIFAR10).load(cache, root)
    assert str(raised.value).startswith(f"data.root={root}: ")
    assert CIFAR10.archive in str(raised.value)


# What is not as published


@pytest.mark.parametrize("packed", [True, False])
def test_a_changed_file_is_named(tmp_path: Path, cache: Path, packed: bool) -> None:
    data = small(CIFAR10)
    other = bytearray(data.content["data_batch_3"])
    other[-200] ^= 1
    changed = Small(CIFAR10, {**data.content, "data_batch_3": bytes(other)})
    root = changed.archive(tmp_path / "mine") if packed else changed.folder(tmp_path / "mine")
    with pytest.raises(CorruptFileError, match=r"data_batch_3 is not the published file \(its MD5 differs\)") as raised:
        data.load(cache, root)
    assert str(root) in str(raised.value)


@pytest.mark.parametrize("damage", ["truncated", "empty", "not gzip", "not tar", "without one"])
def test_a_damaged_archive_is_named(tmp_path: Path, cache: Path, damage: str) -> None:
    data = small(CIFAR10)
    root = data.archive(tmp_path / "mine")
    path = root / CIFAR10.archive
    whole = path.read_bytes()
    content = {
        "truncated": whole[: len(whole) // 2],
        "empty": b"",
        "not gzip": b"<html>",
        "not tar": gzip.compress(whole),
    }
    if damage == "without one":
        Small(CIFAR10, {name: data.content[name] for name in data.content if name != "test_batch"}).archive(root)
    else:
        path.write_bytes(content[damage])
    with pytest.raises(CorruptFileError) as raised:
        data.load(cache, root)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert (damage == "without one") == ("has no test_batch" in str(raised.value))


def link(name: str, to: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info


def test_an_archive_can_write_nothing_and_reads_no_other_file(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, evil = small(CIFAR10), b"evil"
    member = f"{CIFAR10.folder}/data_batch_1"
    root = data.archive(
        tmp_path / "mine" / "root",
        **{
            "../evil": evil,
            f"{tmp_path}/absolute": evil,
            f"{CIFAR10.folder}/../../evil": evil,
            f"other/{member}": evil,
            "link": link(member, "/etc/passwd"),  # a link that is named like a file of the data set, before that
            "hard link": link(member, "../evil", tarfile.LNKTYPE),
            "folder": link(member, "", tarfile.DIRTYPE),
        },
    )
    with tarfile.open(root / CIFAR10.archive) as archive:
        assert {"../evil", f"{tmp_path}/absolute".lstrip("/"), member} <= {
            name.lstrip("/") for name in archive.getnames()
        }
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path / "mine")
    found = data.load(cache, root)
    assert sorted(tmp_path.rglob("*")) == before
    assert_equal(found, data, monkeypatch, data.folder(tmp_path / "folder"))


def test_a_link_in_the_place_of_a_file(tmp_path: Path, cache: Path) -> None:
    data = small(CIFAR10)
    rest = Small(CIFAR10, {name: data.content[name] for name in data.content if name != "data_batch_1"})
    secret = tmp_path / "secret"
    secret.write_bytes(data.content["data_batch_1"])
    root = rest.archive(tmp_path / "mine", link=link(f"{CIFAR10.folder}/data_batch_1", str(secret)))
    with pytest.raises(CorruptFileError, match="has no data_batch_1"):
        data.load(cache, root)


def test_what_unpacks_to_too_much(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = small(CIFAR10)
    monkeypatch.setattr(cifar, "LARGEST_FILE", 2**20)
    data.load(cache, data.archive(tmp_path / "mine"))
    with pytest.raises(CorruptFileError, match="is larger than the published"):
        data.load(cache, data.archive(tmp_path / "bomb", bomb=bytes(2**20)))
    with pytest.raises(CorruptFileError, match="has no "):
        data.load(cache, data.archive(tmp_path / "many", **{f"{number}": b"" for number in range(200)}))
    monkeypatch.setattr(cifar, "LARGEST_FILE", 1000)
    with pytest.raises(CorruptFileError, match="data_batch_1 is larger than the published"):
        data.load(cache, data.folder(tmp_path / "folder"))


class Runs:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


def test_a_file_that_would_run_something(tmp_path: Path, cache: Path) -> None:
    data = small(CIFAR10)
    evil = pickle.dumps({b"data": Runs(tmp_path / "ran"), b"labels": []}, protocol=2)
    bad = Small(CIFAR10, {**data.content, "data_batch_2": evil})
    with pytest.raises(CorruptFileError, match=r"data_batch_2 holds more than data \(GLOBAL"):
        bad.load(cache, bad.folder(tmp_path / "mine"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("batch", "reason"),
    [
        ([], "has no data"),
        ({b"data": b"", b"labels": []}, "holds no images of 3 x 32 x 32 bytes"),
        ({b"data": np.ones((2, 3071), np.uint8), b"labels": [1, 2]}, "holds no images of 3 x 32 x 32 bytes"),
        ({b"data": np.ones((2, 3072), np.uint8)}, "has no labels"),
        ({b"data": np.ones((2, 3072), np.uint8), b"labels": [1]}, "holds no label for each of its 2 images"),
        ({b"data": np.ones((2, 3072), np.uint8), b"labels": [1, None]}, "holds no label for each of its 2 images"),
    ],
)
def test_a_file_that_holds_something_else(batch: Any, reason: str, tmp_path: Path, cache: Path) -> None:
    bad = Small(CIFAR10, {**small(CIFAR10).content, "test_batch": python2.dumps(batch)})
    with pytest.raises(CorruptFileError, match=f"test_batch {reason}"):
        bad.load(cache, bad.folder(tmp_path / "mine"))


# The configuration


@RELEASES
def test_the_checksums_are_those_that_torchvision_has(release: Release) -> None:
    kind, data = TORCHVISION[release], CONF[release]
    meta = {kind.meta["filename"]: kind.meta["md5"]}
    published = dict(kind.train_list + kind.test_list) | meta
    assert data["md5"] == published
    assert list(data["md5"]) == list(release.files)
    assert list(data["sha256"]) == [release.archive] == [kind.filename]
    assert (release.folder, release.names.decode()) == (kind.base_folder, kind.meta["key"])


def test_the_classes() -> None:
    for data in CONF.values():
        assert len(set(data["classes"])) == data["num_classes"]
        assert data["classes"] == sorted(data["classes"])
        assert all(isinstance(name, str) for name in data["classes"])


@RELEASES
def test_as_a_data_module(release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = small(release)
    images = 12 * len(release.train)
    name = CONF[release]["name"]
    monkeypatch.setattr(split, "FOLDER", tmp_path / "splits")
    digest = split.store(name, split.draw_any(images, 4, 0))
    given = {**CONF[release], "md5": data.md5, "root": str(data.folder(tmp_path / "mine"))}
    given["validation"] = {"images": 4, "seed": 0, "sha256": digest}
    budget = {"train_images": None, "val_images": None, "test_images": 5}
    module = build_data(given, recipe(batch_size=8), budget, 0, tmp_path)
    assert (module.in_channels, module.num_classes, module.train_images) == (
        3,
        CONF[release]["num_classes"],
        images - 4,
    )
    assert next(iter(module.train_dataloader()))[0].shape == (8, 3, 32, 32)
    test = data.load(tmp_path / "cache", tmp_path / "mine").test
    assert module.test_labels.tolist() == test[1][:5].tolist()
    np.testing.assert_array_equal(module.test_picture(3), test[0][3])
    assert summary(given, tmp_path) == f"{images} + 12 images, checksums right"
    with pytest.raises(UserError, match=r"data\.classes=.*: the files name them a"):
        build_data({**given, "classes": ["x", *given["classes"][1:]]}, recipe(), budget, 0, tmp_path)
