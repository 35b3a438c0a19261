"""A configuration's fields against the files that declare them."""

import copy
from pathlib import Path
from typing import Any

import pytest

from experiments.suite import fields, paths
from experiments.suite.fields import check_fields, declared
from lightning_modules.errors import UserError

FILES = {
    "net/base": "name: base\nwidth: 1.0\ngroups: 4\nlabel: text\nflag: false\nsizes: [1, 2]\nfree: null\n"
    "inner: {count: 1, share: 0.5}\n",
    "net/child": "defaults:\n  - base\n  - _self_\nname: child\nextra: 3\n",
    "net/whole": "# @package _global_\ndefaults:\n  - override /net: base\nnet:\n  name: whole\n  groups: 2\n",
}


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, content in FILES.items():
        path = tmp_path / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
    monkeypatch.setattr(paths, "CONF", tmp_path)
    declared.cache_clear()
    yield
    declared.cache_clear()


def checked(choice: str = "base", top: dict[str, Any] | None = None, **net: Any) -> dict[str, Any]:
    content = {"name": "base", "width": 1.0, "groups": 4, "label": "text", "flag": False, "sizes": [1, 2],
               "free": None, "inner": {"count": 1, "share": 0.5}}  # fmt: skip
    config = {"net": {**content, **net}, **{name: kind() for name, kind in fields.TOP.items()}, **(top or {})}
    check_fields(config, {"net": choice})
    return config


def test_what_a_file_declares() -> None:
    assert declared("net", "base")["inner"] == {"count": 1, "share": 0.5}
    assert declared("net", "child") == {**declared("net", "base"), "name": "child", "extra": 3}
    assert declared("net", "whole") == {"name": "whole", "groups": 2}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"width": 2}, 2.0),
        ({"width": 2.5}, 2.5),
        ({"label": 1.1}, "1.1"),
        ({"label": 3}, "3"),
        ({"label": "x"}, "x"),
        ({"flag": True}, True),
        ({"sizes": []}, []),
        ({"groups": 8}, 8),
        ({"free": 5}, 5),
        ({"free": "anything"}, "anything"),
        ({"inner": {"count": 2, "share": 1}}, {"count": 2, "share": 1.0}),
        ({"inner": {"count": 2}}, {"count": 2}),
    ],
)
def test_values_are_brought_to_their_type(given: dict[str, Any], kept: Any) -> None:
    name = next(iter(given))
    found = checked(**copy.deepcopy(given))["net"][name]
    assert found == kept
    assert type(found) is type(kept)
    if isinstance(found, dict):
        assert {key: type(value) for key, value in found.items()} == {key: type(value) for key, value in kept.items()}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"width": "wide"}, r"net\.width=wide: must be a number"),
        ({"width": True}, r"net\.width=true: must be a number"),
        ({"groups": 4.5}, r"net\.groups=4\.5: must be a whole number"),
        ({"groups": 4.0}, r"net\.groups=4\.0: must be a whole number"),
        ({"groups": True}, r"net\.groups=true: must be a whole number"),
        ({"groups": None}, r"net\.groups=null: must be a whole number"),
        ({"flag": 1}, r"net\.flag=1: must be true or false"),
        ({"label": [1]}, r"net\.label=\[1\]: must be text"),
        ({"label": True}, r"net\.label=true: must be text"),
        ({"sizes": 1}, r"net\.sizes=1: must be a list"),
        ({"inner": 1}, r"net\.inner=1: must be fields"),
        ({"inner": {"count": "many"}}, r"net\.inner\.count=many: must be a whole number"),
        ({"inner": {"cont": 1}}, r"net\.inner\.cont: no such field; did you mean net\.inner\.count\?"),
        ({"widht": 1.0}, r"net\.widht: no such field; did you mean net\.width\?"),
        ({"zzzzzz": 1.0}, r"net\.zzzzzz: no such field; net has name, width, groups"),
        ({"top": {"seed": "x"}}, "seed=x: must be a whole number"),
        ({"top": {"seed": -1}}, "seed=-1: must be 0 or more"),
        ({"top": {"seed": 2**32}}, "seed=4294967296: must be 0 or more, and below 4294967296"),
        ({"top": {"label": ["x"]}}, r"label=\['x'\]: must be text"),
        ({"top": {"seed": 1.0}}, r"seed=1\.0: must be a whole number"),
        ({"top": {"task": ["t"]}}, "task=.*: must be text"),
    ],
)
def test_mistakes_are_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=f"^{said}"):
        checked(**given)


@pytest.mark.parametrize("choice", ["../net/base", "/net/base", "child/../base", ".."])
def test_a_choice_stays_in_its_folder(choice: str) -> None:
    with pytest.raises(UserError, match=r"^net=.*: leads out of conf/net; choose one of its files"):
        checked(choice)


def test_the_highest_seed_and_a_label_that_is_a_number() -> None:
    assert checked(top={"seed": 2**32 - 1})["seed"] == 2**32 - 1
    assert checked(top={"label": 7})["label"] == "7"
    assert checked(top={"label": None})["label"] is None


def test_a_field_of_another_file_is_no_field_of_this_one() -> None:
    assert checked("child", extra=4)["net"]["extra"] == 4
    with pytest.raises(UserError, match=r"net\.extra: no such field"):
        checked("base", extra=4)
