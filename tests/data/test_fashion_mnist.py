"""Fashion-MNIST from each of its sources, whole, broken and absent. No network but this machine."""

import gzip
import socket
import stat
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torchvision

from lightning_modules.data import fashion_mnist
from lightning_modules.errors import CorruptFileError, UserError
from tests.data.conftest import Small, closed_port

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@pytest.fixture(autouse=True)
def _nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the package, apt-get or a proxy."""
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", tmp_path / "debian")
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "mirrors", [])
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def load(small: Small, cache: Path, root: Path | None = None, mirrors: list[str] | None = None, timeout_s: float = 2.0):
    return fashion_mnist.load(root, cache, small.sha256, mirrors, timeout_s)


# A folder


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("inside", ["", "FashionMNIST/raw"])
def test_a_folder_of_ones_own(small: Small, tmp_path: Path, cache: Path, packed: bool, inside: str) -> None:
    small.write(tmp_path / "mine" / inside, packed)
    small.assert_equal(load(small, cache, tmp_path / "mine"))
    assert not cache.exists()


def test_some_files_packed_and_some_not(small: Small, tmp_path: Path, cache: Path) -> None:
    root = small.write(tmp_path / "mine", packed=True)
    (root / f"{LABELS}.gz").unlink()
    (root / LABELS).write_bytes(small.content[LABELS])
    small.assert_equal(load(small, cache, root))


@pytest.mark.parametrize("packed", [True, False])
def test_a_changed_file_is_named(small: Small, tmp_path: Path, cache: Path, packed: bool) -> None:
    root = small.write(tmp_path / "mine", packed)
    path = root / (f"{LABELS}.gz" if packed else LABELS)
    other = bytearray(small.content[LABELS])
    other[-1] ^= 1
    path.write_bytes(gzip.compress(bytes(other)) if packed else bytes(other))
    with pytest.raises(CorruptFileError, match="SHA-256") as raised:
        load(small, cache, root)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("damage", ["truncated", "empty", "not gzip", "flipped"])
def test_a_damaged_archive_is_named(small: Small, tmp_path: Path, cache: Path, damage: str) -> None:
    root = small.write(tmp_path / "mine", packed=True)
    path = root / f"{IMAGES}.gz"
    whole = path.read_bytes()
    flipped = bytearray(whole)
    for position in range(10, 30):  # behind the header: in the compressed stream
        flipped[position] ^= 0xFF
    content = {"truncated": whole[:-20], "empty": b"", "not gzip": b"<html>", "flipped": bytes(flipped)}[damage]
    path.write_bytes(content)
    with pytest.raises(CorruptFileError) as raised:
        load(small, cache, root)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "reason"), [("missing", "not a folder"), ("file", "not a folder"), ("empty", "no Fa")]
)
def test_a_root_that_does_not_hold_it(small: Small, tmp_path: Path, cache: Path, kind: str, reason: str) -> None:
    root = tmp_path / "mine"
    if kind == "file":
        root.write_text("", encoding="ascii")
    if kind == "empty":
        root.mkdir()
    with pytest.raises(UserError, match=reason) as raised:
        load(small, cache, root)
    assert f"data.root={root}" in str(raised.value)
    assert IMAGES in str(raised.value)


def test_a_root_is_never_completed_from_elsewhere(small: Small, tmp_path: Path, cache: Path) -> None:
    small.write(cache, packed=True)
    root = small.write(tmp_path / "mine", packed=True)
    (root / f"{LABELS}.gz").unlink()
    with pytest.raises(UserError, match=r"data\.root"):
        load(small, cache, root)


# In order: Debian's package, the cache, a mirror, apt-get


def test_debians_package_comes_before_the_cache(small: Small, tmp_path: Path, cache: Path) -> None:
    small.write(tmp_path / "debian", packed=True)
    cache.mkdir()
    for name in small.sha256:
        (cache / name).write_bytes(b"wrong")
    small.assert_equal(load(small, cache))


def test_the_cache_comes_before_a_download(small: Small, cache: Path) -> None:
    small.write(cache, packed=True)
    small.assert_equal(load(small, cache, mirrors=[closed_port()]))


def test_a_mirror_fills_the_cache(small: Small, tmp_path: Path, cache: Path, serve) -> None:
    address, mirror = serve(small.write(tmp_path / "served", packed=True))
    small.assert_equal(load(small, cache, mirrors=[address]))
    assert mirror.requests == 4
    assert sorted(path.name for path in cache.iterdir()) == sorted(f"{name}.gz" for name in small.sha256)
    small.assert_equal(load(small, cache, mirrors=[address]))
    assert mirror.requests == 4


def test_without_mirrors_torchvisions_are_asked(
    small: Small, tmp_path: Path, cache: Path, serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, mirror = serve(small.write(tmp_path / "served", packed=True))
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "mirrors", [address])
    small.assert_equal(load(small, cache))
    assert mirror.requests == 4


def test_the_next_mirror_when_one_is_down_or_lacks_a_file(small: Small, tmp_path: Path, cache: Path, serve) -> None:
    partial_folder = small.write(tmp_path / "partial", packed=True)
    (partial_folder / f"{LABELS}.gz").unlink()
    whole, _ = serve(small.write(tmp_path / "served", packed=True))
    small.assert_equal(load(small, cache, mirrors=[closed_port(), serve(partial_folder)[0], whole.rstrip("/")]))


def test_the_next_mirror_when_one_serves_something_else(small: Small, tmp_path: Path, cache: Path, serve) -> None:
    wrong = small.write(tmp_path / "wrong", packed=True)
    (wrong / f"{IMAGES}.gz").write_bytes(gzip.compress(b"a log-in page"))
    whole, _ = serve(small.write(tmp_path / "served", packed=True))
    small.assert_equal(load(small, cache, mirrors=[serve(wrong)[0], whole]))


def test_the_next_mirror_when_one_speaks_no_http(small: Small, tmp_path: Path, cache: Path, serve) -> None:
    odd, _ = serve(tmp_path, garbage=b"220 an FTP server\r\n")
    whole, _ = serve(small.write(tmp_path / "served", packed=True))
    small.assert_equal(load(small, cache, mirrors=[odd, whole]))


def test_a_mirror_that_does_not_answer_is_given_up(small: Small, tmp_path: Path, cache: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        with pytest.raises(UserError, match="timed out"):
            load(small, cache, mirrors=[f"http://127.0.0.1:{silent.getsockname()[1]}"], timeout_s=0.2)
        assert 0.2 <= time.monotonic() - began < 2
    assert not cache.exists()


def test_an_address_that_is_none(small: Small, cache: Path) -> None:
    with pytest.raises(UserError, match=r"data\.mirrors=nowhere"):
        load(small, cache, mirrors=["nowhere"])


def test_nothing_works(small: Small, cache: Path) -> None:
    with pytest.raises(UserError) as raised:
        load(small, cache, mirrors=[closed_port()])
    message = str(raised.value)
    assert "\n" not in message
    for way in (
        "download: ", "refused", "apt-get download: ", "apt-get install dataset-fashion-mnist",
        str(cache), f"{IMAGES}.gz", "data.root=", "data.mirrors=",
    ):  # fmt: skip
        assert way in message
    assert not cache.exists()


def script(folder: Path, name: str, code: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!{sys.executable}\nimport pathlib, shutil, sys\n{code}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_apt_get_without_root(small: Small, tmp_path: Path, cache: Path) -> None:
    served = small.write(tmp_path / "served", packed=True)
    log, inside = tmp_path / "log", str(fashion_mnist.DEBIAN_FOLDER).lstrip("/")
    note = f"pathlib.Path({str(log)!r}).open('a').write(' '.join(sys.argv[1:]) + '\\n')"
    script(tmp_path / "bin", "apt-get", f"{note}\npathlib.Path('{fashion_mnist.DEBIAN_PACKAGE}_1_all.deb').touch()")
    script(tmp_path / "bin", "dpkg", f"{note}\nshutil.copytree({str(served)!r}, pathlib.Path(sys.argv[3], {inside!r}))")
    small.assert_equal(load(small, cache, mirrors=[closed_port()]))
    assert log.read_text(encoding="utf-8").splitlines() == [
        "download dataset-fashion-mnist",
        "-x dataset-fashion-mnist_1_all.deb unpacked",
    ]
    assert sorted(path.name for path in cache.iterdir()) == sorted(f"{name}.gz" for name in small.sha256)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("sys.exit('E: first\\nE: Unable to locate package dataset-fashion-mnist')", "E: Unable to locate package"),
        ("sys.exit(100)", "apt-get download: "),
        ("", "apt-get download: "),  # says it worked, leaves no file
    ],
)
def test_apt_get_that_fails(small: Small, tmp_path: Path, cache: Path, code: str, reason: str) -> None:
    script(tmp_path / "bin", "apt-get", code)
    with pytest.raises(UserError, match=reason) as raised:
        load(small, cache, mirrors=[closed_port()])
    assert "\n" not in str(raised.value)


# The real thing


def test_the_real_data(real: dict[str, np.ndarray]) -> None:
    images, labels, test_images, test_labels = real.values()
    assert images.shape == (60_000, 28, 28)
    assert test_images.shape == (10_000, 28, 28)
    assert np.bincount(labels).tolist() == [6000] * 10
    assert np.bincount(test_labels).tolist() == [1000] * 10
    assert {array.dtype for array in real.values()} == {np.dtype(np.uint8)}


def test_the_normalisation_is_that_of_the_training_images(real: dict[str, np.ndarray]) -> None:
    from tests.data.conftest import conf

    shares = real[IMAGES][::10].astype(np.float64) / 255
    assert shares.mean() == pytest.approx(conf()["mean"][0], abs=0.005)
    assert shares.std() == pytest.approx(conf()["std"][0], abs=0.005)
