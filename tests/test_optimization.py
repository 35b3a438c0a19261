"""Optimisers and schedules, step by step."""

import itertools
import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, AdamW, RMSprop

from lightning_modules.optimization import (
    build_optimizer,
    build_schedule,
    parameter_groups,
    rate,
    set_output_bias,
)
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


def test_steps_drop_where_they_say() -> None:
    found = rates(8, schedule="steps", drop_at=[0.25, 0.75], drop_factor=0.1, lr=2.0)
    assert found == pytest.approx([2.0] * 2 + [0.2] * 4 + [0.02] * 2)


def test_exponential_drops_at_equal_distances() -> None:
    """Ten drops in a hundred steps; 0.3 / 0.1 is a little below 3."""
    found = rates(100, schedule="exponential", drop_every=0.1, drop_factor=0.5, lr=1.0)
    assert found == [0.5 ** (step // 10) for step in range(100)]


@pytest.mark.parametrize(("schedule", "more"), [("steps", {"drop_at": [0.5]}), ("exponential", {"drop_every": 0.5})])
def test_drops_count_from_the_end_of_the_warm_up(schedule: str, more: dict[str, Any]) -> None:
    found = rates(10, schedule=schedule, warmup=0.2, drop_factor=0.1, lr=1.0, **more)
    assert found == pytest.approx([0.5] + [1.0] * 5 + [0.1] * 4)


def test_what_does_nothing_in_an_exponential_schedule() -> None:
    assert rates(5, schedule="exponential", drop_every=1.0, drop_factor=0.5, lr=0.3) == [0.3] * 5


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_warm_up_rises_in_equal_steps_to_the_full_rate(schedule: str) -> None:
    found = rates(20, schedule=schedule, warmup=0.2, lr=1.0)
    assert found[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert found[4] == 1.0
    assert max(found) == 1.0
    assert all(later <= earlier for earlier, later in itertools.pairwise(found[4:]))


@pytest.mark.parametrize(("schedule", "last"), [("constant", 1.0), ("linear", 0.0), ("cosine", 0.0)])
def test_the_end_and_behind_it(schedule: str, last: float) -> None:
    made = recipe(schedule=schedule, warmup=0.1)
    assert rate(made, 100, 100) == pytest.approx(last, abs=1e-12)
    assert rate(made, 150, 100) == pytest.approx(last, abs=1e-12)


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


def test_rmsprop_follows_its_formula() -> None:
    """g = gradient + decay w;  s = alpha s + (1 - alpha) g^2;  v = momentum v + g / (sqrt(s) + eps);  w = w - lr v."""
    weight = nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    made = recipe(optimizer="rmsprop", lr=0.1, momentum=0.8, alpha=0.9, eps=0.5, weight_decay=0.01)
    optimizer = build_optimizer(made, [weight])
    assert isinstance(optimizer, RMSprop)
    expected = weight.detach().clone()
    square, velocity = torch.zeros(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    for gradient in (torch.tensor([0.5, 1.0]), torch.tensor([-1.0, 0.25]), torch.tensor([0.0, 0.0])):
        weight.grad = gradient.double()
        optimizer.step()
        decayed = gradient + 0.01 * expected
        square = 0.9 * square + 0.1 * decayed**2
        velocity = 0.8 * velocity + decayed / (square.sqrt() + 0.5)
        expected = expected - 0.1 * velocity
        torch.testing.assert_close(weight.detach(), expected)


def mixed() -> nn.Module:
    """A dense, a depthwise and a grouped convolution, batch norm, a linear layer with a bias."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False),
        nn.Conv2d(4, 4, 3, groups=4),
        nn.Conv2d(4, 4, 1, groups=2, bias=False),
        nn.BatchNorm2d(4),
        nn.Linear(4, 2),
    )


@pytest.mark.parametrize(
    ("exclude", "free"),
    [
        ([], []),
        (["vectors"], ["1.bias", "3.weight", "3.bias", "4.bias"]),
        (["depthwise"], ["1.weight"]),
        (["vectors", "depthwise"], ["1.weight", "1.bias", "3.weight", "3.bias", "4.bias"]),
    ],
)
def test_what_is_excluded_has_no_weight_decay(exclude: list[str], free: list[str]) -> None:
    net = mixed()
    optimizer = build_optimizer(recipe(decay_exclude=exclude, weight_decay=0.25), net.parameters())
    decay = {id(held): group["weight_decay"] for group in optimizer.param_groups for held in group["params"]}
    assert {name: decay[id(held)] for name, held in net.named_parameters()} == {
        name: 0.0 if name in free else 0.25 for name, _ in net.named_parameters()
    }
    assert all(group["fused"] for group in optimizer.param_groups)
    assert len(optimizer.param_groups) == (2 if free else 1)


def test_the_order_of_parameters_stays_in_one_group() -> None:
    net = mixed()
    (group,) = parameter_groups(net.parameters(), [])
    assert list(map(id, group["params"])) == list(map(id, net.parameters()))


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
    assert group["eps"] == 1e-8
    assert build_optimizer(recipe(optimizer="adamw", eps=0.1), [nn.Parameter(torch.zeros(1))]).defaults["eps"] == 0.1


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
