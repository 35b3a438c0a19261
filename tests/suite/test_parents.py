"""The runs that a compressed run begins with, and their part in its name."""

from typing import Any

import pytest

from experiments.suite.compose import compose
from experiments.suite.identity import run_id
from experiments.suite.parents import parents
from lightning_modules.errors import UserError

SMALL = ("arch.version=1.1", "recipe.lr=0.002", "budget=smoke", "seed=3")


def config(*overrides: str, **compression: Any) -> dict[str, Any]:
    found = compose((*SMALL, *overrides))
    return {**found, "compression": {**found["compression"], **compression}}


def test_a_plain_run_begins_with_nothing() -> None:
    assert parents(config()) == {}


def test_the_parent_is_the_plain_run_of_the_same_configuration() -> None:
    (role, parent), *rest = parents(config("compression=share")).items()
    assert (role, rest, parent["seed"]) == ("parent", [], 3)
    assert run_id(parent) == run_id(compose(SMALL))


def test_from_scratch_there_is_no_parent() -> None:
    assert parents(config("compression=xnor")) == {}


def test_a_teacher_differs_in_its_net_alone() -> None:
    found = parents(config("compression=distill", teacher=["arch=mobilenet_v1", "arch.width=0.5"]))
    assert set(found) == {"teacher"}
    assert run_id(found["teacher"]) == run_id(
        compose(("arch=mobilenet_v1", "arch.width=0.5", "recipe.lr=0.002", "budget=smoke"))
    )


def test_a_run_s_name_has_its_teacher_s() -> None:
    def name(*teacher: str) -> str:
        return run_id(config("compression=distill", teacher=list(teacher)))

    assert name("arch=squeezenet") == name("arch=squeezenet", "arch.version=1.0")
    assert name("arch=squeezenet") != name("arch=squeezenet", "arch.version=1.1")


@pytest.mark.parametrize("override", ["recipe.lr=1", "budget=paper", 7, "+arch.x=1"])
def test_a_teacher_of_another_recipe_is_refused(override: Any) -> None:
    with pytest.raises(UserError, match=r"^compression.teacher=\[.*\]: a teacher has another net and nothing else"):
        parents(config("compression=distill", teacher=[override]))
