"""Which examples make each batch: functions of (seed, epoch) and of which process asks, of nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_modules.errors import UserError
from lightning_modules.random_streams import stream


class EpochOrder:
    """The order of the examples in each epoch. Lightning calls ``set_epoch`` on a loader's ``sampler``."""

    def __init__(self, size: int, seed: int, shuffle: bool):
        self.size, self.seed, self.shuffle = size, seed, shuffle
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def indices(self) -> Tensor:
        """(size,) int64."""
        if not self.shuffle:
            return torch.arange(self.size)
        return torch.randperm(self.size, generator=stream(self.seed, self.epoch, "order"))


def check_shared(batch_size: int, devices: int) -> None:
    """Raises UserError unless the batch can be shared equally."""
    if batch_size % devices:
        raise UserError(f"recipe.batch_size={batch_size}: cannot be shared equally by trainer.devices={devices}")


@dataclass(frozen=True)
class Parts:
    """Where in an epoch's order each of a process's batches lies.

    A batch of ``batch_size`` consecutive examples is that of all processes together; the process ``rank`` of ``world``
    takes its equal part, so that the mean of their gradients is the gradient of one process. With ``whole`` a last,
    smaller batch is kept.

    Raises:
        UserError: the batch cannot be shared equally.
    """

    examples: int
    batch_size: int
    whole: bool
    rank: int = 0
    world: int = 1

    def __post_init__(self):
        check_shared(self.batch_size, self.world)

    def __len__(self) -> int:
        full, rest = divmod(self.examples, self.batch_size)
        return full + 1 if self.whole and rest else full

    def __iter__(self) -> Iterator[slice]:
        part = self.batch_size // self.world
        for step in range(len(self)):
            start = step * self.batch_size + self.rank * part
            yield slice(start, start + part)
