"""How a compressed tensor is held: what a file has to store of it, and the numbers that this stands for."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Dense:
    """Numbers as they are: ``values`` of any shape, float32 (or int64, as batch norm's counter)."""

    values: Tensor

    def decoded(self) -> Tensor:
        return self.values


@dataclass(frozen=True)
class Sparse:
    """All but some are zero: ``positions`` (n,) int64, ascending, in the flattened tensor, and ``values`` (n,) float32."""

    shape: tuple[int, ...]
    positions: Tensor
    values: Tensor

    def decoded(self) -> Tensor:
        return _scattered(self.shape, self.positions, self.values)


@dataclass(frozen=True)
class Shared:
    """Each stored number is one of a few: ``codebook`` (K,) float32, ``codes`` (n,) int64 in [0, K).

    ``positions`` (n,) int64, ascending, in the flattened tensor: the others are zero. None: all are stored, in order.
    """

    shape: tuple[int, ...]
    codes: Tensor
    codebook: Tensor
    positions: Tensor | None = None

    def decoded(self) -> Tensor:
        values = self.codebook[self.codes]
        return values.view(self.shape) if self.positions is None else _scattered(self.shape, self.positions, values)


@dataclass(frozen=True)
class Affine:
    """(codes - zero_point) * scale: ``codes`` uint8 of the tensor's shape; ``scale`` float32 and ``zero_point`` uint8,
    both (1,) for the whole tensor or (shape[0],), one for each output channel."""

    codes: Tensor
    scale: Tensor
    zero_point: Tensor

    def decoded(self) -> Tensor:
        each = (-1,) + (1,) * (self.codes.ndim - 1)
        return (self.codes.float() - self.zero_point.float().view(each)) * self.scale.view(each)


@dataclass(frozen=True)
class Binary:
    """Plus or minus one number a filter: ``positive`` bool of the tensor's shape, ``scale`` (shape[0],) float32."""

    positive: Tensor
    scale: Tensor

    def decoded(self) -> Tensor:
        signs = self.positive.float() * 2 - 1
        return signs * self.scale.view((-1,) + (1,) * (self.positive.ndim - 1))


Form = Dense | Sparse | Shared | Affine | Binary


def _scattered(shape: tuple[int, ...], positions: Tensor, values: Tensor) -> Tensor:
    numbers = torch.zeros(shape, dtype=values.dtype)
    numbers.view(-1)[positions] = values
    return numbers
