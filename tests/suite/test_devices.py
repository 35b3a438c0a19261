"""Which runs of a table go where."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.suite import devices, launch
from experiments.suite.devices import VISIBLE, Place, gpus, hide_gpus, places
from experiments.suite.launch import Pool
from experiments.suite.plan import PlannedRun
from experiments.suite.store import Run

ALONE = Place(("trainer.threads=1",), {"OMP_NUM_THREADS": "1"})


def on(*numbers: str) -> list[Place]:
    return [Place((), {VISIBLE: number}) for number in numbers]


def trainer(accelerator: str, devices: int = 1) -> dict[str, Any]:
    return {"accelerator": accelerator, "devices": devices}


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Call it with a number of GPUs, which nvidia-smi then lists. The machine has four cores and no GPU."""
    monkeypatch.setattr(devices, "cores", lambda: 4)
    monkeypatch.delenv(VISIBLE, raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def has(number: int) -> None:
        listed = "\n".join(
            f"echo 'GPU {each}: A card (UUID: GPU-{each})'; echo '  MIG 1g: x'" for each in range(number)
        )
        command = tmp_path / "nvidia-smi"
        command.write_text(f'#!/bin/sh\n[ "$1" = -L ] || exit 9\n{listed}\n', encoding="utf-8")
        command.chmod(0o755)

    has(0)
    return has


def test_the_gpus_that_the_driver_lists(machine: Callable[[int], None]) -> None:
    assert gpus() == []
    machine(3)
    assert gpus() == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("visible", "found"),
    [("", []), ("-1", []), ("2", ["2"]), ("0, 3", ["0", "3"]), ("GPU-a,GPU-b", ["GPU-a", "GPU-b"])],
)
def test_the_gpus_that_a_user_leaves_to_it(
    machine: Callable[[int], None], monkeypatch: pytest.MonkeyPatch, visible: str, found: list[str]
) -> None:
    machine(8)
    monkeypatch.setenv(VISIBLE, visible)
    assert gpus() == found


def test_without_a_driver_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'\nexit 9\n", encoding="utf-8")
    assert gpus() == []
    (tmp_path / "nvidia-smi").unlink()
    assert gpus() == []


@pytest.mark.parametrize("accelerator", ["cpu", "gpu", "auto"])
@pytest.mark.parametrize(
    ("wanted", "jobs", "found"), [(1, 0, 4), (2, 0, 2), (8, 0, 1), (1, 1, 1), (1, 5, 5), (2, 5, 5)]
)
def test_without_gpus_a_core_for_each_process(accelerator: str, wanted: int, jobs: int, found: int) -> None:
    assert places(trainer(accelerator, wanted), jobs) == [ALONE] * found


def test_the_cpu_is_the_cpu_on_a_machine_with_gpus(machine: Callable[[int], None]) -> None:
    machine(2)
    assert places(trainer("cpu"), 0) == [ALONE] * 4


@pytest.mark.parametrize("accelerator", ["gpu", "auto", "cuda"])
@pytest.mark.parametrize(
    ("cards", "wanted", "jobs", "found"),
    [
        (2, 1, 0, ["0", "1"]),
        (2, 1, 1, ["0"]),
        (2, 1, 5, ["0", "1", "0", "1", "0"]),  # several on a card, because the user says so
        (8, 2, 0, ["0,1", "2,3", "4,5", "6,7"]),
        (5, 2, 0, ["0,1", "2,3"]),
        (8, 8, 0, ["0,1,2,3,4,5,6,7"]),
        (8, 8, 2, ["0,1,2,3,4,5,6,7"] * 2),
        (2, 8, 0, ["0,1"]),  # too few: the run itself says so
    ],
)
def test_gpus_for_each_run(
    machine: Callable[[int], None], accelerator: str, cards: int, wanted: int, jobs: int, found: list[str]
) -> None:
    machine(cards)
    assert places(trainer(accelerator, wanted), jobs) == on(*found)


def test_the_pool_gives_each_run_a_free_place_and_takes_it_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four runs on two cards. The process of a run ends after some looks at it: the first run's after the others'."""
    looks = iter((7, 1, 1, 1))
    going: dict[str, int] = {}
    started: list[tuple[str, str]] = []

    def start(command: list[str], env: dict[str, str], **_: Any) -> SimpleNamespace:
        card, seed = env[VISIBLE], next(part for part in command if part.startswith("seed="))
        assert card not in going, "two runs on one card"
        going[card] = next(looks)
        started.append((card, seed))

        def poll() -> int | None:
            going[card] -= 1
            if going[card] > 0:
                return None
            del going[card]
            return 1

        return SimpleNamespace(poll=poll)

    monkeypatch.setattr(launch, "POLL_S", 0.0)
    monkeypatch.setattr(
        launch, "subprocess", SimpleNamespace(Popen=start, DEVNULL=None, TimeoutExpired=subprocess.TimeoutExpired)
    )
    runs = [PlannedRun("r", "Net", ("budget=smoke",), Run("a-b-c-d-0", seed), "missing", "", None) for seed in range(4)]
    failures = Pool(runs, on("0", "1"), tags=["made"]).run()
    assert started == [("0", "seed=0"), ("1", "seed=1"), ("1", "seed=2"), ("1", "seed=3")]
    assert not going
    assert sum(len(names) for names in failures.values()) == 4  # no process left a record
    assert VISIBLE not in os.environ
    assert "Net, seed 3: failed" in capsys.readouterr().out


def test_a_compressed_run_waits_for_its_parent_and_keeps_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    looks: list[int] = []

    def start(command: list[str], **_: Any) -> SimpleNamespace:
        started.append(next(part for part in command if part.startswith("label=")))
        mine = len(looks)
        looks.append(0)

        def poll() -> int | None:
            looks[mine] += 1
            return 1 if looks[mine] > 3 else None

        return SimpleNamespace(poll=poll)

    monkeypatch.setattr(launch, "POLL_S", 0.0)
    monkeypatch.setattr(
        launch, "subprocess", SimpleNamespace(Popen=start, DEVNULL=None, TimeoutExpired=subprocess.TimeoutExpired)
    )
    monkeypatch.setattr(Pool, "_last_word", lambda self, name, item, code, why: name)  # none of them fails
    parent, teacher = Run("a-b-c-d-0", 0), Run("a-b-c-d-9", 0)

    def planned(label: str, run: Run, *parents: Run) -> PlannedRun:
        return PlannedRun("r", label, ("budget=smoke",), run, "missing", "", None, parents)

    runs = [
        planned("pruned", Run("a-b-p-d-1", 0), parent),
        planned("distilled", Run("a-b-p-d-2", 0), teacher),
        planned("distilled too", Run("a-b-p-d-3", 0), teacher),
        planned("plain", parent),
    ]
    Pool(runs, on("0", "1"), tags=["made"]).run()
    assert started == [f"label='{label}'" for label in ("distilled", "plain", "pruned", "distilled too")]


def test_a_compressed_run_is_not_tried_where_its_parent_came_to_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    process = SimpleNamespace(poll=lambda: 1)
    started: list[int] = []
    fake = SimpleNamespace(
        Popen=lambda command, **_: started.append(1) or process, DEVNULL=None, TimeoutExpired=subprocess.TimeoutExpired
    )
    monkeypatch.setattr(launch, "POLL_S", 0.0)
    monkeypatch.setattr(launch, "subprocess", fake)
    parent = Run("a-b-c-d-0", 0)
    runs = [
        PlannedRun("r", "child", ("budget=smoke",), Run("a-b-p-d-1", 0), "missing", "", None, (parent,)),
        PlannedRun("r", "plain", ("budget=smoke",), parent, "missing", "", None),
    ]
    failures = Pool(runs, on("0"), tags=["made"]).run()
    assert len(started) == 1
    assert ("the run that it begins with, a-b-c-d-0, came to nothing", 1) in failures


def test_gpus_are_hidden_unless_the_user_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VISIBLE, raising=False)
    hide_gpus()
    assert os.environ[VISIBLE] == "" and gpus() == []
    monkeypatch.setenv(VISIBLE, "1")
    hide_gpus()
    assert gpus() == ["1"]
