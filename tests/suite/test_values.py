"""What a type does not say about a value. tests/flows/test_mistakes.py has what a user types wrong most."""

import copy
from typing import Any

import pytest

from experiments.suite.compose import compose
from experiments.suite.values import REQUIRED, check_values
from lightning_modules.errors import UserError


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return compose(["budget=smoke"])


@pytest.fixture
def config(composed: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(composed)


@pytest.mark.parametrize(("group", "name"), [(group, name) for group in REQUIRED for name in REQUIRED[group]])
def test_a_file_that_lacks_a_field_is_told(config: dict[str, Any], group: str, name: str) -> None:
    del config[group][name]
    with pytest.raises(UserError, match=rf"^{group}\.{name}: missing; add it to the file of conf/{group}$"):
        check_values(config)


@pytest.mark.parametrize(
    ("group", "name", "value"),
    [
        ("data", "name", "a" * 40),
        ("arch", "name", "net-1.0_x"),
        ("data", "mirrors", ["https://example.org/x", "http://127.0.0.1:80"]),
        ("data", "mirrors", []),
        ("data", "mean", [-0.5]),
        ("logger", "project", "my project"),
        ("logger", "entity", "me"),
        ("trainer", "workers", 0),
        ("recipe", "augment", {"crop_padding": 31, "flip": True}),
    ],
)
def test_what_may_be(config: dict[str, Any], group: str, name: str, value: Any) -> None:
    config[group][name] = value
    check_values(config)


@pytest.mark.parametrize(
    ("group", "name", "value", "said"),
    [
        ("data", "name", "a" * 41, "data.name=a+: up to 40 letters"),
        ("arch", "name", "a\n", "arch.name=a\n: up to 40 letters"),
        ("arch", "paper_input", [3, 227, 0], r"arch.paper_input=\[3, 227, 0\]: must be \[channels"),
        ("arch", "paper_input", [3, 227, True], "arch.paper_input="),
        ("data", "std", [0], "data.std=.*: must be 1 numbers above 0"),
        ("data", "mean", [float("inf")], "data.mean=inf: must be a finite number"),
        ("data", "resize", 0, "data.resize=0: must be 1 or more"),
        ("data", "mirrors", ["file:///etc"], r"data.mirrors=\[file:///etc\]: not an http"),
        ("data", "mirrors", [1], r"data.mirrors=\[1\]: not an http"),
        ("data", "mirrors", ["https://me:word@example.org"], "data.mirrors: a user or password in an address"),
        ("recipe", "augment", {"crop_padding": 32, "flip": True}, "recipe.augment.crop_padding=32: must be below"),
        ("compression", "steps", ["prune"], r"compression.steps\[1\]: each step is"),
        ("logger", "entity", "a/b", "logger.entity=a/b: 1 to 128 characters"),
        ("logger", "project", "", "logger.project=: 1 to 128 characters"),
        ("trainer", "accelerator", "hpu", "trainer.accelerator=hpu: choose one of auto, cpu"),
    ],
)
def test_what_may_not(config: dict[str, Any], group: str, name: str, value: Any, said: str) -> None:
    config[group][name] = value
    with pytest.raises(UserError, match=f"^{said}") as raised:
        check_values(config)
    assert "word@" not in str(raised.value)


@pytest.mark.parametrize("tag", ["", "a" * 65, 1, None, "two\nlines"])
def test_a_tag_is_a_short_text(config: dict[str, Any], tag: Any) -> None:
    check_values({**config, "tags": ["fine", "a" * 64]})
    with pytest.raises(UserError, match=r"^tags=\["):
        check_values({**config, "tags": ["fine", tag]})
