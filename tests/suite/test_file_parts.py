"""Where the bytes of compressed files go."""

from typing import Any

import pytest

from experiments.suite import file_parts
from experiments.suite.coded_sizes import Coded
from experiments.suite.contract import load
from experiments.suite.evidence import Evidence
from experiments.suite.record import Record
from tests.suite.records import made

ROWS = load("table3").rows
RUN_ID = "vanilla-fashion_mnist-deep-proxy-0123456789"


def file(codes: int, header: int = 30, **parts: int) -> dict[str, Any]:
    """Of that many bytes of codes, at 4 bits each, whose entropy is 3.5 bits."""
    sizes = {"codes": codes, "header": header, **parts}
    coded = {"codes": {"count": 2 * codes, "bits": 8 * codes, "entropy": 7.0 * codes}}
    return {"bytes": sum(sizes.values()), "parts": sizes, "coded": coded, "fillers": 7}


def compressed(seed: int, found: dict[str, Any] | None, status: Any = "done") -> Record:
    record = made(seed, {"test/top1_acc": 90.0}, run_id=RUN_ID, status=status)
    record.result["compression"] = {"stages": [], "file": found}
    return record


def at_paper_scale(found: dict[str, Any]) -> Coded:
    """A file of the paper's own net that holds that."""
    return Coded({}, {}, {}, found, {}, {})


def test_a_row_s_mean_adds_up() -> None:
    runs = [compressed(0, file(100, index=10)), compressed(1, file(101, index=11)), compressed(2, file(101, index=13))]
    (entry,) = file_parts.of_rows(ROWS, {"published": Evidence({"vanilla": runs}), "here": Evidence()})
    assert {key: entry[key] for key in ("row", "label", "scale", "here")} == {
        "row": "vanilla", "label": "Vanilla SqueezeNet", "scale": "run", "here": None,
    }  # fmt: skip
    found = entry["published"]
    # Means: 100.67 + 30 + 11.33 = 142.
    assert found["parts"] == {"codes": 101, "header": 30, "index": 11}
    assert next(iter(found["parts"])) == "codes"
    assert found["bytes"] == 142 and (found["n"], found["fillers"]) == (3, 7)
    assert found["coded"] == {"codes": {"count": 201, "bits": pytest.approx(4.0), "entropy": pytest.approx(3.5)}}


@pytest.mark.parametrize("sizes", [((1, 1, 1), (2, 2, 2), (2, 2, 2)), ((0, 1, 5), (1, 0, 5)), ((7, 7, 7),)])
def test_rounding_keeps_the_total(sizes: tuple[tuple[int, int, int], ...]) -> None:
    files = [file(codes, header, numbers=numbers) for codes, header, numbers in sizes]
    found = file_parts.mean(files)
    total = sum(each["bytes"] for each in files) / len(files)
    assert found["bytes"] == sum(found["parts"].values()) == round(total)
    for part, size in found["parts"].items():
        assert abs(size - sum(each["parts"][part] for each in files) / len(files)) < 1


def test_parts_that_some_files_lack_count_as_nothing() -> None:
    found = file_parts.mean([file(100, numbers=8), {**file(100), "coded": {}}])
    assert found["parts"]["numbers"] == 4
    assert found["coded"]["codes"] == {"count": 100, "bits": 4.0, "entropy": 3.5}
    empty = {**file(100), "coded": {"codes": {"count": 0, "bits": 0, "entropy": 0.0}}}
    assert file_parts.mean([empty])["coded"] == {}


def test_what_made_no_file_has_no_entry() -> None:
    runs = [made(0, {"test/top1_acc": 90.0}), compressed(1, None), compressed(2, file(100), status="diverged")]
    sides = {"published": Evidence({"vanilla": runs}), "here": Evidence()}
    assert file_parts.of_rows(ROWS, sides) == []
    one = {"published": Evidence({"vanilla": [*runs, compressed(3, file(50))]}), "here": Evidence()}
    assert file_parts.of_rows(ROWS, one)[0]["published"]["n"] == 1


def test_both_scales_and_sides() -> None:
    mine = Evidence({"vanilla": [compressed(0, file(100))]}, coded={"vanilla": at_paper_scale(file(900))})
    theirs = Evidence(coded={"simple_bypass": at_paper_scale(file(800))})
    found = file_parts.of_rows(ROWS, {"published": theirs, "here": mine})
    assert [(entry["row"], entry["scale"]) for entry in found] == [
        ("vanilla", "run"), ("vanilla", "paper"), ("simple_bypass", "paper"),
    ]  # fmt: skip
    assert [bool(entry["published"]) for entry in found] == [False, False, True]
    assert found[1]["here"]["bytes"] == 930 and found[1]["here"]["n"] is None
