"""A run whose loss is no number ends soon, and before its epoch is saved."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lightning_modules.callbacks.divergence import CHECK_EVERY, Diverged, StopWhenDiverged


def after_batch(index: int, loss: Any, batches: int = 100, epoch: int = 2, steps: int = 321) -> None:
    alone = SimpleNamespace(reduce_boolean_decision=lambda decision: decision)
    trainer = SimpleNamespace(num_training_batches=batches, current_epoch=epoch, global_step=steps, strategy=alone)
    StopWhenDiverged().on_train_batch_end(trainer, None, loss, None, index)  # type: ignore[arg-type]


NAN = torch.tensor(float("nan"))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("wrapped", [True, False])
def test_a_loss_that_is_no_number(number: float, wrapped: bool) -> None:
    loss = torch.tensor(number)
    with pytest.raises(Diverged, match=r"after step 321 \(epoch 3\)") as raised:
        after_batch(CHECK_EVERY - 1, {"loss": loss} if wrapped else loss)
    assert (raised.value.epoch, raised.value.step) == (3, 321)


@pytest.mark.parametrize("outputs", [torch.tensor(1e30), {"loss": torch.tensor(0.0)}, None])
def test_other_losses_go_on(outputs: Any) -> None:
    after_batch(99, outputs)


def test_it_looks_every_so_many_steps_and_after_the_last() -> None:
    noticed = []
    for index in range(3 * CHECK_EVERY + 5):
        try:
            after_batch(index, NAN, batches=3 * CHECK_EVERY + 5)
        except Diverged:
            noticed.append(index + 1)
    assert noticed == [CHECK_EVERY, 2 * CHECK_EVERY, 3 * CHECK_EVERY, 3 * CHECK_EVERY + 5]


@pytest.mark.parametrize("batches", [1, 7])
def test_a_short_epoch_is_looked_at_before_its_end(batches: int) -> None:
    with pytest.raises(Diverged):
        after_batch(batches - 1, NAN, batches=batches)
