"""Records there and back, and everything that is no record."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.suite.files import write_json
from experiments.suite.record import SCHEMA, pack_bits, read, unpack
from lightning_modules.errors import CorruptFileError
from tests.suite.records import made

TOP1 = "test/top1_acc"


def content(**changes: Any) -> dict[str, Any]:
    """A record's JSON with changes, each ``part__field`` (or deeper)."""
    bits = np.array([True, False, True])
    value = json.loads(json.dumps(made(3, {TOP1: 60.0}, per_example={TOP1: bits}).to_json()))
    for name, change in changes.items():
        *way, last = name.split("__")
        place = value
        for part in way:
            place = place[part]
        if change is None:
            del place[last]
        else:
            place[last] = change
    return value


def written(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def test_there_and_back(tmp_path: Path) -> None:
    record = made(3, {TOP1: 60.0, "val/loss": 0.5}, per_example={TOP1: np.array([True, False, True])})
    write_json(tmp_path / "record.json", record.to_json())
    found = read(tmp_path / "record.json")
    assert found == record
    assert (found.run_id, found.seed, found.status) == (record.provenance["run_id"], 3, "done")
    assert found.metrics == {TOP1: 60.0, "val/loss": 0.5}
    assert found.to_json()["schema"] == SCHEMA == 1
    assert list(found.to_json()) == ["schema", "result", "cost", "config", "provenance"]


# One number an example


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 1000])
def test_bits_there_and_back(size: int) -> None:
    bits = np.random.default_rng(size).random(size) < 0.3
    stored = json.loads(json.dumps(pack_bits(bits, scale=100.0)))
    assert stored["n"] == size
    assert len(base64.b64decode(stored["bits"])) == (size + 7) // 8
    found = unpack(stored)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, 100.0 * bits)


def test_bits_stand_for_one_unless_said() -> None:
    np.testing.assert_array_equal(unpack(pack_bits(np.array([1, 0, 1]))), [1.0, 0.0, 1.0])
    assert unpack({"bits": "gA==", "n": 2}).tolist() == [1.0, 0.0]


def test_values_are_kept_as_they_are() -> None:
    found = unpack({"values": [0.25, 3, -1.5]})
    assert found.dtype == np.float64
    assert found.tolist() == [0.25, 3.0, -1.5]


def test_per_example_results_are_those_the_run_kept() -> None:
    record = made(0, {TOP1: 50.0}, per_example={TOP1: np.array([True, False]), "test/nme": np.array([0.1, 0.2])})

    def example(metric: str) -> Any:
        found = record.per_example(metric)
        return None if found is None else found.tolist()

    assert example(TOP1) == [100.0, 0.0]
    assert example("test/nme") == [0.1, 0.2]
    assert example("test/top1_err") is None
    assert example("test/top5_acc") is None


# No records


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema": None}, "schema None"),
        ({"schema": 0}, "schema 0"),
        ({"schema": SCHEMA + 1}, "schema 2, this version reads 1 to 1"),
        ({"schema": "1"}, "schema '1'"),
        ({"result": None}, "no result"),
        ({"cost": None}, "no cost"),
        ({"config": []}, "no config"),
        ({"provenance": None}, "no provenance"),
        ({"provenance__run_id": None}, r"no provenance\.run_id"),
        ({"provenance__run_id": 5}, r"no provenance\.run_id"),
        ({"provenance__seed": "3"}, r"no provenance\.seed"),
        ({"result__status": None}, r"no result\.status"),
        ({"result__status": "finished"}, r"result\.status is 'finished'"),
        ({"result__metrics": None}, r"no result\.metrics"),
        ({"result__metrics": {}}, r"result\.metrics is empty"),
        ({"result__metrics__val/loss": "low"}, r"result\.metrics\.val/loss is no number"),
        ({"result__metrics__val/loss": [1.0]}, r"result\.metrics\.val/loss is no number"),
        ({"result__metrics__val/loss": float("nan")}, r"result\.metrics\.val/loss is no number"),
        ({"result__curves": None}, r"no result\.curves"),
        ({"result__per_example": None}, r"no result\.per_example"),
        ({"result__per_example__x": {"bits": "!!!", "n": 3}}, r"result\.per_example\.x is damaged"),
        ({"result__per_example__x": {"bits": "gA=="}}, r"result\.per_example\.x is damaged"),
        ({"result__per_example__x": {"bits": "gA==", "n": 20}}, r"result\.per_example\.x is damaged"),
        ({"result__per_example__x": {"bits": "gA==", "n": -1}}, r"result\.per_example\.x is damaged"),
        ({"result__per_example__x": {"bits": "gICA", "n": 3}}, r"result\.per_example\.x is damaged"),
        ({"result__per_example__x": {"values": ["a"]}}, r"result\.per_example\.x is damaged"),
        ({"result__per_example__x": 5}, r"result\.per_example\.x is damaged"),
    ],
)
def test_what_is_no_record_is_named_with_the_place(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    path = written(tmp_path / "record.json", content(**changes))
    with pytest.raises(CorruptFileError, match=rf"record\.json is not a record of this suite: {said}"):
        read(path)


@pytest.mark.parametrize("value", [None, [], 3, "text"])
def test_other_json_is_no_record(tmp_path: Path, value: Any) -> None:
    with pytest.raises(CorruptFileError, match="not an object"):
        read(written(tmp_path / "record.json", value))


@pytest.mark.parametrize("status", ["diverged", "failed"])
def test_a_run_without_a_result_needs_no_metrics(tmp_path: Path, status: str) -> None:
    path = written(tmp_path / "record.json", content(result__status=status, result__metrics={}))
    assert read(path).status == status


def test_fields_that_a_later_version_adds_do_not_matter(tmp_path: Path) -> None:
    path = written(tmp_path / "record.json", content(provenance__more="x", result__more=1, more=2))
    assert read(path).provenance["more"] == "x"


def test_an_absent_record_is_absent(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "record.json")
