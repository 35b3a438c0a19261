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


def level(*overrides: str) -> dict[str, Any]:
    return compose(("task=landmarks", "budget=smoke", "seed=3", *overrides))


def test_level_1_begins_with_nothing_and_level_2_with_level_1() -> None:
    assert parents(level()) == {} == parents(level("landmarks.crop=random"))
    for crop in ("box", "article"):
        found = parents(level(f"landmarks.crop={crop}", "landmarks.share=0.7", "landmarks.jitter=1.5"))
        assert list(found) == ["parent"] and found["parent"]["seed"] == 3
        assert run_id(found["parent"]) == run_id(level())


def test_what_both_levels_share_is_level_1_s_too() -> None:
    overrides = ("landmarks.loss=wing", "landmarks.size=32", "recipe.lr=0.001", "arch.last_t=3")
    found = parents(level("landmarks.crop=box", *overrides))
    assert run_id(found["parent"]) == run_id(level(*overrides)) != run_id(level())


def test_what_tests_or_compresses_level_2_begins_with_it() -> None:
    plain = level("landmarks.crop=box", "landmarks.share=0.7")
    for more in ("landmarks.applied=twice", "landmarks.applied=true_box", "compression=int8"):
        found = parents(level("landmarks.crop=box", "landmarks.share=0.7", more))["parent"]
        assert run_id(found) == run_id(plain)
        assert run_id(parents(found)["parent"]) == run_id(level())


def test_a_level_s_name_has_the_one_it_begins_with() -> None:
    from experiments.suite.identity import identity

    found = identity(level("landmarks.crop=box"))
    assert found["landmarks.parent"] == run_id(level())
    assert "landmarks.parent" not in identity(level())
