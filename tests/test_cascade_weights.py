"""Which seed's weights are published, and how it is told whose weights are there."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from experiments import cascade_weights
from lightning_modules import cascade_files
from lightning_modules.nets import LandmarkMobileNetV2
from tests.test_landmark_photos import ABOUT


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COMPACT_NETS_RESULTS", str(tmp_path))
    return tmp_path


def test_the_seed_is_chosen_by_the_validation_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = {
        0: (9.0, 5.0),
        1: (6.0, 7.0),
        2: (3.0, 6.5),
    }  # validation's mean is 6, of seed 1; the test's 6.2, near seed 2
    found = {
        seed: SimpleNamespace(status="done", seed=seed, metrics={"val/nme": val, "test/nme": test})
        for seed, (val, test) in errors.items()
    }
    monkeypatch.setattr(cascade_weights, "Run", lambda run_id, seed: SimpleNamespace(record=lambda: found[seed]))
    monkeypatch.setattr(cascade_weights, "levels_of", lambda record: [record, record])
    monkeypatch.setattr(cascade_weights, "_file", lambda number, record: f"{number} of {record.seed}".encode())
    written = cascade_weights.publish("run", [0, 1, 2])
    assert [path.read_bytes() for path in written] == [b"1 of 1", b"2 of 1"]


def test_weights_of_other_runs_are_told() -> None:
    for number, path in enumerate(cascade_weights.paths(), 1):
        path.parent.mkdir(parents=True, exist_ok=True)
        about = {**ABOUT, "level": number, "run_id": f"run-{number}"}
        path.write_bytes(cascade_files.level_file(LandmarkMobileNetV2(), about))
    assert cascade_weights.problem(["run-1", "run-2"]) is None
    assert str(cascade_weights.problem(["run-1", "run-3"])).endswith("weights of run-1, run-2, not of run-1, run-3")
    cascade_weights.paths()[0].write_bytes(b"nothing")
    assert "is no level of a cascade" in str(cascade_weights.problem(["run-1", "run-2"]))
