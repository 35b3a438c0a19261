"""What training lowers: the distance of the points that a net says from the true ones, as a number."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from lightning_modules.landmark_options import Options

Loss = Callable[[Tensor, Tensor], Tensor]


def euclidean(found: Tensor, true: Tensor) -> Tensor:
    """1 / (2 N) times the sum of the squared distances of (N, K, 2) points, in the crop's coordinates. Caffe's."""
    return (found - true).square().sum() / (2 * len(found))


def smooth_l1(found: Tensor, true: Tensor, beta: float) -> Tensor:
    """Mean over all coordinates: squares up to ``beta``, straight beyond (Girshick, 2015, arXiv:1504.08083, equation 3)."""
    return torch.nn.functional.smooth_l1_loss(found, true, beta=beta)


def wing(found: Tensor, true: Tensor, width: float, curvature: float) -> Tensor:
    """Mean over all coordinates of the wing loss (Feng et al., 2018, arXiv:1711.06753, equation 5).

    width * ln(1 + |x| / curvature) up to ``width``, beyond it |x| less what makes the two meet there.
    """
    x = (found - true).abs()
    constant = width - width * math.log(1 + width / curvature)
    return torch.where(x < width, width * torch.log1p(x / curvature), x - constant).mean()


def loss_of(options: Options) -> Loss:
    """The loss that the options name, of (N, K, 2) points in the crop's coordinates (-1 to 1).

    Smooth L1 and wing have their parameters in pixels of the crop, and are computed there.
    """
    pixels = (options.size - 1) / 2
    if options.loss == "smooth_l1":
        return lambda found, true: smooth_l1(found * pixels, true * pixels, options.smooth_l1_beta)
    if options.loss == "wing":
        return lambda found, true: wing(found * pixels, true * pixels, options.wing_width, options.wing_curvature)
    return euclidean
