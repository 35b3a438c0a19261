"""Downloads from a mirror on this machine."""

from pathlib import Path

import pytest

from lightning_modules.data.download import download
from lightning_modules.errors import CorruptFileError, UserError
from tests.data.conftest import closed_port


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def served(tmp_path: Path) -> Path:
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "one").write_bytes(b"1" * 1000)
    (folder / "two").write_bytes(b"2" * 500)
    return folder


def fetch(mirrors: list[str], cache: Path, names: tuple[str, ...] = ("one", "two"), **changes) -> Path:
    given = {"check": lambda folder: None, "largest": 1000, "timeout_s": 2.0, **changes}
    return download(names, mirrors, cache, **given)


@pytest.mark.parametrize("end", ["", "/"])
def test_a_folder_on_a_mirror(served: Path, tmp_path: Path, serve, end: str) -> None:
    address, _ = serve(served)
    cache = tmp_path / "new" / "cache"
    assert fetch([address.rstrip("/") + end], cache) == cache
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == {"one": b"1" * 1000, "two": b"2" * 500}


def test_the_address_of_the_file_itself(served: Path, tmp_path: Path, serve) -> None:
    address, _ = serve(served)
    fetch([f"{address}one"], tmp_path / "cache", names=("one",))
    assert (tmp_path / "cache" / "one").read_bytes() == b"1" * 1000


@pytest.mark.parametrize(
    "mirror",
    [
        "nowhere",
        "file:///etc",
        "/etc",
        "http://",
        "https:///path",
        "data:text/plain,x",
        "http://[::1",
        "gopher://a/b",
        "http://localhost:port/",
    ],
)
def test_what_is_no_address_is_said_before_anything_is_fetched(
    served: Path, tmp_path: Path, serve, mirror: str
) -> None:
    address, handler = serve(served)
    with pytest.raises(UserError) as raised:
        fetch([address, mirror], tmp_path / "cache")
    assert str(raised.value).startswith(f"data.mirrors={mirror}: not an http(s) address")
    assert handler.requests == 0
    assert not (tmp_path / "cache").exists()


def test_letters_that_no_address_has(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.mirrors=http://127.0.0.1:9/ü: not an address"):
        fetch(["http://127.0.0.1:9/ü"], tmp_path / "cache")


def test_a_time_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.timeout_s=0: must be above 0"):
        fetch([closed_port()], tmp_path / "cache", timeout_s=0)


def test_a_file_that_does_not_end(served: Path, tmp_path: Path, serve) -> None:
    address, _ = serve(served)
    with pytest.raises(CorruptFileError, match="one has more than 999 bytes"):
        fetch([address], tmp_path / "cache", largest=999)
    assert not (tmp_path / "cache").exists()


def test_nothing_reaches_the_cache_before_all_is_checked(served: Path, tmp_path: Path, serve) -> None:
    def check(folder: Path) -> None:
        assert sorted(path.name for path in folder.iterdir()) == ["one", "two"]
        assert not (tmp_path / "cache").exists()
        raise CorruptFileError("two is another")

    with pytest.raises(CorruptFileError, match="two is another"):
        fetch([serve(served)[0]], tmp_path / "cache", check=check)
    assert not (tmp_path / "cache").exists()


def test_the_next_mirror(served: Path, tmp_path: Path, serve) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    fetch([closed_port(), serve(empty)[0], serve(served)[0]], tmp_path / "cache")
    assert (tmp_path / "cache" / "two").read_bytes() == b"2" * 500
    with pytest.raises(OSError, match="404"):
        fetch([closed_port(), serve(empty)[0]], tmp_path / "cache")
