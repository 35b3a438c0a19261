"""The steps of conf/compression: every file is one, and each mistake is named."""

from typing import Any

import pytest

from experiments.suite.fields import declared
from experiments.suite.paths import CONF
from lightning_modules.compression.pruning import PruneOptions
from lightning_modules.compression.steps import METHODS, Plan, Retrain, check, check_layers
from lightning_modules.errors import UserError
from tests import tiny

FILES = sorted(path.stem for path in (CONF / "compression").glob("*.yaml"))


def compression(*steps: Any, **fields: Any) -> dict[str, Any]:
    return {**declared("compression", "none"), "steps": list(steps), **fields}


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_a_plan(name: str) -> None:
    content = declared("compression", name)
    assert content["name"] == name
    assert len(Plan.of(content).steps) == len(content["steps"])


def test_the_files_have_every_method() -> None:
    assert {step["method"] for name in FILES for step in declared("compression", name)["steps"]} == set(METHODS)


def test_options_and_training_are_read() -> None:
    plan = Plan.of(compression({"method": "prune", "density": 0.4, "retrain": {"images": 0.5, "lr": 0.1}}))
    (step,) = plan.steps
    assert step.options == PruneOptions(density=0.4)
    assert step.retrain == Retrain(0.5, 0.1)
    assert Plan.of(compression({"method": "share"})).steps[0].retrain.images == 0


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (["prune"], r"compression.steps\[1\]: each step is {method: "),
        ([{"density": 0.5}], r"compression.steps\[1\]: each step is {method: "),
        (
            [{"method": "prune", "density": 0.5}, {"method": "shar"}],
            r"compression.steps\[2\]: method=shar: choose one of",
        ),
        (
            [{"method": "share"}, {"method": "prune", "density": 0.5}],
            "compression.steps: prune after share: each at most",
        ),
        ([{"method": "share"}, {"method": "share"}], "compression.steps: share after share: each at most once"),
        (
            [{"method": "share"}, {"method": "quantize"}],
            "compression.steps: share and quantize: a weight has the values",
        ),
        (
            [{"method": "xnor"}, {"method": "prune", "density": 0.5}],
            "compression.steps: prune after xnor: a weight of one",
        ),
        ([{"method": "distill"}], r"compression.teacher=\[\]: distill learns from a net"),
        (
            [{"method": "prune", "densty": 0.5}],
            r"compression.steps\[1\]: densty: no such field; did you mean density\?",
        ),
        ([{"method": "distill", "temperature": 2.0}], r"compression.teacher"),
        ([{"method": "share", "retrain": 3}], r"compression.steps\[1\]: retrain=3: is {images: "),
        ([{"method": "share", "retrain": {"lr": 0}}], "compression.steps: retrain.lr=0: must be a number above 0"),
        (
            [{"method": "share", "retrain": {"images": -1}}],
            "compression.steps: retrain.images=-1: must be a number from 0",
        ),
        ([{"method": "share", "retrain": {"epochs": 1}}], r"compression.steps\[1\]: retrain: epochs: no such field"),
    ],
)
def test_a_mistake_is_named(steps: list[Any], said: str) -> None:
    with pytest.raises(UserError, match=f"^{said}"):
        Plan.of(compression(*steps))


def test_a_missing_option_is_named() -> None:
    with pytest.raises(
        UserError, match=r"^compression.steps\[1\]: missing 2 required positional arguments: 'temperature'"
    ):
        Plan.of(compression({"method": "distill"}, teacher=["arch=squeezenet"]))


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ({"index_bits": 0}, "compression.file.index_bits=0: must be a whole number from 1 to 16"),
        ({"index_bits": 40}, "compression.file.index_bits=40: must be"),
        ({"index_bits": True}, "compression.file.index_bits=True: must be"),
        ({"huffman": "yes"}, "compression.file.huffman=yes: must be true or false"),
    ],
)
def test_how_the_file_codes_is_checked_before_anything_is_trained(file: dict[str, Any], said: str) -> None:
    content = compression({"method": "share"})
    with pytest.raises(UserError, match=said):
        Plan.of({**content, "file": {**content["file"], **file}})


@pytest.mark.parametrize(
    "steps",
    [
        [{"method": "prune", "density": {"convv": 0.3}}],
        [{"method": "prune", "density": 0.3, "layers": ["convv"]}],
        [{"method": "prune", "density": 0.3}, {"method": "share", "layers": ["convv"]}],
        [{"method": "prune", "density": 0.3}, {"method": "share", "bits": {"convv": 3}}],
        [{"method": "quantize", "layers": ["convv"]}],
        [{"method": "low_rank", "ratio": 2.0, "layers": ["convv"]}],
    ],
)
def test_a_pattern_that_fits_no_layer_is_found_before_anything_is_trained(steps: list[Any]) -> None:
    plan = Plan.of(compression(*steps))
    with pytest.raises(UserError, match="=convv: fits no layer of Net; the nearest: conv"):
        check_layers(plan, tiny.Net())


def test_layers_that_a_step_makes_are_not_looked_for_in_the_plain_net() -> None:
    plan = Plan.of(compression({"method": "low_rank", "ratio": 2.0}, {"method": "share", "layers": ["conv.0"]}))
    check_layers(plan, tiny.Net())


def test_a_teacher_needs_a_student_and_a_start_is_one_of_two() -> None:
    with pytest.raises(UserError, match=r"^compression.teacher=\['arch=squeezenet'\]: no step learns from it"):
        check(compression({"method": "share"}, teacher=["arch=squeezenet"]))
    with pytest.raises(UserError, match=r"^compression.start=middle: choose one of parent, scratch"):
        check(compression({"method": "share"}, start="middle"))
