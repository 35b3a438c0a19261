"""A run shared by two processes is the run of one. tests/data has the order of their examples, tests/flows whole commands."""

import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests import tiny
from tests.ddp_script import EPOCHS, ended, module

ROOT = Path(__file__).parents[1]
Told = dict[str, dict[str, Any]]
# Twelve steps with other rounding; the weights themselves move by some hundredths.
TOLERANCE = {"float": 1e-6, "bf16": 1e-3}

pytestmark = pytest.mark.xdist_group("ddp")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the script left."""
    below = tmp_path_factory.mktemp("two")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    shared = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "NODE_RANK": "0"}
    command = [sys.executable, "-m", "tests.ddp_script", str(below)]
    both = [
        subprocess.Popen(command, cwd=ROOT, env={**shared, "LOCAL_RANK": str(rank)}, stderr=subprocess.PIPE, text=True)
        for rank in (0, 1)
    ]
    try:
        said = [process.communicate(timeout=120)[1] for process in both]
    finally:
        for process in both:
            process.kill()
    assert [process.returncode for process in both] == [0, 0], said
    yield below


@pytest.fixture(scope="module")
def two(folder: Path) -> Told:
    """{"<run>-<process>": how it ended}."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Told]]:
    """The same runs in this process alone."""
    below, told = tmp_path_factory.mktemp("one"), {}
    torch.set_num_threads(1)
    for name, precision in (("float", "32-true"), ("bf16", "bf16-mixed")):
        told[name] = ended(module(), below / name, dataclasses.replace(tiny.WHERE, precision=precision))
    yield below, told


def weights(folder: Path) -> dict[str, Tensor]:
    (path,) = folder.glob(f"epoch-{EPOCHS:04d}-*.ckpt")
    loaded = torch.load(path, weights_only=True)
    assert loaded["global_step"] == EPOCHS * 6
    return {
        name.removeprefix("net."): tensor for name, tensor in loaded["state_dict"].items() if name.startswith("net.")
    }


def distance(some: dict[str, Tensor], others: dict[str, Tensor]) -> float:
    assert set(some) == set(others)
    return max(float((some[name] - others[name]).abs().max()) for name in some)


@pytest.mark.parametrize("name", ["float", "bf16"])
def test_the_weights_are_those_of_one_process(folder: Path, one: tuple[Path, Told], name: str) -> None:
    shared, alone, start = weights(folder / name), weights(one[0] / name), module().net.state_dict()
    assert distance(alone, start) > 20 * TOLERANCE[name]
    assert distance(shared, alone) <= TOLERANCE[name]


def test_the_precision_is_the_one_asked_for(one: tuple[Path, Told]) -> None:
    assert distance(weights(one[0] / "float"), weights(one[0] / "bf16")) > 10 * TOLERANCE["float"]


def test_the_metrics_are_those_of_one_process(two: Told, one: tuple[Path, Told]) -> None:
    shared, alone = two["float-0"], one[1]["float"]
    assert shared["metrics"] == pytest.approx(alone["metrics"], rel=TOLERANCE["float"])
    assert len(shared["curves"]) == len(alone["curves"]) == EPOCHS
    for ours, theirs in zip(shared["curves"], alone["curves"], strict=True):
        assert ours == pytest.approx(theirs, rel=TOLERANCE["float"])


def test_so_are_the_losses_in_bf16(two: Told, one: tuple[Path, Told]) -> None:
    """An answer between two equal scores may turn over, a mean does not."""
    for name in ("val/loss", "test/loss"):
        assert two["bf16-0"]["metrics"][name] == pytest.approx(one[1]["bf16"]["metrics"][name], rel=TOLERANCE["bf16"])


def test_the_first_alone_answers_every_test_image_once(two: Told, one: tuple[Path, Told]) -> None:
    assert two["float-0"]["predicted"] == one[1]["float"]["predicted"]
    assert len(two["float-0"]["predicted"]) == len(two["bf16-0"]["predicted"]) == 30
    assert two["float-1"] == two["bf16-1"] == {"status": "Follower"}


def test_an_interruption_leaves_no_trace(two: Told) -> None:
    assert two["stopped-0"] == two["stopped-1"] == {"status": "Stopped"}
    assert two["resumed-0"] == two["float-0"]


def test_what_two_began_one_can_end(folder: Path, one: tuple[Path, Told], tmp_path: Path) -> None:
    (begun,) = (folder / "diverged").glob("epoch-0001-*.ckpt")  # its first epoch is as everybody's
    shutil.copy(begun, tmp_path)
    found = ended(module(), tmp_path, tiny.WHERE)
    assert found["metrics"] == pytest.approx(one[1]["float"]["metrics"], rel=TOLERANCE["float"])
    assert distance(weights(tmp_path), weights(one[0] / "float")) <= TOLERANCE["float"]


def test_a_loss_that_is_no_number_in_one_ends_both(two: Told, folder: Path) -> None:
    for process in (0, 1):
        found = two[f"diverged-{process}"]
        assert found["status"] == "diverged"
        assert found["metrics"] == {"train/diverged_epoch": 2, "train/diverged_step": 12}
        assert len(found["curves"]) == 1
    assert [path.name[:10] for path in (folder / "diverged").glob("*.ckpt")] == ["epoch-0001"]
