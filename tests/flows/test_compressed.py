"""`experiments.run compression=...`: trains the parent where it is missing, compresses, writes a file and a record."""

import json
from pathlib import Path
from typing import Any

import pytest

from experiments import run
from lightning_modules.compression import pipeline, stored
from lightning_modules.errors import UserError
from lightning_modules.training import weights_sha256
from tests.flows.commands import records
from tests.flows.faults import FEW, Here, in_a_line

SMALL = ("arch.version=1.1", "arch.base_e=32", "arch.incr_e=32", *FEW, "budget.images_seen=512", "trainer.threads=1")
NO_LOG = (*SMALL, "logger=none")


def record_of(results: Path, compression: str) -> tuple[Path, dict[str, Any]]:
    (path,) = (results / "local" / "runs").glob(f"*-{compression}-smoke-*/0/record.json")
    return path.parent, json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def pruned_and_shared(tmp_path: Path, here: Here) -> Path:
    assert here(tmp_path, run, "compression=deep_compression", *NO_LOG).code == 0
    return tmp_path


def test_deep_compression(pruned_and_shared: Path, here: Here) -> None:
    folder, record = record_of(pruned_and_shared, "deep_compression")
    _, parent = record_of(pruned_and_shared, "none")
    assert record["provenance"]["parent"] == {
        "run_id": parent["provenance"]["run_id"],
        "seed": 0,
        "weights_sha256": parent["result"]["weights_sha256"],
    }
    assert {"lightning_modules/compression/pruning.py", "lightning_modules/compression/sharing.py"} <= set(
        record["provenance"]["code"]
    )
    assert not [path for path in parent["provenance"]["code"] if "compression" in path], "it uses none of it"
    stages = record["result"]["compression"]["stages"]
    assert [(stage["method"], stage["round"]) for stage in stages] == [("prune", 1), ("prune", 2), ("share", 1)]
    densities = [stage["density"] for stage in stages]
    assert densities[0] > densities[1] == densities[2] == pytest.approx(0.33, abs=0.01)
    assert [stage["bytes"] for stage in stages] == sorted([stage["bytes"] for stage in stages], reverse=True)
    assert stages[1]["before"] == stages[0]["after"]
    file = record["result"]["compression"]["file"]
    assert file["bytes"] == sum(file["parts"].values()) == (folder / "model.cnz").stat().st_size
    assert file["bytes"] == record["result"]["metrics"]["file/bytes"] < stages[-1]["bytes"] + 1
    assert file["coded"]["codes"]["entropy"] <= file["coded"]["codes"]["bits"]
    assert record["cost"]["paper"]["macs"] == parent["cost"]["paper"]["macs"]
    net, metadata = stored.load(folder / "model.cnz")
    assert weights_sha256(net) == record["result"]["weights_sha256"]
    assert metadata["arch"] == record["config"]["arch"]
    assert not list(folder.glob("**/*.ckpt")), "only an unfinished run needs them"

    again = here(pruned_and_shared, run, "compression=deep_compression", *NO_LOG)
    assert again.code == 0 and "done before: " in again.out
    assert len(records(pruned_and_shared)) == 2


def test_interrupted_it_goes_on_to_the_same_result(
    pruned_and_shared: Path, tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / "interrupted"
    train, calls = pipeline.train, []

    def breaking(*arguments: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise UserError("stopped")
        return train(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "train", breaking)
        assert in_a_line(here(results, run, "compression=deep_compression", *NO_LOG)) == "error: stopped"
    assert list((results / "local" / "runs").glob("*-deep_compression-*/0/1-prune-2/epoch-*.ckpt"))
    assert here(results, run, "compression=deep_compression", *NO_LOG).code == 0
    _, expected = record_of(pruned_and_shared, "deep_compression")
    _, found = record_of(results, "deep_compression")
    assert found["result"] == expected["result"]


@pytest.mark.parametrize(
    "compression",
    [
        pytest.param(("obd",), marks=pytest.mark.slow),
        pytest.param(("low_rank",), marks=pytest.mark.slow),
        pytest.param(("xnor",), marks=pytest.mark.slow),
        ("distill", "compression.teacher=['arch=squeezenet','arch.version=1.1','arch.base_e=48']"),
    ],
    ids=lambda value: value[0],
)
def test_every_method_runs(compression: tuple[str, ...], tmp_path: Path, here: Here) -> None:
    answer = here(tmp_path, run, f"compression={compression[0]}", *compression[1:], *NO_LOG)
    assert answer.code == 0, answer.err
    folder, record = record_of(tmp_path, compression[0])
    assert record["result"]["status"] == "done"
    assert 0 < record["result"]["metrics"]["test/top1_err"] <= 100
    net, _ = stored.load(folder / "model.cnz")
    assert weights_sha256(net) == record["result"]["weights_sha256"]
    if compression[0] == "low_rank":
        assert record["cost"]["paper"]["macs"] < 0.6 * 349_000_000, "of the layers that it leads to"
    roles = {"xnor": set(), "distill": {"teacher"}}.get(compression[0], {"parent"})
    assert roles == {"parent", "teacher"} & set(record["provenance"])


def test_int8_is_tested_in_integers_and_the_simulation_is_kept_beside_it(tmp_path: Path, here: Here) -> None:
    assert here(tmp_path, run, "compression=int8", *NO_LOG).code == 0
    folder, record = record_of(tmp_path, "int8")
    _, parent = record_of(tmp_path, "none")
    metrics = record["result"]["metrics"]
    assert metrics["before/top1_err"] == parent["result"]["metrics"]["test/top1_err"]
    assert abs(metrics["test/top1_err"] - metrics["simulated/top1_err"]) < 10
    assert "lightning_modules/onnx_files.py" in record["provenance"]["code"]
    assert "lightning_modules/onnx_files.py" not in parent["provenance"]["code"]
    assert record["result"]["compression"]["arithmetic"] == {"int8": 26, "float32": 0}
    assert record["cost"]["run"]["macs"] == parent["cost"]["run"]["macs"]
    bits = record["result"]["per_example"]["test/top1_acc"]
    assert bits["n"] == 64
    net, _ = stored.load(folder / "model.cnz")
    assert weights_sha256(net) == record["result"]["weights_sha256"]


def test_weights_that_are_gone_are_trained_again(pruned_and_shared: Path, here: Here) -> None:
    folder, before = record_of(pruned_and_shared, "none")
    for path in folder.glob("epoch-*.ckpt"):
        path.unlink()
    answer = here(pruned_and_shared, run, "compression=share", *NO_LOG)
    assert answer.code == 0 and "are not there any more; it is trained again" in answer.out
    _, after = record_of(pruned_and_shared, "none")
    assert after["result"] == before["result"]


def test_two_devices_are_a_mistake(tmp_path: Path, here: Here) -> None:
    answer = here(tmp_path, run, "compression=share", "trainer.devices=2", *NO_LOG)
    assert answer.code == 2
    assert in_a_line(answer) == "error: trainer.devices=2: a compressed run computes on one; use trainer.devices=1"
    assert not records(tmp_path)
