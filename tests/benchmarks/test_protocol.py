"""The protocol of measuring, with sides and a machine that are made up."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, count, cycle, repeat

import pytest

from experiments.benchmarks.protocol import MOST_REDONE, Measured, measured

SIDES = "abcd"


class Machine:
    """Says how fast the reference is, and remembers in which order the sides had their turns."""

    def __init__(self, *speeds: float, then: float = 100.0):
        self.speeds: Iterator[float] = chain(speeds, repeat(then))
        self.turns = ""
        self.said: list[tuple[int, int]] = []
        self.clock = count(1.0)

    def reference(self) -> float:
        self.turns += "|"
        return next(self.speeds)

    def side(self, name: str) -> Callable[[], float]:
        def sample() -> float:
            self.turns += name
            return next(self.clock)

        return sample

    def measure(self, rounds: int, repeats: int = 1, sides: Sequence[str] = (SIDES,)) -> Measured:
        made = [{name: self.side(name) for name in block} for block in sides]
        return measured(made, self.reference, rounds, repeats, lambda *counts: self.said.append(counts))


def test_each_round_takes_every_side_once_between_two_references_in_an_order_of_its_own() -> None:
    machine, again = Machine(), Machine()
    found = machine.measure(6)
    rounds = machine.turns.strip("|").split("||")
    assert machine.turns == "|" + "||".join(rounds) + "|" and len(rounds) == 6
    assert all("".join(sorted(turns)) == SIDES for turns in rounds) and len(set(rounds)) > 3
    for name in SIDES:  # each side has the samples of its own turns
        assert found.samples[name] == [4 * number + turns.index(name) + 1 for number, turns in enumerate(rounds)]
    assert list(found.samples) == list(SIDES)
    again.measure(6)
    assert again.turns == machine.turns


def test_repeats_follow_each_other() -> None:
    machine = Machine()
    found = machine.measure(3, repeats=2, sides="a")
    assert found.samples == {"a": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]}
    assert (found.drifted, found.redone, found.reference) == (0, 0, [100.0] * 12)
    assert machine.said == [(1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0)]


@pytest.mark.parametrize("speed", [94.0, 106.0])
@pytest.mark.parametrize("place", [3, 4])  # before and after the second round
def test_a_round_in_which_the_machine_drifts_is_done_again(place: int, speed: float) -> None:
    machine = Machine(*[100.0] * (place - 1), speed)
    found = machine.measure(3, sides="a")
    assert found.samples == {"a": [1.0, 3.0, 4.0]}
    assert (found.drifted, found.redone) == (0, 1)
    assert machine.said == [(1, 0), (2, 1), (3, 1)]
    assert len(found.reference) == 8 and found.reference[place - 1] == speed


def test_a_little_is_no_drift() -> None:
    assert Machine(100.0, 104.0, 98.0, 106.0).measure(2).redone == 0  # 102 is usual


def test_the_first_round_is_judged_by_its_own_beginning() -> None:
    assert Machine(100.0, 106.0).measure(1).redone == 1
    assert Machine(100.0, 104.0).measure(1).redone == 0


def test_drift_is_from_what_is_usual_in_the_repeat_and_not_from_the_last_round() -> None:
    """Slower by 4 % each round: a creeping change is seen too, but not across repeats, which the claims compare."""
    assert Machine(*[100.0] * 4, 96.0, 96.0, 92.0, 92.0).measure(4).redone == 1
    assert Machine(*[100.0] * 4, then=80.0).measure(2, repeats=2).redone == 0


def test_what_is_compared_is_measured_next_to_each_other() -> None:
    machine = Machine()
    found = machine.measure(20, sides=("ab", "cd", "ef"))
    blocks = machine.turns.strip("|").split("||")
    rounds = [blocks[start : start + 3] for start in range(0, 60, 3)]
    assert all(sorted("".join(sorted(block)) for block in each) == ["ab", "cd", "ef"] for each in rounds)
    assert len({each[0][0] for each in rounds}) == 6  # blocks, and the sides in them, take turns in being the first
    assert all(len(found.samples[name]) == 20 for name in "abcdef")


def test_only_the_block_in_which_the_machine_drifts_is_done_again() -> None:
    machine = Machine(100.0, 100.0, 100.0, 90.0)
    found = machine.measure(1, sides=("ab", "cd"))
    assert [len(block) for block in machine.turns.strip("|").split("||")] == [2, 2, 2]
    first, second, again = machine.turns.strip("|").split("||")
    assert set(second) == set(again) != set(first)
    assert sorted(found.samples[name][0] for name in first + again) == [1.0, 2.0, 5.0, 6.0]
    assert (found.redone, found.drifted, machine.said) == (1, 0, [(1, 1)])


def test_a_machine_that_does_not_settle_is_measured_all_the_same() -> None:
    machine = Machine(then=100.0)
    machine.speeds = cycle([100.0, 50.0])
    found = machine.measure(3, repeats=2, sides="ab")
    assert found.redone == 6 * MOST_REDONE and found.drifted == 6  # so many in each round
    assert all(len(found.samples[name]) == 6 for name in "ab")


def test_nothing_need_be_done_again() -> None:
    machine = Machine(100.0, 50.0)
    found = measured([{"a": machine.side("a")}], machine.reference, 2, 1, lambda *_: None, most_redone=0)
    assert (found.redone, len(found.samples["a"])) == (0, 2) and found.drifted >= 1
