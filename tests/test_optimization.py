"""Optimisers and schedules, step by step."""

import itertools
import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, AdamW

from lightning_modules.optimization import build_optimizer, build_schedule, rate, set_output_bias
from tests.tiny import recipe


def rates(steps: int, **changes: Any) -> list[float]:
    """The learning rate of each step, as the optimiser gets it."""
    made = recipe(**changes)
    optimizer = build_optimizer(made, [nn.Parameter(torch.zeros(1))])
    schedule = build_schedule(made, optimizer, steps)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_linear_is_caffes_poly_with_power_1() -> None:
    assert rates(10, schedule="linear", lr=0.04) == pytest.approx([0.04 * (1 - step / 10) for step in range(10)])


def test_cosine() -> None:
    found = rates(8, schedule="cosine", lr=2.0)
    assert found[0] == 2.0
    assert found[4] == pytest.approx(1.0)
    assert found == pytest.approx([1 + math.cos(math.pi * step / 8) for step in range(8)])


def test_constant() -> None:
    assert rates(5, schedule="constant", lr=0.3) == [0.3] * 5


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_warm_up_rises_in_equal_steps_to_the_full_rate(schedule: str) -> None:
    found = rates(20, schedule=schedule, warmup=0.2, lr=1.0)
    assert found[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert found[4] == 1.0
    assert max(found) == 1.0
    assert all(later <= earlier for earlier, later in itertools.pairwise(found[4:]))


@pytest.mark.parametrize(("schedule", "last"), [("constant", 1.0), ("linear", 0.0), ("cosine", 0.0)])
def test_the_end_and_behind_it(schedule: str, last: float) -> None:
    assert rate(schedule, 100, 100, 10) == pytest.approx(last, abs=1e-12)
    assert rate(schedule, 150, 100, 10) == pytest.approx(last, abs=1e-12)


def test_one_step_in_all() -> None:
    assert rates(1, schedule="linear", lr=0.5) == [0.5]
    assert rates(1, schedule="cosine", warmup=0.9, lr=0.5) == [0.5]


def test_sgd_follows_its_formula() -> None:
    """v = momentum v + gradient + decay w;  w = w - lr v."""
    weight = nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    optimizer = build_optimizer(recipe(lr=0.1, momentum=0.9, weight_decay=0.01), [weight])
    assert isinstance(optimizer, SGD)
    expected, velocity = weight.detach().clone(), torch.zeros(2, dtype=torch.float64)
    for gradient in (torch.tensor([0.5, 1.0]), torch.tensor([-1.0, 0.25]), torch.tensor([0.0, 0.0])):
        weight.grad = gradient.double()
        optimizer.step()
        velocity = 0.9 * velocity + gradient + 0.01 * expected
        expected = expected - 0.1 * velocity
        torch.testing.assert_close(weight.detach(), expected)


def test_nesterov_is_passed_on() -> None:
    weight = [nn.Parameter(torch.zeros(1))]
    assert build_optimizer(recipe(nesterov=True), weight).param_groups[0]["nesterov"] is True
    assert build_optimizer(recipe(nesterov=False), weight).param_groups[0]["nesterov"] is False


def test_adamw_gets_its_own_fields() -> None:
    made = recipe(optimizer="adamw", lr=0.003, betas=[0.8, 0.95], weight_decay=0.05)
    optimizer = build_optimizer(made, [nn.Parameter(torch.zeros(1))])
    assert isinstance(optimizer, AdamW)
    group = optimizer.param_groups[0]
    assert (group["lr"], group["betas"], group["weight_decay"]) == (0.003, (0.8, 0.95), 0.05)


def test_the_output_bias_is_that_of_the_last_layer_alone() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(2, 3), nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 1)), nn.ReLU())
    before = {name: parameter.detach().clone() for name, parameter in net.named_parameters()}
    set_output_bias(net, 0.75)
    for name, parameter in net.named_parameters():
        expected = torch.full((4,), 0.75) if name == "2.1.bias" else before[name]
        assert torch.equal(parameter.detach(), expected), name


def test_an_output_layer_without_a_bias_stays_as_it_is() -> None:
    first = nn.Linear(2, 3)
    before = first.bias.detach().clone()
    set_output_bias(nn.Sequential(first, nn.Linear(3, 4, bias=False)), 1.0)
    assert torch.equal(first.bias.detach(), before)
