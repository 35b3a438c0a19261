"""What several papers' nets share: depthwise and pointwise convolution, the channel shuffle, the checks of their arguments."""

import math

from torch import Tensor
from torch.nn import functional as F

from lightning_modules.errors import UserError
from lightning_modules.nets.tiny_maps import DepthwiseConv2d, PointwiseConv2d

__all__ = ["DepthwiseConv2d", "PointwiseConv2d", "channel_shuffle", "check_multiplier", "check_sizes"]


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """(N, C, H, W) -> (N, C, H, W): (groups, C/groups) transposed, so that each group gets channels of all groups.

    PyTorch's own, which keeps the memory format.
    """
    return F.channel_shuffle(x, groups)


def check_sizes(num_classes: int, in_channels: int) -> None:
    """Raises UserError where one is below 1."""
    for name, number in (("num_classes", num_classes), ("in_channels", in_channels)):
        if number < 1:
            raise UserError(f"{name}={number}: must be 1 or more")


def check_multiplier(name: str, value: float) -> None:
    """Raises UserError unless ``value`` is a finite number above 0; ``name`` as the user types it (arch.width)."""
    if not (math.isfinite(value) and value > 0):
        raise UserError(f"{name}={value}: must be a number above 0")
