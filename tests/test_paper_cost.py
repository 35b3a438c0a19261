"""What an architecture costs at its paper's scale: the same as its net, built with weights."""

from typing import Any

import pytest

from experiments.suite.compose import compose
from lightning_modules.complexity import measure
from lightning_modules.errors import UserError
from lightning_modules.nets.build import build_net
from lightning_modules.paper_cost import paper_cost


def arch(name: str, **fields: Any) -> dict[str, Any]:
    return {**compose((f"arch={name}",))["arch"], **fields}


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet_v1"])
def test_it_is_that_of_the_net_with_weights(name: str) -> None:
    found = paper_cost(arch(name))
    c, h, w = found["input"]
    assert found == measure(build_net(arch(name), 1000, c), (c, h, w))


def test_wrong_values_are_a_user_s_mistake() -> None:
    with pytest.raises(UserError, match="squeeze_ratio=nan"):
        paper_cost(arch("squeezenet", squeeze_ratio=float("nan")))
    with pytest.raises(UserError, match=r"arch\.paper_input=\[3, 4, 4\]: too small for SqueezeNet"):
        paper_cost(arch("squeezenet", paper_input=[3, 4, 4]))
