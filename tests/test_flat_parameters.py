"""One vector for all parameters: the same training as with each by itself."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.classifier import ImageClassifier
from lightning_modules.flat_parameters import FlatParameters, flatten
from lightning_modules.optimization import build_optimizer, build_schedule
from lightning_modules.recipe import Recipe
from lightning_modules.training import train_and_test
from tests import tiny

CLIP = 0.05  # below the norms of these gradients, so that clipping has something to do


def net() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)
    )
    return layers.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def batches(steps: int) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [
        (torch.randn(5, 2, 8, 8, generator=generator), torch.randint(3, (5,), generator=generator))
        for _ in range(steps)
    ]


def parts(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


@pytest.mark.parametrize("exclude", [[], ["vectors"]])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "rmsprop"])
def test_it_trains_as_each_parameter_by_itself(optimizer: str, exclude: list[str]) -> None:
    made = tiny.recipe(optimizer=optimizer, lr=0.01, weight_decay=0.1, momentum=0.9, decay_exclude=exclude)
    apart = net()
    together = copy.deepcopy(apart)
    each, one = build_optimizer(made, apart.parameters()), build_optimizer(made, together.parameters())
    flat = flatten(one)
    assert len(parts(one)) == (2 if exclude else 1) < len(parts(each)) == 5
    for images, labels in batches(6):
        for module, stepping in ((apart, each), (together, one)):
            stepping.zero_grad()
            F.cross_entropy(module(images), labels).backward()
            if stepping is one:
                for parameters in flat:
                    parameters.gather()
            assert nn.utils.clip_grad_norm_(parts(stepping), CLIP) > CLIP
            stepping.step()
    for (name, expected), found in zip(apart.named_parameters(), together.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6, msg=name)


def test_parameters_keep_values_shape_and_strides() -> None:
    module = net()
    before = {name: (held.clone(), held.stride()) for name, held in module.named_parameters()}
    flat = FlatParameters(module.parameters())
    assert flat.vector.shape == (sum(held.numel() for held in module.parameters()),)
    for name, held in module.named_parameters():
        assert torch.equal(held, before[name][0]) and held.stride() == before[name][1]
        assert held.untyped_storage().data_ptr() == flat.vector.untyped_storage().data_ptr()


def test_a_parameter_without_a_gradient_counts_as_one_of_zeros() -> None:
    used, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))
    flat = FlatParameters([used, unused])
    (used.sum() * 2 + unused.sum()).backward()
    flat.gather()
    used.sum().backward()
    flat.gather()
    assert flat.vector.grad is not None and flat.vector.grad.tolist() == [1, 1, 0, 0, 0]
    assert used.grad is None


def test_what_does_not_train_stays_outside() -> None:
    frozen = nn.Parameter(torch.ones(3), requires_grad=False)
    assert FlatParameters([nn.Parameter(torch.zeros(2)), frozen]).vector.tolist() == [0, 0]


def test_a_run_trains_as_a_loop_without_lightning(tmp_path: Path) -> None:
    """Two epochs with validation between them, in which Lightning throws gradients away."""
    made = tiny.recipe(optimizer="adamw", lr=0.01, warmup=0.1)
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Flatten(), nn.Linear(64, 7), nn.ReLU(), nn.Linear(7, tiny.CLASSES))
    module = ImageClassifier(copy.deepcopy(plain), made, tiny.CLASSES, "contiguous", seed=0)
    train_and_test(module, tiny.data(), 2, CLIP, tiny.WHERE, tmp_path, None, lambda progress: None)
    expected = _plain_loop(plain, made, epochs=2)
    for found, wanted in zip(module.net.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


def _plain_loop(module: nn.Module, made: Recipe, epochs: int) -> nn.Module:
    loader: Any = tiny.data().train_dataloader()
    optimizer = build_optimizer(made, module.parameters())
    schedule = build_schedule(made, optimizer, epochs * len(loader))
    for epoch in range(epochs):
        loader.sampler.set_epoch(epoch)
        for images, labels in loader:
            optimizer.zero_grad()
            F.cross_entropy(module(images), labels, label_smoothing=made.label_smoothing).backward()
            nn.utils.clip_grad_norm_(module.parameters(), CLIP)
            optimizer.step()
            schedule.step()
    return module
