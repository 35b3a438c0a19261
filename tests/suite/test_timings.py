"""The speed of a table's nets, in a file."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments.suite import fingerprint, timings
from experiments.suite.paths import ROOT
from experiments.suite.subjects import Subject
from experiments.suite.timings import Timing, known, net_of, path_of, read
from lightning_modules.errors import CorruptFileError
from tests.suite.test_costs import ARCH, NONE, SOURCE

B1, B8 = "images_s_b1", "images_s_b8"
OTHER = {**ARCH, "bypass": "simple"}
SUBJECTS = {"a": Subject(ARCH, NONE), "b": Subject(OTHER, NONE)}


def made(speeds: dict[str, list[float]], column: str = B1, **code: str) -> Timing:
    """Of rows of ``SUBJECTS``, or of other rows with the net of a."""
    digest = {SOURCE: fingerprint.of_file(ROOT / SOURCE), **code}
    return Timing(
        samples={row: {column: values} for row, values in speeds.items()},
        nets={row: net_of(SUBJECTS.get(row, SUBJECTS["a"])) for row in speeds},
        code=dict.fromkeys(speeds, digest),
        provenance={"machine": {"cpu": "A processor", "cores": 2}, "threads": 1, "others": 0.0},
    )


def repeated(speeds: dict[str, list[float]], repeats: object = 2) -> Timing:
    timing = made(speeds)
    return replace(timing, provenance={**timing.provenance, "repeats": repeats})


def test_it_is_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "timings" / "made.json"
    assert read(path) is None and known(SUBJECTS, None) == (None, [])
    timing = made({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    timing.write(path)
    assert read(path) == timing == known(SUBJECTS, path)[0]
    assert (timing.values("b", B1), timing.values("b", B8), timing.values("c", B1)) == ([3.0, 4.0], [], [])
    assert timing.rounds == 2


def test_a_row_that_has_another_net_since_is_left_out() -> None:
    timing = made({"a": [1.0], "b": [2.0], "gone": [3.0]})
    assert list(timing.of(SUBJECTS).samples) == ["a", "b"]
    other = Subject({**OTHER, "memory_format": "contiguous"}, NONE)
    assert list(timing.of({**SUBJECTS, "b": other}).samples) == ["a"]
    assert timing.of({}).rounds == 0


def test_a_net_is_another_one_where_compression_changes_what_is_computed() -> None:
    def of(*steps: dict[str, Any]) -> str:
        return net_of(Subject(ARCH, {**NONE, "steps": list(steps)}))

    plain, svd = of(), {"method": "low_rank", "ratio": 2.0}
    assert of({"method": "prune", "density": 0.1}, {"method": "share"}) == plain
    assert of(svd) == of({**svd, "retrain": {"images": 1.0}}, {"method": "prune", "density": 0.1})
    nets = {plain, of(svd), of({**svd, "ratio": 3.0}), of({"method": "quantize", "activations": True})}
    assert len(nets) == 4 and all(net.startswith(plain) for net in nets)


def test_repeats_are_compared_by_a_row_s_ratio_to_its_base() -> None:
    """The second repeat's machine is twice as fast, which says nothing; and b gained 10 % on a, which does."""
    speeds = {"a": [1.0, 2.0, 9.0, 3.0, 4.0, 18.0], "b": [3.0, 4.0, 4.0, 8.8, 8.8, 8.8], "c": [2.0] * 3 + [4.0] * 3}
    timing = repeated(speeds)
    assert (timing.rounds, timing.repeats) == (6, 2)
    assert timing.disagreement({"b": "a"}, B1) == pytest.approx(0.1)
    assert timing.disagreement({"a": "b"}, B1) == pytest.approx(0.1)  # whichever is the base
    assert timing.disagreement({"a": "a", "c": "a"}, B1) == 0.0
    assert timing.disagreement({"b": "a", "c": "a"}, B1) == pytest.approx(0.1)  # the largest
    assert timing.disagreement({"a": "a", "gone": "a", "b": "gone"}, B1) is timing.disagreement({"b": "a"}, B8) is None


def test_an_older_file_has_one_repeat_with_which_nothing_agrees_or_disagrees() -> None:
    timing = made({"a": [1.0, 2.0], "b": [2.0, 1.0]})
    assert timing.repeats == 1 and timing.disagreement({"b": "a"}, B1) is None


def test_a_row_may_lack_a_column(tmp_path: Path) -> None:
    timing = made({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    timing = replace(timing, samples={"a": {B1: [1.0, 2.0], B8: [5.0, 6.0]}, "b": {B1: [3.0, 4.0]}})
    timing.write(tmp_path / "made.json")
    found = read(tmp_path / "made.json")
    assert (
        found is not None
        and found == timing
        and found.values("b", B8) == []
        and found.disagreement({"b": "a"}, B8) is None
    )


def test_stale_names_the_file_that_changed() -> None:
    assert made({"a": [1.0]}).stale("a") == made({"a": [1.0]}).stale("b") == ""
    assert made({"a": [1.0]}, **{SOURCE: "0" * 12}).stale("a") == f"speed is stale: {SOURCE} changed"


def test_each_kind_of_measurement_has_a_file_of_its_own() -> None:
    contract, other = SUBJECTS, {**SUBJECTS, "b": Subject({**OTHER, "squeeze_ratio": 0.5}, NONE)}
    usual = path_of("table11", "proxy", contract, contract)
    assert usual.name == "table11.json" and usual.parent.parent.name == "local"
    assert path_of("table11", "paper", contract, contract) == usual
    assert path_of("table11", "smoke", contract, contract).name == "table11-smoke.json"
    names = {path_of("table11", budget, other, contract).name for budget in ("proxy", "smoke")}
    assert len(names | {usual.name, "table11-smoke.json"}) == 4
    public = path_of("table11", "smoke", other, contract, public=True)
    assert public.name == "table11.json" and public.parent.parent.name == "published"


DAMAGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "no samples": lambda value: value.pop("samples"),
    "no net": lambda value: value["nets"].pop("a"),
    "no code": lambda value: value["code"].update(a="0123"),
    "no list": lambda value: value["samples"]["a"].update({B1: 3.0}),
    "no speed": lambda value: value["samples"]["a"][B1].append(0.0),
    "text": lambda value: value["samples"]["a"][B1].append("fast"),
    "rounds missing": lambda value: value["samples"]["a"][B1].pop(),
    "nothing": lambda value: value["samples"].clear(),
    "no whole repeats": lambda value: value["provenance"].update(repeats=3),
    "no repeat": lambda value: value["provenance"].update(repeats=0),
    "repeats in words": lambda value: value["provenance"].update(repeats="2"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "made.json"
    made({"a": [1.0, 2.0], "b": [3.0, 4.0]}).write(path)
    value = json.loads(path.read_text(encoding="utf-8"))
    DAMAGES[damage](value)
    path.write_text(json.dumps(value), encoding="utf-8")
    with pytest.raises(CorruptFileError, match=r"made\.json does not hold the timings of a table"):
        read(path)
    timing, problems = known(SUBJECTS, path)
    assert timing is None and len(problems) == 1 and timings.read(tmp_path / "none.json") is None
