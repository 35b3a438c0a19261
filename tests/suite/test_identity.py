"""Names of runs: pinned, and made of what determines the result."""

import copy
from collections.abc import Iterator, Mapping
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest
import yaml

from experiments.suite import identity as module
from experiments.suite import paths
from experiments.suite.identity import identity, run_id
from experiments.suite.paths import CONF
from lightning_modules.errors import UserError

RULES = yaml.safe_load((CONF / "identity.yaml").read_text(encoding="utf-8"))

# Written out, so that a change of a file in conf/ does not move the pins.
BASE: dict[str, Any] = {
    "task": "classification",
    "seed": 0,
    "label": None,
    "tags": [],
    "arch": {
        "name": "squeezenet",
        "net": "SqueezeNet",
        "paper_input": [3, 227, 227],
        "memory_format": "channels_last",
        "version": "1.0",
        "bypass": "none",
        "base_e": 128,
        "incr_e": 128,
        "pct3x3": 0.5,
        "freq": 2,
        "squeeze_ratio": 0.125,
        "stem": "paper",
        "dropout": 0.5,
    },
    "data": {
        "name": "fashion_mnist",
        "dataset": "FashionMNIST",
        "num_classes": 10,
        "channels": 1,
        "size": 32,
        "mean": [0.286],
        "std": [0.353],
        "classes": ["a", "b"],
        "validation": {"images": 6000, "seed": 0, "sha256": "d0"},
        "sha256": {"train": "c5", "test": "5b"},
        "root": None,
        "mirrors": None,
        "timeout_s": 10,
    },
    "recipe": {
        "name": "pinned",
        "images_seen": 216000,
        "batch_size": 128,
        "optimizer": "sgd",
        "lr": 0.02,
        "momentum": 0.9,
        "nesterov": False,
        "betas": [0.9, 0.999],
        "weight_decay": 0.0002,
        "schedule": "linear",
        "warmup": 0.1,
        "clip_norm": 0.5,
        "label_smoothing": 0.0,
        "output_bias": None,
        "augment": {"crop_padding": 2, "flip": True},
    },
    "compression": {
        "name": "none",
        "start": "parent",
        "teacher": [],
        "steps": [],
        "file": {"huffman": True, "index_bits": 4},
    },
    "budget": {"name": "proxy", "images_seen": 216000, "train_images": None, "val_images": None, "test_images": None},
    "trainer": {"accelerator": "cpu", "devices": 1, "precision": "32-true", "threads": None},
    "logger": {"name": "wandb", "mode": "offline", "project": "compact-nets", "entity": None},
}


def changed(**changes: Any) -> dict[str, Any]:
    """BASE with changes, each ``group__field`` (or deeper)."""
    config = copy.deepcopy(BASE)
    for name, value in changes.items():
        *way, last = name.split("__")
        place = config
        for part in way:
            place = place[part]
        place[last] = value
    return config


PINNED = [
    ({}, "squeezenet-fashion_mnist-none-proxy-42b070466b"),
    ({"arch__bypass": "simple"}, "squeezenet-fashion_mnist-none-proxy-09f3aa83fc"),
    ({"arch__bypass": "complex"}, "squeezenet-fashion_mnist-none-proxy-88700d3668"),
    ({"arch__version": "1.1"}, "squeezenet-fashion_mnist-none-proxy-9b03d66d31"),
    ({"recipe__lr": 0.04, "recipe__clip_norm": None}, "squeezenet-fashion_mnist-none-proxy-a43fdca90f"),
    ({"data__size": 64, "arch__name": "squeeze-net"}, "squeeze_net-fashion_mnist-none-proxy-c8b79b0d8a"),
    ({"budget__name": "smoke", "budget__train_images": 1024}, "squeezenet-fashion_mnist-none-smoke-360c83eca1"),
    (
        {"trainer__precision": "bf16-mixed", "budget__images_seen": None},
        "squeezenet-fashion_mnist-none-proxy-00eed45007",
    ),
]


@pytest.mark.parametrize(("changes", "expected"), PINNED, ids=lambda value: str(value)[:40])
def test_the_ids_of_known_configurations_do_not_change(changes: dict[str, Any], expected: str) -> None:
    """A failure here orphans every record that was ever made: give a new option its no-op value in identity.yaml."""
    assert run_id(changed(**changes)) == expected


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key in value:
            yield from leaves(value[key], f"{path}__{key}" if path else key)
    else:
        yield path, value


def other(value: Any) -> Any:
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    if value is None:
        return 7
    if isinstance(value, list):
        return [*value, 1]
    return value + 1 if isinstance(value, (int, float)) else f"{value}x"


def under(path: str, fields: list[str]) -> bool:
    dotted = path.replace("__", ".")
    return any(dotted == field or dotted.startswith(f"{field}.") for field in fields)


FIELDS = dict(leaves(BASE))
DETERMINING = [path for path in FIELDS if under(path, RULES["determines"]) and not under(path, RULES["except"])]
OTHERS = [path for path in FIELDS if path not in DETERMINING]


@pytest.mark.parametrize("path", DETERMINING)
def test_what_determines_the_result_changes_the_id(path: str) -> None:
    assert run_id(changed(**{path: other(FIELDS[path])})) != run_id(BASE)


@pytest.mark.parametrize("path", OTHERS)
def test_nothing_else_does(path: str) -> None:
    assert run_id(changed(**{path: other(FIELDS[path])})) == run_id(BASE)


def test_what_nothing_else_is() -> None:
    assert set(OTHERS) == {
        "seed", "label", "tags", "data__root", "data__mirrors", "data__timeout_s", "trainer__accelerator",
        "trainer__devices", "trainer__threads", "logger__name", "logger__mode", "logger__project", "logger__entity",
    }  # fmt: skip


@pytest.mark.parametrize("field", RULES["no_op"])
def test_an_option_that_does_nothing_is_left_out(field: str) -> None:
    path = field.replace(".", "__")
    off = changed(**{path: RULES["no_op"][field]})
    absent = copy.deepcopy(off)
    *way, name = field.split(".")
    del reduce(getitem, way, absent)[name]
    assert run_id(off) == run_id(absent)
    assert field not in identity(off)
    on = changed(**{path: other(RULES["no_op"][field])})
    assert run_id(on) != run_id(off)


@pytest.mark.parametrize("field", RULES["no_op"])
def test_a_no_op_value_is_that_of_a_file_of_its_group(field: str) -> None:
    group, name = field.split(".", 1)
    declared = []
    for path in (CONF / group).glob("*.yaml"):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        content = content.get(group, content) if isinstance(content.get(group), dict) else content
        declared.append(dict(leaves(content)))
    path = name.replace(".", "__")
    assert any(path in content and content[path] == RULES["no_op"][field] for content in declared)


def test_zero_is_not_false_and_none_is_not_zero() -> None:
    ids = [run_id(changed(recipe__nesterov=value)) for value in (False, True, 0, None)]
    assert len(set(ids)) == 4
    assert run_id(changed(recipe__output_bias=None)) != run_id(changed(recipe__output_bias=0.0))


@pytest.mark.parametrize(
    ("path", "one", "same"),
    [
        ("recipe__label_smoothing", 0, 0.0),
        ("recipe__lr", 1, 1.0),
        ("recipe__clip_norm", 1, 1.0),
        ("recipe__betas", [0, 0.5], [0.0, 0.5]),
        ("recipe__weight_decay", 2e-4, 0.0002),
    ],
)
def test_1_and_1_point_0_are_the_same_number(path: str, one: Any, same: Any) -> None:
    assert run_id(changed(**{path: one})) == run_id(changed(**{path: same}))


def test_the_order_of_fields_does_not_count_but_that_of_a_list_does() -> None:
    turned = {key: BASE[key] for key in reversed(BASE)}
    turned["recipe"] = {key: BASE["recipe"][key] for key in reversed(BASE["recipe"])}
    assert run_id(turned) == run_id(BASE)
    assert run_id(changed(recipe__betas=[0.999, 0.9])) != run_id(BASE)


def test_a_name_can_be_split_at_its_hyphens() -> None:
    parts = run_id(changed(arch__name="a-b", compression__name="c-d")).split("-")
    assert parts[:4] == ["a_b", "fashion_mnist", "c_d", "proxy"]
    assert len(parts[4]) == 10
    assert set(parts[4]) <= set("0123456789abcdef")


def test_a_number_that_is_none_has_no_id() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        run_id(changed(recipe__lr=float("nan")))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("determines: [", "is not valid YAML"),
        ("determines: []", "no except, add one"),
        ("{determines: 1, except: [], no_op: {}}", "determines: is 1, write a list"),
        ("{determines: [], except: [], no_op: []}", "no_op: is .*, write a mapping"),
    ],
)
def test_rules_that_are_none_are_named(
    content: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "identity.yaml").write_text(content, encoding="utf-8")
    monkeypatch.setattr(paths, "CONF", tmp_path)
    module._rules.cache_clear()
    with pytest.raises(UserError, match=rf"identity\.yaml.*{said}"):
        run_id(BASE)
    module._rules.cache_clear()
