"""Parameters as one vector, so that clipping and the optimiser's step are one operation each and not one a tensor.

A net has hundreds of small tensors. To list them anew each step, and to do to each what could be done to all at once,
is what its training on one core feels most beside the net itself: 3 to 7 percent of the time.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


class FlatParameters:
    """``vector`` (sum of all sizes,) holds the parameters, which become views of it and keep shape and strides.

    They must have one type and one device. ``gather`` brings what a backward pass found into the vector's gradient.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]):
        self.parameters = [parameter for parameter in parameters if parameter.requires_grad]
        sizes = [parameter.numel() for parameter in self.parameters]
        self.vector = nn.Parameter(self.parameters[0].new_empty(sum(sizes)))
        self._gradient = torch.zeros_like(self.vector)
        self._gradients = self._views(self._gradient)
        for parameter, view in zip(self.parameters, self._views(self.vector.data), strict=True):
            parameter.data = view.copy_(parameter.data)

    def gather(self) -> None:
        """Moves the parameters' gradients into the vector's; a parameter without one counts as one of zeros."""
        found = [parameter.grad for parameter in self.parameters]
        torch._foreach_copy_(  # pyright: ignore[reportPrivateImportUsage]
            [into for into, gradient in zip(self._gradients, found, strict=True) if gradient is not None],
            [gradient for gradient in found if gradient is not None],
        )
        for into, gradient in zip(self._gradients, found, strict=True):
            if gradient is None:
                into.zero_()
        for parameter in self.parameters:
            parameter.grad = None
        self.vector.grad = self._gradient

    def _views(self, vector: Tensor) -> list[Tensor]:
        """The part of ``vector`` that is each parameter's, as the parameter lies in memory."""
        views, start = [], 0
        for parameter in self.parameters:
            views.append(vector.as_strided(parameter.shape, parameter.stride(), start))
            start += parameter.numel()
        return views


def flatten(optimizer: Optimizer) -> list[FlatParameters]:
    """Gives each group of a new optimiser one vector in place of its parameters. For those that treat each number alike."""
    flat = [FlatParameters(group["params"]) for group in optimizer.param_groups]
    for group, one in zip(optimizer.param_groups, flat, strict=True):
        group["params"] = [one.vector]
    return flat
