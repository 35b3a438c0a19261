"""What compression makes of a net's computation."""

from typing import Any

import pytest
import torch
from torch import nn

from lightning_modules.compression.low_rank import rank_of_ratio
from lightning_modules.compression.steps import Plan
from lightning_modules.compression.structure import restructure
from lightning_modules.compression.xnor import XnorBlock
from lightning_modules.errors import UserError


def net() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.Flatten(), nn.Linear(16, 4))


def compression(*steps: dict[str, Any], start: str = "parent") -> dict[str, Any]:
    return {
        "name": "made",
        "start": start,
        "teacher": [],
        "steps": list(steps),
        "file": {"huffman": True, "index_bits": 4},
    }


def test_low_rank_layers_are_two() -> None:
    found = net()
    restructure(found, compression({"method": "low_rank", "ratio": 2.0}))
    pair: Any = found[2]
    assert len(pair) == 2
    assert pair[0].weight.shape[0] == rank_of_ratio(16, 16 * 9, 2.0)
    assert found(torch.randn(1, 3, 5, 5)).shape == (1, 4)


def test_a_rank_that_depends_on_trained_weights_is_not_made_up() -> None:
    with pytest.raises(UserError, match=r"energy=0\.9: the rank depends on trained weights"):
        restructure(net(), compression({"method": "low_rank", "energy": 0.9}))


def test_binary_activations_are_a_block() -> None:
    found = net()
    restructure(found, compression({"method": "xnor", "activations": True}, start="scratch"))
    assert isinstance(found[2], XnorBlock) and isinstance(found[0], nn.Conv2d)


def test_values_of_weights_change_no_computation() -> None:
    found = net()
    before = str(found)
    restructure(found, compression({"method": "prune", "density": 0.5}, {"method": "share"}))
    assert str(found) == before


def test_only_rounded_activations_are_computed_in_integers() -> None:
    assert Plan.of(compression({"method": "quantize"})).integers is None
    assert Plan.of(compression()).integers is None
    options = {"activations": True, "per_channel": True, "symmetric": True}
    found = Plan.of(compression({"method": "quantize", **options})).integers
    assert (found.per_channel, found.symmetric) == (True, True)
