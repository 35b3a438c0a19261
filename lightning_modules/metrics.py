"""Top-k accuracy that agrees with the result of each example to the last one."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


class TopK(Metric):
    """Percent of the examples whose true class ranks among the first k. Updated with ``label_ranks``.

    torchmetrics' own accuracy breaks ties between equal scores in another way than argmax does, and behind
    SqueezeNet's last ReLU many scores are equal (zero).
    """

    full_state_update = False
    right: Tensor
    seen: Tensor

    def __init__(self, k: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.k = k
        self.add_state("right", default=torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("seen", default=torch.tensor(0), dist_reduce_fx="sum")

    def update(self, ranks: Tensor) -> None:
        """``ranks``: (B,) int64."""
        self.right += (ranks < self.k).sum()
        self.seen += ranks.numel()

    def compute(self) -> Tensor:
        """() float64."""
        return 100.0 * self.right.double() / self.seen


def label_ranks(logits: Tensor, labels: Tensor) -> Tensor:
    """(B,) how many classes come before the true one by their score (B, C).

    Among equal scores the lower class number comes first, as in argmax, so that a net that says the same for all
    classes is right by chance, not always. A score that is no number puts the true class last.
    """
    true = logits.gather(1, labels[:, None])
    classes = torch.arange(logits.shape[1], device=logits.device)
    tied_before = (logits == true) & (classes < labels[:, None])
    not_behind = ~(logits <= true) & (classes != labels[:, None])
    return (not_behind | tied_before).sum(1)
