"""What the file of a paper's net takes, kept without a run."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.suite import coded_sizes, fingerprint
from experiments.suite.coded_sizes import Coded, known, name_of, path_of, read
from experiments.suite.fields import declared
from experiments.suite.paths import ROOT
from experiments.suite.subjects import Subject
from lightning_modules.errors import CorruptFileError

SOURCE = "lightning_modules/errors.py"
ARCH: dict[str, Any] = {
    "name": "squeezenet", "net": "SqueezeNet", "paper_input": [3, 227, 227], "memory_format": "channels_last",
    "bypass": "none", "stem": "small", "squeeze_ratio": 0.125,
}  # fmt: skip
COMPRESSION = declared("compression", "none") | {
    "name": "deep-compression",
    "steps": [{"method": "prune", "density": 0.33, "retrain": {"images": 0.25, "lr": 0.3}}, {"method": "share"}],
}
SUBJECT = Subject(ARCH, COMPRESSION, {"*": 0.5, "conv1": 1.0})
STREAM = SimpleNamespace(count=400, bits=1600, entropy=1550.5)
SIZES = SimpleNamespace(total=1000, parts={"codes": 900, "header": 100}, coded={"codes": STREAM}, fillers=7)
NAME = name_of(SUBJECT)


def made(**code: str) -> Coded:
    digest = {SOURCE: fingerprint.of_file(ROOT / SOURCE), **code}
    return Coded.of(SUBJECT, SIZES, digest, {"torch": "2"})


def compressed(**fields: Any) -> Subject:
    return replace(SUBJECT, compression={**COMPRESSION, **fields})


def test_the_name_is_of_what_is_coded() -> None:
    assert NAME.startswith("squeezenet-deep_compression-") and len(NAME.rpartition("-")[2]) == 10
    assert made().name == NAME
    prune, share = COMPRESSION["steps"]
    same = [
        replace(SUBJECT, arch={**ARCH, "stem": "paper", "memory_format": "contiguous"}),
        compressed(steps=[{**prune, "retrain": {"images": 2.0}}, share]),
        compressed(start="scratch", teacher=["arch=squeezenet"]),
    ]
    others = [
        replace(SUBJECT, arch={**ARCH, "bypass": "simple"}),
        replace(SUBJECT, densities={}),
        replace(SUBJECT, densities={"conv1": 1.0, "*": 0.5}),
        replace(SUBJECT, densities=(0.5, 1.0)),
        compressed(steps=[prune, {**share, "conv_bits": 6}]),
        compressed(file={"huffman": False, "index_bits": 4}),
    ]
    assert {name_of(subject) for subject in same} == {NAME}
    assert len({NAME, *map(name_of, others)}) == 1 + len(others)


@pytest.mark.parametrize("public", [True, False])
@pytest.mark.parametrize("densities", [SUBJECT.densities, (0.5, 0.25), {}])
def test_it_is_written_and_read(public: bool, densities: Any) -> None:
    subject = replace(SUBJECT, densities=densities)
    coded = Coded.of(subject, SIZES, {}, {})
    assert read(name_of(subject), public) is None
    coded.write(public)
    assert read(name_of(subject), public) == coded
    assert read(name_of(subject), not public) is None
    assert [path.name for path in path_of("x", public).parent.iterdir()] == [f"{name_of(subject)}.json"]


def test_it_says_where_the_bytes_go() -> None:
    stream = {"count": 400, "bits": 1600, "entropy": 1550.5}
    whole = {"bytes": 1000, "parts": {"codes": 900, "header": 100}, "coded": {"codes": stream}, "fillers": 7}
    assert made().coded == whole


def test_stale_names_the_file_that_changed() -> None:
    assert made().stale == ""
    assert made(**{SOURCE: "0" * 12}).stale == f"stale: {SOURCE} changed"


def test_only_the_rows_that_ask_for_it_are_known() -> None:
    made().write()
    rows = {"row": SUBJECT, "plain": replace(SUBJECT, densities=None), "absent": replace(SUBJECT, densities={})}
    assert known(rows, public=False) == ({"row": made()}, [])


DAMAGES = {
    "no JSON": lambda content: content[:-20],
    "no object": lambda _: "[]",
    "no sizes": lambda content: content.replace('"bytes"', '"bites"'),
    "no number": lambda content: content.replace("1000,", '"many",'),
    "no count": lambda content: content.replace("1000,", "-1000,"),
    "bytes of no part": lambda content: content.replace("1000,", "1001,"),
    "less than nothing": lambda content: content.replace('"fillers": 7', '"fillers": -7'),
    "no stream": lambda content: content.replace("1600", "null"),
    "no densities": lambda content: content.replace('"densities": {', '"densities": 1, "others": {'),
    "another net's": lambda content: content.replace("0.125", "0.25"),
    "other densities'": lambda content: content.replace("0.5", "0.75"),
    "other steps'": lambda content: content.replace("0.33", "0.25"),
    "no net's": lambda content: content.replace('"name"', '"nome"'),
    "no number as a density": lambda content: content.replace(" 0.5,", " NaN,"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named(damage: str) -> None:
    made().write()
    path = path_of(NAME, public=False)
    content = path.read_text(encoding="utf-8")
    damaged = DAMAGES[damage](content)
    assert damaged != content
    path.write_text(damaged, encoding="utf-8")
    with pytest.raises(CorruptFileError, match=path.name):
        read(NAME, public=False)
    found, problems = known({"row": SUBJECT}, public=False)
    assert not found and len(problems) == 1 and path.name in problems[0]


def test_a_published_file_says_no_more_than_it_should() -> None:
    made().write(public=True)
    content = json.loads(path_of(NAME, public=True).read_text(encoding="utf-8"))
    assert sorted(content) == ["arch", "code", "coded", "compression", "densities", "packages"]
    assert content["compression"] == coded_sizes.steps_of(COMPRESSION)
    assert content["arch"]["stem"] == "paper"
