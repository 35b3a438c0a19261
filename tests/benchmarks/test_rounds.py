"""Rounds, medians and ratios by hand, and what is asked of them."""

from collections.abc import Callable

import pytest

from experiments import bench
from experiments.benchmarks import commands, landmarks, loops, sweeps
from experiments.benchmarks.rounds import interleaved, ratio, spread


def test_all_sides_have_their_turn_in_each_round_and_the_first_changes() -> None:
    turns: list[str] = []

    def side(name: str, value: float) -> Callable[[], float]:
        return lambda: turns.append(name) or value

    said: list[str] = []
    found = interleaved({"a": side("a", 1.0), "b": side("b", 2000.0)}, 3, said.append)
    assert "".join(turns) == "abbaab"
    assert found == {"a": [1.0] * 3, "b": [2000.0] * 3}
    assert said[1] == "  round 2 of 3: a 1, b 2,000"


def test_a_ratio_is_of_the_same_round() -> None:
    assert ratio([10.0, 20.0, 90.0], [10.0, 10.0, 30.0]) == {"median": 2.0, "low": 1.0, "high": 3.0}
    with pytest.raises(ValueError):
        ratio([1.0, 2.0], [1.0])


def test_a_spread() -> None:
    assert spread([3.0, 1.0, 2.0]) == {"median": 2.0, "low": 1.0, "high": 3.0, "rounds": 3}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("side by side/one after another", 1.35, "at least 1.35: met"),
        ("side by side/one after another", 1.34, "at least 1.35: NOT MET"),
        ("make tables", 2.0, "at most 2: met"),
        ("make tables", 2.01, "at most 2: NOT MET"),
        ("import", 100.0, ""),
    ],
)
def test_what_is_asked(name: str, value: float, expected: str) -> None:
    assert bench.asked(name, value) == expected


def test_everything_that_is_asked_for_is_measured() -> None:
    ratios = {f"ours/{side}, {net}" for net in loops.NETS for side in ("bare", "usual")}
    others = {"side by side/one after another", "ours/stock, contiguous, MobileNetV2", "ours/dahuffman, AlexNet"}
    of_eight = "8 smoke runs, side by side/one after another"
    assert set(bench.AT_LEAST) <= ratios | others | {of_eight, landmarks.NAME}
    coded = {f"{side}, AlexNet" for side in ("encode (s)", "decode (s)", "memory", "payload/entropy")}
    with commands.sides() as sides:
        assert set(bench.AT_MOST) <= set(sides) | coded | {sweeps.REPEATED}
