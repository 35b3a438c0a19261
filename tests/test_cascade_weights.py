"""Which seed's weights are published, and how it is told whose weights are there."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from experiments import cascade_weights, export
from lightning_modules import cascade_files
from lightning_modules.errors import CorruptFileError, UserError
from lightning_modules.nets import LandmarkMobileNetV2
from tests.test_landmark_photos import ABOUT

SHA256 = "of the run's weights"


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


def written(folder: Path | None = None) -> None:
    """Both levels' files of seed 0."""
    for number, path in enumerate(cascade_weights.paths(folder), 1):
        path.parent.mkdir(parents=True, exist_ok=True)
        about = {**ABOUT, "level": number, "run_id": f"run-{number}", "seed": 0, "weights_sha256": SHA256}
        path.write_bytes(cascade_files.level_file(LandmarkMobileNetV2(), about))


def test_weights_of_another_seed_than_is_to_be_chosen_now_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    written()
    errors = {0: 9.0, 1: 6.0, 2: 3.0}
    monkeypatch.setattr(
        cascade_weights,
        "Run",
        lambda run_id, seed: SimpleNamespace(
            record=lambda: SimpleNamespace(
                status="done", seed=seed, metrics={"val/nme": errors[seed]}, result={"weights_sha256": sha256[0]}
            )
        ),
    )
    sha256 = [SHA256]
    assert cascade_weights.problem(["run-1", "run-2"], [0]) is None
    said = cascade_weights.problem(["run-1", "run-2"], [0, 1, 2])
    assert str(said).endswith("has the weights of seed 0; of the seeds done now it is 1")
    sha256[0] = "of weights that were trained anew"
    assert str(cascade_weights.problem(["run-1", "run-2"], [0])).endswith(
        "has other weights than the run of seed 0 that is done here"
    )


def test_a_number_that_is_not_finite_is_not_written() -> None:
    net = LandmarkMobileNetV2()
    with torch.no_grad():
        next(net.parameters()).view(-1)[0] = 1e6
    with pytest.raises(UserError, match=r"level_1: .* has a number that half precision cannot hold"):
        cascade_files.level_file(net, {**ABOUT, "level": 1})


def test_one_bit_that_is_another_is_told(tmp_path: Path) -> None:
    path = tmp_path / "level.safetensors"
    path.write_bytes(whole := cascade_files.level_file(LandmarkMobileNetV2(), {**ABOUT, "level": 1}))
    cascade_files.load_level(path)
    start = 8 + int.from_bytes(whole[:8], "little")  # of the tensors, behind the head and its length
    for place in np.random.default_rng(0).integers(start, len(whole), 20):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        with pytest.raises(CorruptFileError, match=r"level.safetensors: .*its checksum is another"):
            cascade_files.load_level(path)
    path.write_bytes(whole.replace(b'\\"crop\\": \\"box', b'\\"crop\\": \\"bex', 1))
    assert path.read_bytes() != whole
    with pytest.raises(CorruptFileError, match="its checksum is another"):
        cascade_files.load_level(path)


@pytest.mark.slow
def test_the_files_are_one_onnx_file(tmp_path: Path) -> None:
    """``exported`` itself compares it with the cascade on pictures."""
    written(tmp_path / "weights")
    assert export.main(["format=onnx", f"source={tmp_path / 'weights'}", f"path={tmp_path / 'cascade.onnx'}"]) == 0
    assert (tmp_path / "cascade.onnx").stat().st_size > 10**6


def test_weights_of_other_runs_are_told() -> None:
    written()
    assert cascade_weights.problem(["run-1", "run-2"]) is None
    assert str(cascade_weights.problem(["run-1", "run-3"])).endswith("weights of run-1, run-2, not of run-1, run-3")
    cascade_weights.paths()[0].write_bytes(b"nothing")
    assert "is no level of a cascade" in str(cascade_weights.problem(["run-1", "run-2"]))
