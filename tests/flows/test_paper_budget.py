"""Budget paper, whole commands on a made ImageNet folder: one process and DDP on two, fp32 and bf16."""

import math
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.data.folders import image_folder, picture
from tests.flows.commands import checkpoints, finished, kill, make, records, start_run, verb, wait_until

CLASSES = ("n01440764", "n01443537", "n01484850", "n01491361")
SMALL = ("data.num_classes=4", "data.size=64", "data.resize=72", "recipe.batch_size=8", "logger=none")
TWO_STEPS = ("budget.images_seen=16", "budget.train_images=16", "arch.dropout=0")
LONG = ("budget.images_seen=8000", "budget.train_images=16")
ONE = ("trainer=cpu", "trainer.workers=1")
TWO = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "trainer.workers=1")
VANILLA = ("experiment=table3/vanilla", "budget=paper")
BF16 = "trainer.precision=bf16-mixed"
TOLERANCE = {"32-true": 1e-6, "bf16-mixed": 1e-4}  # of weights that move by some thousandths

pytestmark = pytest.mark.xdist_group("paper")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten training images a class; 13 for the test, which two processes cannot share equally."""
    folder = tmp_path_factory.mktemp("imagenet")
    return image_folder(folder, dict.fromkeys(CLASSES, 10), dict(zip(CLASSES, (4, 3, 3, 3), strict=True)))


@pytest.fixture(scope="module")
def table(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Results of the table, fp32, in one process a run."""
    results = tmp_path_factory.mktemp("table")
    arguments = " ".join((f"data.root={root}", *SMALL, *TWO_STEPS, *ONE))
    answer = make(results, "table3", "BUDGET=paper", "JOBS=3", f"ARGS={arguments}")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    yield results


@pytest.fixture(scope="module")
def shared(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Results of its first row, by two processes."""
    results = tmp_path_factory.mktemp("shared")
    answer = finished(start_run(results, *VANILLA, f"data.root={root}", *SMALL, *TWO_STEPS, *TWO))
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count("test error") == 1
    yield results


def only(results: Path) -> dict[str, Any]:
    (record,) = records(results).values()
    return record


def vanilla(results: Path) -> dict[str, Any]:
    (record,) = [found for found in records(results).values() if found["config"]["arch"]["bypass"] == "none"]
    return record


def weights(results: Path, record: dict[str, Any]) -> dict[str, Tensor]:
    """Of the run's last checkpoint, which is of its second step."""
    folder = results / "local" / "runs" / record["provenance"]["run_id"] / "0"
    (path,) = folder.glob("epoch-*.ckpt")
    loaded = torch.load(path, weights_only=True)
    assert loaded["global_step"] == 2
    return loaded["state_dict"]


def check(record: dict[str, Any], devices: int, precision: str) -> None:
    result, trainer = record["result"], record["config"]["trainer"]
    assert result["status"] == "done"
    assert (trainer["devices"], trainer["precision"], trainer["accelerator"]) == (devices, precision, "cpu")
    assert record["provenance"]["machine"]["accelerator"] == "cpu"
    assert record["config"]["recipe"]["name"] == "squeezenet" and record["config"]["data"]["name"] == "imagenet"
    (epoch,) = result["curves"]
    assert epoch["epoch"] == 1 and epoch["lr"] == 0.0
    assert all(math.isfinite(epoch[name]) for name in ("train/loss", "val/loss", "val/top1_err"))
    assert result["per_example"]["test/top1_acc"]["n"] == 13
    assert record["config"]["data"]["root"] is None


def nearly_equal(one: Path, two: Path, precision: str) -> None:
    """The first row's weights, metrics and answers of one process and of two."""
    alone, both = vanilla(one), vanilla(two)
    ours, theirs = weights(one, alone), weights(two, both)
    assert ours.keys() == theirs.keys() and len(ours) > 50
    distance = max(float((ours[name] - theirs[name]).abs().max()) for name in ours)
    # Biases start at zero: how far they have come is how far training went.
    moved = max(float(tensor.abs().max()) for name, tensor in ours.items() if name.endswith("bias"))
    assert distance <= TOLERANCE[precision] < moved / 10
    for name in ("test/loss", "val/loss"):
        assert both["result"]["metrics"][name] == pytest.approx(
            alone["result"]["metrics"][name], rel=TOLERANCE[precision]
        )
    if precision == "32-true":
        assert both["result"]["metrics"] == pytest.approx(alone["result"]["metrics"], rel=1e-6)
        assert both["result"]["curves"][0] == pytest.approx(alone["result"]["curves"][0], rel=1e-6)
        assert both["result"]["per_example"] == alone["result"]["per_example"]
    assert both["provenance"]["run_id"] == alone["provenance"]["run_id"]  # how many share the work changes no result


def test_the_table_in_one_process_a_run(table: Path) -> None:
    found = records(table)
    assert {record["config"]["arch"]["bypass"] for record in found.values()} == {"none", "simple", "complex"}
    for record in found.values():
        check(record, 1, "32-true")
        weights(table, record)


def test_two_processes_give_the_result_of_one(table: Path, shared: Path) -> None:
    check(only(shared), 2, "32-true")
    nearly_equal(table, shared, "32-true")


def tabled(results: Path, root: Path, *more: str) -> Path:
    """Results of the whole table."""
    arguments = " ".join((f"data.root={root}", *SMALL, *TWO_STEPS, *more))
    answer = make(results, "table3", "BUDGET=paper", f"ARGS={arguments}")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert len(records(results)) == 3
    return results


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_table_in_bf16(root: Path, tmp_path: Path) -> None:
    one = tabled(tmp_path / "one", root, *ONE, BF16)
    two = tabled(tmp_path / "two", root, *TWO, BF16)
    for results, devices in ((one, 1), (two, 2)):
        for record in records(results).values():
            check(record, devices, "bf16-mixed")
    nearly_equal(one, two, "bf16-mixed")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_table_by_two_processes_a_run(root: Path, tmp_path: Path, table: Path) -> None:
    two = tabled(tmp_path, root, *TWO)
    for record in records(two).values():
        check(record, 2, "32-true")
    nearly_equal(table, two, "32-true")


@pytest.mark.slow
def test_a_sweep_runs_each_seed_once(root: Path, tmp_path: Path) -> None:
    answer = verb(tmp_path, "run", "-m", "seed=0,1", *VANILLA, f"data.root={root}", *SMALL, *TWO_STEPS, *TWO)
    assert answer.returncode == 0, answer.stderr
    assert sorted(name.rsplit("/")[1] for name in records(tmp_path)) == ["0", "1"]
    for record in records(tmp_path).values():
        check(record, 2, "32-true")
        assert record["provenance"]["attempts"] == 1


def processes(results: Path) -> list[str]:
    """Those that have this folder of results in their environment: the run's, and their image readers."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"COMPACT_NETS_RESULTS={results}\0" in path.read_text(errors="replace"):
                state = (path.parent / "stat").read_text().rsplit(")", 1)[1].split()[0]
                found += [path.parent.name] if state != "Z" else []
        except OSError:
            continue
    return found


def gone_within(results: Path, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while processes(results) and time.monotonic() < end:
        time.sleep(0.1)
    return not processes(results)


linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.mark.slow
@pytest.mark.timeout(600)
@linux
def test_stopped_or_killed_it_ends_whole_and_goes_on_to_the_same_result(root: Path, tmp_path: Path) -> None:
    run = (*VANILLA, f"data.root={root}", *SMALL, "budget.images_seen=96", "budget.train_images=16", *TWO)
    whole, results = tmp_path / "whole", tmp_path / "interrupted"
    assert finished(start_run(whole, *run)).returncode == 0
    for number, epoch in ((signal.SIGTERM, "epoch-0001"), (signal.SIGKILL, "epoch-0003")):
        process = start_run(results, *run)
        wait_until(lambda wanted=epoch: any(path.name.startswith(wanted) for path in checkpoints(results)), process)
        began = time.monotonic()
        process.send_signal(number)  # to the first alone
        process.communicate(timeout=20)
        assert time.monotonic() - began < 10
        assert gone_within(results, 10)
        assert not records(results)
    assert finished(start_run(results, *run)).returncode == 0
    assert len(only(whole)["result"]["curves"]) == 6
    assert only(results)["result"] == only(whole)["result"]
    assert only(results)["provenance"]["attempts"] == 3


@pytest.mark.slow
@linux
@pytest.mark.parametrize("after", [0, 2], ids=["before it begins", "while it waits"])  # seconds
def test_the_second_process_ends_with_the_first(after: int, root: Path, tmp_path: Path) -> None:
    process = start_run(tmp_path, *VANILLA, f"data.root={root}", *SMALL, *LONG, *TWO)
    try:
        wait_until(lambda: len(processes(tmp_path)) > 1, process)
        time.sleep(after)  # after two it has begun, and is far from the first step
        process.kill()
        assert gone_within(tmp_path, 10)
    finally:
        kill(process)


@pytest.mark.slow
def test_an_image_that_the_second_process_cannot_read_is_named_in_one_line(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "in", dict.fromkeys(CLASSES, 10), dict.fromkeys(CLASSES, 3))
    for path in root.glob("train/*/*"):
        path.write_text("no image", encoding="utf-8")
    picture(root / "train" / CLASSES[0] / "whole.png", seed=1)
    answer = finished(start_run(tmp_path, *VANILLA, f"data.root={root}", *SMALL, *TWO_STEPS, *TWO), timeout=120)
    assert answer.returncode == 2
    assert "is not an image; replace it" in answer.stderr and "Traceback" not in answer.stderr
    assert not records(tmp_path)
