"""Configurations that are kept from one command to the next."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from experiments.suite import compose as composing
from experiments.suite import composed, contract, fields, paths
from experiments.suite.compose import compose
from experiments.suite.composed import outdated, remember, ship
from experiments.suite.paths import CONF
from lightning_modules.errors import UserError

ROW = ("experiment=table3/simple_bypass", "budget=proxy")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setattr(composed, "COMPOSED", tmp_path / "composed")
    composed._new.clear()
    return tmp_path / "composed"


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A conf folder that may be changed."""
    folder = tmp_path / "conf"
    shutil.copytree(CONF, folder)
    monkeypatch.setattr(paths, "CONF", folder)
    new_process()
    yield folder
    new_process()


def new_process() -> None:
    composed.contents.cache_clear()
    composed._shipped.cache_clear()
    fields.declared.cache_clear()
    composed._new.clear()


def cached(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.json"))


def refuse(overrides: Any) -> dict[str, Any]:
    raise AssertionError(f"composed again: {overrides}")


def test_the_second_time_nothing_is_composed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    overrides = ["experiment=table3/simple_bypass", "arch.version=1.1", "recipe.lr=1", "seed=4"]
    first = compose(overrides)
    assert cached(folder) == []  # a mistake found later must leave nothing
    remember()
    assert len(cached(folder)) == 1
    monkeypatch.setattr(composing, "_compose", refuse)
    began = time.monotonic()
    second = compose(overrides)
    assert time.monotonic() - began < 0.5
    assert second == first
    assert repr(second) == repr(first)  # types and order too
    with pytest.raises(AssertionError, match="composed again"):
        compose([*overrides, "arch.freq=3"])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"arch": {"na',
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b'{"config": {}, "files": [1]}',
        b'{"config": {}, "files": []}',
    ],
)
def test_a_damaged_cache_file_is_ignored(folder: Path, content: bytes) -> None:
    first = compose(["seed=7"])
    remember()
    (path,) = cached(folder)
    path.write_bytes(content)
    assert compose(["seed=7"]) == first
    remember()
    assert cached(folder) == [path]
    assert path.read_bytes() != content  # and repaired


def test_a_mistake_is_not_kept(folder: Path) -> None:
    with pytest.raises(UserError):
        compose(["recipe.lr=-1"])
    remember()
    assert cached(folder) == []


def test_without_a_place_for_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("", encoding="ascii")
    monkeypatch.setattr(composed, "COMPOSED", tmp_path / "file" / "composed")
    composed._new.clear()
    assert compose([])["seed"] == 0
    remember()


def test_what_was_composed_of_another_conf_is_forgotten(folder: Path, conf: Path) -> None:
    (folder / "0123").mkdir(parents=True)
    (folder / "0123" / "old.json").write_text("{}", encoding="ascii")
    remember()
    assert len(cached(folder)) == 1  # nothing was composed since
    compose(["arch=squeezenet"])
    compose(["arch=mobilenet_v1"])
    remember()
    assert len(cached(folder)) == 2 and not (folder / "0123").exists()
    edited(conf / "arch" / "squeezenet.yaml", "freq: 2", "freq: 4")
    new_process()
    compose(["arch=alexnet"])
    remember()
    kept = [json.loads(path.read_bytes())["config"]["arch"]["name"] for path in cached(folder)]
    assert sorted(kept) == ["alexnet", "mobilenet_v1"]


def edited(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("arch/squeezenet.yaml", "freq: 2", "freq: 4"),
        ("run.yaml", "seed: 0", "seed: 9"),
        ("experiment/table3/vanilla.yaml", "bypass: none", "bypass: complex"),
        ("recipe/proxy.yaml", "lr: 0.001", "lr: 0.5"),
    ],
)
def test_a_changed_file_is_composed_again_and_what_has_nothing_of_it_is_not(
    folder: Path, conf: Path, file: str, old: str, new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["experiment=table3/vanilla", "budget=smoke"]
    before = compose(asked)
    remember()
    (conf / "arch" / "of_my_own.yaml").write_text("name: x\n", encoding="utf-8")
    new_process()
    with monkeypatch.context() as patched:
        patched.setattr(composing, "_compose", refuse)
        assert compose(asked) == before
    edited(conf / file, old, new)
    new_process()
    assert compose(asked) != before


def test_the_files_are_all_that_a_configuration_is_made_of(folder: Path) -> None:
    """Hydra's list of choices lacks the file itself and what a file takes from another of its group."""
    new_process()
    compose(["experiment=table12/level_2_article", "budget=smoke"])
    (found,) = composed._new.values()
    assert {"run.yaml", "experiment/table12/level_2_article.yaml", "task/landmarks.yaml", "budget/smoke.yaml",
            "hydra/launcher/local.yaml", "recipe/landmarks.yaml"} <= set(found.files)  # fmt: skip
    assert all((CONF / name).is_file() for name in found.files)


@pytest.fixture
def shipped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where what comes with the published tables would be, were they those of this results folder."""
    path = paths.published() / "composed.json"
    monkeypatch.setattr(composed, "SHIPPED", path)
    return path


def test_what_is_shipped_is_not_composed(conf: Path, shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = compose(ROW)
    ship([ROW])
    ship([ROW])  # again, alike
    assert outdated([ROW]) == []
    new_process()
    monkeypatch.setattr(composing, "_compose", refuse)
    assert compose(ROW) == first
    edited(conf / "arch" / "squeezenet.yaml", "freq: 2", "freq: 4")
    new_process()
    assert outdated([ROW, ("arch=alexnet",)]) == [" ".join(ROW)]
    with pytest.raises(AssertionError, match="composed again"):
        compose(ROW)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"experiment=table3/simple_bypass budget=proxy": 1}'])
def test_a_damaged_shipment_only_costs_time(shipped: Path, content: bytes) -> None:
    new_process()
    shipped.parent.mkdir(parents=True)
    shipped.write_bytes(content)
    assert compose(ROW)["arch"]["bypass"] == "simple"
    assert outdated([ROW]) == [" ".join(ROW)]


def test_results_elsewhere_ship_nothing(folder: Path) -> None:
    compose(ROW)
    before = composed.SHIPPED.read_bytes()
    ship([ROW])
    assert composed.SHIPPED.read_bytes() == before and not paths.published().exists()


@pytest.mark.slow
def test_the_shipment_of_this_project_is_what_conf_says(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new_process()
    rows = [
        table.overrides(row) for table in map(contract.load, contract.names()) for row in table.rows if row.implemented
    ]
    fresh = {row: compose(row) for row in rows}
    new_process()
    monkeypatch.setattr(composing, "_compose", refuse)
    assert {row: compose(row) for row in rows} == fresh
    new_process()
