"""The machine: room, cores, memory, accelerator, clock."""

import os
from pathlib import Path

import pytest

from experiments.suite.health import GB, Finding
from experiments.suite.health_machine import (
    available_memory,
    check_accelerator,
    check_clock,
    check_folder,
    check_memory,
    check_room,
    check_threads,
    newest_file,
    processor_quota,
)
from experiments.suite.paths import ROOT

ELSEWHERE = "export COMPACT_NETS_RESULTS=FOLDER"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="ascii")
    return root


# The disk


def test_a_folder_that_can_be_written_or_made(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "a" / "b"):
        assert str(folder) in check_folder(folder, ELSEWHERE).what
        assert "cannot be written" not in check_folder(folder, ELSEWHERE).what
    assert not list(tmp_path.iterdir())  # it only looked


def test_a_file_where_the_folder_should_be_fails(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    finding = check_folder(tmp_path / "file", ELSEWHERE)
    assert finding.level == "FAIL" and finding.what == f"{tmp_path}/file cannot be written (it is a file)"
    assert ELSEWHERE in finding.advice[0]
    below = check_folder(tmp_path / "file" / "below", ELSEWHERE)
    assert below.what == f"{tmp_path}/file/below cannot be written ({tmp_path}/file: it is a file)"


def test_a_folder_of_somebody_else_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refused)
    assert check_folder(tmp_path, ELSEWHERE).what == f"{tmp_path} cannot be written (Permission denied)"


@pytest.mark.parametrize(("free", "level"), [(0.9, "FAIL"), (1.0, "warn"), (4.9, "warn"), (5.0, "ok"), (2000, "ok")])
def test_room_on_the_disk(free: float, level: str) -> None:
    finding = check_room(ROOT / "results", free, ELSEWHERE)
    assert finding.level == level and finding.what.startswith(f"results, {free:,.1f} GB free")
    assert (ELSEWHERE in "".join(finding.advice)) == (level != "ok")


# Cores and memory


def test_cores_and_threads() -> None:
    what = "2 cores: a table does 2 at a time, a thread each"
    assert check_threads(2, None, None, {}) == Finding("ok", what)
    assert check_threads(2, 2, 2.0, {"OMP_NUM_THREADS": "2,1", "OMP_WAIT_POLICY": "passive"}) == Finding(
        "ok", f"{what}; a single run takes 2 threads"
    )
    assert check_threads(1, 1, None, {}).what.startswith("1 core: a table does 1 at a time")


@pytest.mark.parametrize("threads", ["3", "0", "-1", "many", ","])
def test_a_wrong_number_of_threads_is_a_warning(threads: str) -> None:
    finding = check_threads(2, 2, None, {"OMP_NUM_THREADS": threads})
    assert finding.level == "warn" and finding.advice[0].endswith("unset OMP_NUM_THREADS")


def test_threads_that_spin_are_a_warning() -> None:
    finding = check_threads(2, 2, None, {"OMP_WAIT_POLICY": "ACTIVE"})
    assert finding.level == "warn" and finding.advice[0].endswith("export OMP_WAIT_POLICY=PASSIVE")


@pytest.mark.parametrize(("quota", "jobs"), [(2.5, 2), (0.5, 1)])
def test_a_container_with_less_time_than_cores_is_a_warning(quota: float, jobs: int) -> None:
    finding = check_threads(64, 64, quota, {})
    assert finding.level == "warn" and finding.advice[0].endswith(f"time of {quota:g} of them: make table3 JOBS={jobs}")


def test_memory() -> None:
    what = "4.0 GB available, 2.0 GB for each of 2 runs at a time"
    assert check_memory(4 * GB, 2) == Finding("ok", what)
    assert check_memory(None, 2).level == "ok"
    few = check_memory(4 * GB, 4)
    assert few.level == "warn" and few.advice == ("close other programs, or make table3 JOBS=2",)
    assert check_memory(GB, 1).advice == ("close other programs",)


def test_memory_is_what_the_system_and_the_control_group_say(tmp_path: Path) -> None:
    assert available_memory(tmp_path) is None
    write(tmp_path, {"proc/meminfo": "MemTotal:  2000 kB\nMemAvailable:  1000 kB\n"})
    assert available_memory(tmp_path) == 1000 * 1024
    group = {"sys/fs/cgroup/memory.current": "600000", "sys/fs/cgroup/memory.stat": "anon 1\ninactive_file 50000\n"}
    write(tmp_path, {"sys/fs/cgroup/memory.max": "max", **group})
    assert available_memory(tmp_path) == 1000 * 1024
    write(tmp_path, {"sys/fs/cgroup/memory.max": "700000"})
    assert available_memory(tmp_path) == 150_000


def test_processor_time_is_what_the_control_group_says(tmp_path: Path) -> None:
    assert processor_quota(tmp_path) is None
    for text, quota in (("max 100000", None), ("150000 100000", 1.5), ("garbage", None)):
        write(tmp_path, {"sys/fs/cgroup/cpu.max": text})
        assert processor_quota(tmp_path) == quota


# The accelerator

SMI = ["GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-12345678-1234)", "  MIG 1g.5gb"]


def test_an_accelerator_is_named_without_its_number() -> None:
    finding = check_accelerator(SMI, {"cuda": 1, "mps": False, "torch": "2.14.1"}, {})
    assert finding == Finding("ok", "GPU 0: NVIDIA A100-SXM4-40GB; runs use it with trainer=gpu")


def test_an_accelerator_that_torch_cannot_use_is_a_warning() -> None:
    finding = check_accelerator(SMI, {"cuda": 0, "mps": False, "torch": "2.14.1+cpu"}, {})
    assert finding.level == "warn" and "torch 2.14.1+cpu cannot use them" in finding.what and finding.advice


def test_an_accelerator_that_the_environment_hides_is_a_warning() -> None:
    facts = {"cuda": 0, "mps": False, "torch": "2.14.1"}
    finding = check_accelerator(SMI, facts, {"CUDA_VISIBLE_DEVICES": ""})
    assert finding.level == "warn" and finding.advice[0].startswith("unset CUDA_VISIBLE_DEVICES")


def test_no_accelerator_is_fine() -> None:
    for listed, facts in ((None, None), ([], {"cuda": 0, "mps": False}), (["No devices were found"], None)):
        assert check_accelerator(listed, facts, {}).what.startswith("none;")
    assert check_accelerator(None, {"cuda": 2, "mps": False}, {}) == Finding("ok", "2 CUDA devices")
    assert check_accelerator(None, {"cuda": 0, "mps": True}, {}) == Finding("ok", "Apple's GPU (MPS)")


# The clock

NOON = 1_800_000_000.0


def test_a_clock_that_is_right() -> None:
    assert check_clock(None, NOON).level == "ok"
    assert check_clock((ROOT / "Makefile", NOON + 23 * 3600), NOON).level == "ok"


def test_a_file_of_the_day_after_tomorrow_is_a_warning() -> None:
    finding = check_clock((ROOT / "Makefile", NOON + 48 * 3600), NOON)
    assert finding.level == "warn" and "Makefile is of 2027-01-1" in finding.what
    assert finding.advice[1].endswith("touch Makefile")


def test_the_newest_file_is_found_outside_of_what_is_left_out(tmp_path: Path) -> None:
    assert newest_file(tmp_path, ()) is None
    write(tmp_path, {"a": "", "b/c": "", ".git/d": ""})
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    for name, time in (("a", 100), ("b/c", 200), (".git/d", 300)):
        os.utime(tmp_path / name, (time, time))
    assert newest_file(tmp_path, (".git",)) == (tmp_path / "b" / "c", 200)
    assert newest_file(tmp_path, ()) == (tmp_path / ".git" / "d", 300)
