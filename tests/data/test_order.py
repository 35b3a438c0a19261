"""Which examples make a batch, for one process and for several."""

from itertools import chain

import pytest

from lightning_modules.data.order import EpochOrder, Parts
from lightning_modules.errors import UserError


@pytest.mark.parametrize("world", [1, 2, 3, 6])
def test_the_parts_of_all_processes_together_are_the_batch_of_one(world: int) -> None:
    order = EpochOrder(40, seed=3, shuffle=True).indices()
    alone = [order[part].tolist() for part in Parts(40, 12, whole=False)]
    shared = [[order[part].tolist() for part in Parts(40, 12, False, rank, world)] for rank in range(world)]
    assert len(alone) == 3
    assert {len(part) for parts in shared for part in parts} == {12 // world}
    assert [list(chain(*parts)) for parts in zip(*shared, strict=True)] == alone


def test_a_batch_that_cannot_be_shared_equally() -> None:
    with pytest.raises(UserError, match=r"recipe\.batch_size=10: cannot be shared equally by trainer\.devices=4"):
        Parts(100, 10, False, 0, 4)


@pytest.mark.parametrize(("examples", "whole", "sizes"), [(10, True, [4, 4, 2]), (10, False, [4, 4]), (8, True, [4, 4]),
                                                          (3, True, [3]), (3, False, [])])  # fmt: skip
def test_the_last_batch(examples: int, whole: bool, sizes: list[int]) -> None:
    parts = Parts(examples, 4, whole)
    assert [len(range(examples)[part]) for part in parts] == sizes
    assert len(parts) == len(sizes)


def test_an_order_is_a_function_of_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        found = EpochOrder(30, seed, shuffle=True)
        found.set_epoch(epoch)
        assert sorted(found.indices().tolist()) == list(range(30))
        return found.indices().tolist()

    assert order(0, 1) == order(0, 1)
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4
    assert EpochOrder(5, 0, shuffle=False).indices().tolist() == [0, 1, 2, 3, 4]
