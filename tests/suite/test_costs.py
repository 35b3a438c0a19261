"""What a net costs, kept without a run."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments.suite import costs, fingerprint
from experiments.suite.costs import Cost, path_of, read
from experiments.suite.net_names import name_of
from experiments.suite.paths import ROOT
from experiments.suite.subjects import Subject
from lightning_modules.errors import CorruptFileError

SOURCE = "lightning_modules/errors.py"
ARCH: dict[str, Any] = {
    "name": "squeezenet", "net": "SqueezeNet", "paper_input": [3, 227, 227], "memory_format": "channels_last",
    "bypass": "none", "stem": "small", "squeeze_ratio": 0.125,
}  # fmt: skip
NONE: dict[str, Any] = {"name": "none", "start": "parent", "teacher": [], "steps": [], "file": {}}


def made(**code: str) -> Cost:
    digest = {SOURCE: fingerprint.of_file(ROOT / SOURCE), **code}
    return Cost(ARCH, {"input": [3, 227, 227], "params": 1_248_424, "macs": 832_667_936}, digest, {"torch": "2"})


def test_the_name_is_of_the_net_at_its_paper_s_scale() -> None:
    name = name_of(ARCH)
    assert name.startswith("squeezenet-") and len(name) == len("squeezenet-") + 10
    for field, value in (("stem", "paper"), ("memory_format", "contiguous"), ("squeeze_ratio", 1 / 8)):
        assert name_of({**ARCH, field: value}) == name
    for field, value in (("bypass", "simple"), ("squeeze_ratio", 0.5), ("paper_input", [3, 224, 224])):
        assert name_of({**ARCH, field: value}) != name
    assert name_of({**ARCH, "narrow": 4}) == name_of({**ARCH, "narrow": 1}) == name


@pytest.mark.parametrize("public", [True, False])
def test_it_is_written_and_read(public: bool) -> None:
    assert read(name_of(ARCH), public) is None
    made().write(public)
    assert read(name_of(ARCH), public) == made()
    assert read(name_of(ARCH), not public) is None
    assert [path.name for path in path_of("x", public).parent.iterdir()] == [f"{name_of(ARCH)}.json"]


def test_stale_names_the_file_that_changed() -> None:
    assert made().stale == ""
    assert made(**{SOURCE: "0" * 12}).stale == f"stale: {SOURCE} changed"


def test_it_can_stand_in_for_a_record_s_cost_and_for_nothing_else() -> None:
    stand_in = made().as_record()
    assert stand_in.cost["paper"]["macs"] == 832_667_936
    assert (stand_in.metrics, stand_in.run_id) == ({}, name_of(ARCH))


DAMAGES = {
    "no JSON": lambda content: content[:-20],
    "no object": lambda _: "[]",
    "no cost": lambda content: content.replace('"cost"', '"coast"'),
    "no number": lambda content: content.replace("832667936", '"many"'),
    "no count": lambda content: content.replace("832667936", "-1"),
    "another net's": lambda content: content.replace("0.125", "0.25"),
    "no net's": lambda content: content.replace('"name"', '"nome"'),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named(damage: str) -> None:
    made().write()
    path = path_of(name_of(ARCH), public=False)
    path.write_text(DAMAGES[damage](path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(CorruptFileError, match=path.name):
        read(name_of(ARCH), public=False)
    known, problems = costs.known({"row": Subject(ARCH, NONE)}, public=False)
    assert not known and len(problems) == 1 and path.name in problems[0]


def test_published_costs_are_small_and_name_no_machine(tmp_path: Path) -> None:
    made().write(public=True)
    content = json.loads(path_of(name_of(ARCH), public=True).read_text(encoding="utf-8"))
    assert sorted(content) == ["arch", "code", "cost", "packages"]
    assert replace(made(), packages={}).name == name_of(ARCH)
