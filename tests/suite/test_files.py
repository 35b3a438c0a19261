"""Files that are whole or absent."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from experiments.suite.files import read_json, write_json, write_text
from lightning_modules.errors import CorruptFileError


def test_a_file_and_the_folders_above_it(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.txt"
    write_text(path, "größer × 2\n")
    assert path.read_bytes() == "größer × 2\n".encode()
    write_text(path, "second")
    assert path.read_text(encoding="utf-8") == "second"
    assert list(path.parent.iterdir()) == [path]


def test_others_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "")
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("broken", ["fsync", "chmod", "replace"])
@pytest.mark.parametrize("error", [OSError("no space left"), KeyboardInterrupt()])
def test_an_end_in_between_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str, error: BaseException
) -> None:
    path = tmp_path / "file"
    write_text(path, "old")

    def fail(*arguments: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr(os if broken == "fsync" else Path, broken, fail)
    with pytest.raises(type(error)):
        write_text(path, "new")
    monkeypatch.undo()
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_never_sees_half_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_text(path, "old" * 10_000)
    seen = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (fsync(handle), seen.append(path.read_text(encoding="utf-8"))))
    write_text(path, "new" * 10_000)
    assert seen == ["old" * 10_000]


def test_json_there_and_back(tmp_path: Path) -> None:
    value = {"name": "größe", "numbers": [1, 1.5, -0.1, 1e-300], "none": None, "flag": True}
    for indent in (1, None):
        write_json(tmp_path / "value.json", value, indent)
        assert read_json(tmp_path / "value.json") == value
        text = (tmp_path / "value.json").read_text(encoding="utf-8")
        assert text.endswith("\n")
        assert "größe" in text
        assert (text.count("\n") == 1) is (indent is None)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_json_has_no_word_for_is_not_written(tmp_path: Path, number: float) -> None:
    path = tmp_path / "value.json"
    write_json(path, {"loss": 1.0})
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"loss": number})
    assert json.loads(path.read_text(encoding="utf-8")) == {"loss": 1.0}


@pytest.mark.parametrize("content", [b"", b'{"a": 1', b"\xff\xfe\0", b"{'a': 1}", b"[" * 100_000])
def test_a_file_that_is_no_json_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "value.json"
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"value\.json is not valid JSON") as raised:
        read_json(path)
    assert "\n" not in str(raised.value)


def test_an_absent_file_is_absent(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "value.json")
