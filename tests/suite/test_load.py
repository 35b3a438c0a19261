"""How busy others keep the machine."""

import os
from pathlib import Path

import pytest

from experiments.suite import load

TICKS = os.sysconf("SC_CLK_TCK")


def stat(path: Path, busy_s: float, idle_s: float) -> None:
    """user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice"""
    fields = [int(busy_s * TICKS / 2), 0, int(busy_s * TICKS / 2), int(idle_s * TICKS), 7, 0, 0, 0, 99, 99]
    path.write_text(f"cpu  {' '.join(map(str, fields))}\ncpu0 1 2 3\n", encoding="ascii")


def test_others_are_what_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "stat"
    monkeypatch.setattr(load, "STAT", path)
    clock, own = [100.0], [1.0]
    monkeypatch.setattr(load.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(load.time, "process_time", lambda: own[0])
    stat(path, 1000, 500)
    meter = load.Meter()
    clock[0], own[0] = 110.0, 10.0  # ten seconds later, nine of them ours
    stat(path, 1024, 900)
    assert meter.others() == pytest.approx(1.5)
    stat(path, 1008, 900)
    assert meter.others() == 0.0


def test_a_system_that_does_not_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "STAT", tmp_path / "none")
    assert load.busy_s() is None and load.Meter().others() is None
