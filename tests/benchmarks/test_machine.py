"""A machine that is kept still."""

import os
import sys

import pytest

from experiments.benchmarks import machine


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """How busy others are, look by look."""
    looks: list[float | None] = []

    class Meter:
        def others(self) -> float | None:
            return looks.pop(0)

    monkeypatch.setattr(machine, "Meter", Meter)
    monkeypatch.setattr(machine, "LOOK_S", 0.001)
    return looks


@pytest.mark.parametrize("first", [0.1, None])  # None: the system does not tell
def test_a_quiet_machine_is_not_waited_for(first: float | None, load: list[float | None]) -> None:
    said: list[str] = []
    load += [first, 0.9]
    machine.wait_until_quiet(5.0, said.append)
    assert load == [0.9] and not said


def test_one_waits_until_it_is_quiet(load: list[float | None]) -> None:
    said: list[str] = []
    load += [0.94, 0.5, 0.1, 0.9]
    machine.wait_until_quiet(5.0, said.append)
    assert load == [0.9] and said == ["waiting 5 s at most: other processes keep 0.9 cores busy"]


def test_but_not_for_ever(load: list[float | None]) -> None:
    said: list[str] = []
    load += [1.0] * 1000
    machine.wait_until_quiet(0.02, said.append)
    assert 0 < len(load) < 1000 and said[-1].startswith("warning: the machine does not become idle")
    machine.wait_until_quiet(0.0, said.append)
    assert len(said) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux pins")
def test_pinned_to_one_core_and_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = os.sched_getaffinity(0)
    with pytest.raises(KeyError), machine.pinned() as cores:
        assert os.sched_getaffinity(0) == set(cores) and len(cores) == 1 and set(cores) <= allowed
        raise KeyError
    assert os.sched_getaffinity(0) == allowed

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    with machine.pinned() as cores:
        assert cores == []
