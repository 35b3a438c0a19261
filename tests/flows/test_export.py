"""`experiments.export`: a run's net as a file, and each format read back."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from experiments import export, run
from lightning_modules.compression import stored
from lightning_modules.onnx_files import OnnxNet, arithmetic
from tests.flows.faults import FEW, Here, flip, in_a_line

SMALL = ("arch.version=1.1", "arch.base_e=32", "arch.incr_e=32", *FEW, "budget.images_seen=256", "trainer.threads=1")
PLAIN, COMPRESSED = "squeezenet-fashion_mnist-none-smoke-*", "squeezenet-fashion_mnist-share-smoke-*"


@pytest.fixture
def results(tmp_path: Path, here: Here) -> Path:
    """A plain run and a compressed one."""
    assert here(tmp_path, run, "compression=share", *SMALL, "logger=none").code == 0
    return tmp_path


def id_of(results: Path, pattern: str) -> str:
    (path,) = (results / "local" / "runs").glob(pattern)
    return path.name


def test_every_format(results: Path, here: Here) -> None:
    name = id_of(results, COMPRESSED)
    folder = results / "local" / "exports"
    for form in ("cnz", "safetensors", "onnx", "onnx-int8"):
        answer = here(results, export, f"run={name}", "seed=0", f"format={form}")
        assert answer.code == 0, answer.err
        assert "written to" in answer.out
    model = results / "local" / "runs" / name / "0" / "model.cnz"
    assert (folder / f"{name}-0.cnz").read_bytes() == model.read_bytes()
    net, _ = stored.load(model)
    weights = load_file(folder / f"{name}-0.safetensors")
    assert {key: held.shape for key, held in weights.items()} == {
        key: held.shape for key, held in net.state_dict().items()
    }
    assert all(torch.equal(weights[key], held) for key, held in net.state_dict().items())

    images = torch.randn(3, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    onnx, whole = OnnxNet(folder / f"{name}-0.onnx"), OnnxNet(folder / f"{name}-0.int8.onnx")
    assert onnx.input_shape == (1, 32, 32) and len(onnx.labels) == 10 and onnx.metadata["run"] == name
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(onnx(images)), net.eval()(images), rtol=1e-4, atol=1e-4)
    assert whole(images).shape == (3, 10)
    assert arithmetic(folder / f"{name}-0.int8.onnx").int8 > 0


def test_a_plain_run_and_a_file_without_one(results: Path, here: Here) -> None:
    name, target = id_of(results, PLAIN), results / "plain.cnz"
    assert here(results, export, f"run={name}", "format=cnz", f"path={target}").code == 0
    record = json.loads((results / "local" / "runs" / name / "0" / "record.json").read_text(encoding="utf-8"))
    assert target.stat().st_size > 4 * record["cost"]["run"]["params"]
    answer = here(results, export, "format=safetensors", f"source={target}")
    assert answer.code == 0, answer.err
    weights = load_file(results / "local" / "exports" / "plain.safetensors")
    net, _ = stored.load(target)
    assert all(torch.equal(weights[key], held) for key, held in net.state_dict().items())


def test_mistakes(results: Path, here: Here) -> None:
    name = id_of(results, COMPRESSED)
    for arguments, said in (
        ((f"run={name}",), "format=None: choose one of cnz, safetensors, onnx, onnx-int8"),
        ((f"run={name}", "format=tflite"), "format=tflite: choose one of cnz"),
        (("format=cnz",), "run: say which, by its id; such as run=squeezenet-"),
        (("run=squeezenet", "format=cnz"), "run=squeezenet seed=0: not done on this machine"),
        (("run=../..", "format=cnz"), "run=../..: is no run id"),
        ((f"run={name}", "seed=7", "format=cnz"), f"run={name} seed=7: not done on this machine"),
        (
            ("format=cnz", f"source={results}"),
            f"source={results}: has to be a .cnz file with format=safetensors, or a folder",
        ),
        (
            ("format=safetensors", f"source={results}"),
            f"source={results}: has to be a .cnz file with format=safetensors",
        ),
        (
            ("format=onnx", f"source={results}"),
            f"source={results}: no landmarks_level_1.safetensors there; name a folder",
        ),
        (("format=safetensors", "source=nowhere.cnz"), "source=nowhere.cnz: no such file or folder"),
        (("format=onnx", "source=nowhere"), "source=nowhere: no such file or folder"),
        ((f"run={name}", "format=cnz", f"path={results}"), f"path={results}: is a folder; name a file"),
    ):
        answer = here(results, export, *arguments)
        assert answer.code == 2, arguments
        assert in_a_line(answer).startswith(f"error: {said}"), in_a_line(answer)


def test_a_damaged_file_is_not_handed_on(results: Path, here: Here) -> None:
    name = id_of(results, COMPRESSED)
    flip(results / "local" / "runs" / name / "0" / "model.cnz")
    for form in ("cnz", "safetensors"):
        answer = here(results, export, f"run={name}", f"format={form}")
        assert answer.code == 2 and "model.cnz" in in_a_line(answer)
    for path in (results / "local" / "runs" / id_of(results, PLAIN) / "0").glob("*.ckpt"):
        path.unlink()
    answer = here(results, export, f"run={id_of(results, PLAIN)}", "format=cnz")
    assert answer.code == 2 and "has no checkpoint with the record's weights" in in_a_line(answer)
