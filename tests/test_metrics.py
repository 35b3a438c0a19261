"""Ranks and the accuracies counted from them, against a computation by hand."""

import pytest
import torch
from torch import Tensor

from lightning_modules.metrics import TopK, label_ranks

CLASSES = 8


def ranks_by_hand(logits: Tensor, labels: Tensor) -> list[int]:
    """A class comes earlier when its score is higher or, at the same score, its number lower."""
    found = []
    for scores, label in zip(logits.tolist(), labels.tolist(), strict=True):
        order = sorted(range(len(scores)), key=lambda number: (-scores[number], number))
        found.append(order.index(label))
    return found


def test_ranks() -> None:
    logits = torch.tensor([[0.1, 0.7, 0.2], [0.1, 0.7, 0.2], [0.1, 0.7, 0.2]])
    assert label_ranks(logits, torch.tensor([0, 1, 2])).tolist() == [2, 0, 1]


def test_ties_go_to_the_lower_class_as_in_argmax() -> None:
    labels = torch.arange(4)
    assert label_ranks(torch.zeros(4, 4), labels).tolist() == [0, 1, 2, 3]
    logits = torch.tensor([[1.0, 3.0, 3.0, 0.0]]).repeat(4, 1)
    assert label_ranks(logits, labels).tolist() == [2, 0, 1, 3]


@pytest.mark.parametrize("levels", [2, 4, 1000])
def test_ranks_with_many_ties_by_hand(levels: int) -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randint(levels, (200, CLASSES), generator=generator).float()
    labels = torch.randint(CLASSES, (200,), generator=generator)
    ranks = label_ranks(logits, labels)
    assert ranks.tolist() == ranks_by_hand(logits, labels)
    assert torch.equal(ranks == 0, logits.argmax(1) == labels)


def test_a_net_that_says_nothing_is_right_by_chance() -> None:
    labels = torch.arange(1000) % 10
    assert float((label_ranks(torch.zeros(1000, 10), labels) < 1).float().mean()) == pytest.approx(0.1)


def test_a_net_that_says_no_number_is_never_right() -> None:
    logits = torch.full((10, 10), float("nan"))
    assert not (label_ranks(logits, torch.arange(10)) < 5).any()


def test_top_k_counts_over_batches_in_percent_and_full_precision() -> None:
    metric = TopK(2)
    for ranks in ([0, 1, 2], [5, 1, 0, 3]):
        metric.update(torch.tensor(ranks))
    assert metric.compute().dtype == torch.float64
    assert float(metric.compute()) == 100 * 4 / 7
    metric.reset()
    metric.update(torch.tensor([7]))
    assert float(metric.compute()) == 0.0
