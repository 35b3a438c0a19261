"""Groups of test faces, curves of their errors, and columns that are statistics of them, against values made by hand."""

from typing import Any

import numpy as np
import pytest

from experiments.suite import ced, face_groups, yamls
from experiments.suite.columns import column
from experiments.suite.evidence import Evidence
from experiments.suite.group_contract import Groups, read_ced, read_groups
from experiments.suite.paper import PaperTable
from experiments.suite.record import Record, pack_numbers, unpack
from experiments.suite.row_contract import Row
from lightning_modules.errors import UserError

NME = np.array([2.0, 4.0, 6.0, 8.0, 10.0, 30.0])
YAW = np.array([-50.0, -10.0, 0.0, 10.0, 20.0, 40.0])
SCALE = np.array([0.05, 0.1, 0.15, 0.2, 0.25, 0.08])
PLACE = yamls.Place("conf/table/made.yaml", "groups")
GROUPS = {
    "metric": "test/nme",
    "by": [{"of": "yaw", "label": "yaw", "unit": "°", "edges": [15, 30], "absolute": True}],
}


def record(nme: np.ndarray = NME, seed: int = 0, **about: Any) -> Record:
    kept = {"test/nme": pack_numbers(nme), "face/yaw": pack_numbers(YAW), "face/scale": pack_numbers(SCALE)}
    metrics = {"test/nme": float(nme.mean()), "test/nme_median": float(np.median(nme)), **about}
    result = {"status": "done", "metrics": metrics, "curves": [], "per_example": kept}
    cost = {"run": {"params": 500_000, "macs": 7, "levels": 2}}
    return Record(result, cost, {}, {"run_id": "made", "seed": seed})


def row(name: str) -> Row:
    return Row(name, name.upper(), {}, PaperTable("p", {}, None, False, ()), True, None, {})


def read(**changes: Any) -> Groups:
    return read_groups({**GROUPS, **changes}, PLACE, [column("test/nme"), column("params")])


def test_numbers_in_16_bits_keep_three_digits() -> None:
    values = np.array([0.0012345, 12.345, 12345.0, -0.5])
    assert unpack(pack_numbers(values)) == pytest.approx(values, rel=1e-3)
    with pytest.raises(ValueError, match="4 numbers, not 5"):
        unpack({**pack_numbers(values), "n": 5})


def test_numbers_beyond_16_bits_are_infinite(recwarn: pytest.WarningsRecorder) -> None:
    assert unpack(pack_numbers(np.array([1e9, -1e9, 1.0]))).tolist() == [np.inf, -np.inf, 1]
    assert not recwarn.list


def test_groups_are_cut_at_their_edges_whatever_the_sign() -> None:
    (split,) = read().by
    assert split.heads() == ["yaw below 15°", "yaw 15 to 30°", "yaw from 30°"]
    assert [mask.tolist() for mask in split.masks(YAW)] == [
        [False, True, True, True, False, False],
        [False, False, False, False, True, False],
        [True, False, False, False, False, True],
    ]


def test_a_cell_is_the_mean_over_the_group_and_the_seeds() -> None:
    here = Evidence({"a": [record(), record(NME + 1, 1)], "b": []})
    found = face_groups.of_table(
        read(), column("test/nme"), [row("a"), row("b")], {"here": here, "published": Evidence()}
    )
    assert found["faces"] == [3, 1, 2] and [each["row"] for each in found["rows"]] == ["a"]
    cells = found["rows"][0]["here"]["cells"]
    assert [cell["mean"] for cell in cells] == pytest.approx([6.5, 10.5, 16.5])
    assert found["rows"][0]["published"] is None and found["rows"][0]["here"]["n"] == 2
    # Seeds differ by 1: variance 0.5 of two; of the faces 4.5, 6.5, 8.5 it is 4 of three.
    half = 12.706 * np.sqrt(0.5 / 2 + 4 / 3)
    assert cells[0]["high"] - cells[0]["mean"] == pytest.approx(half, rel=1e-3)


def test_a_contract_s_mistakes() -> None:
    for changes, said in (
        ({"metric": "params"}, "unknown column 'params'"),
        ({"by": []}, "by: is empty"),
        ({"by": [{"of": "yaw", "label": "yaw", "edges": [30, 15]}]}, r"edges: is \[30, 15\], write rising numbers"),
    ):
        with pytest.raises(UserError, match=said):
            read(**changes)
    with pytest.raises(UserError, match="unknown row 'c'"):
        read_ced({"metric": "test/nme", "rows": ["c"]}, PLACE, [column("test/nme")], ["a"])


def test_a_curve_says_which_share_has_at_most_that_error() -> None:
    sides = {"here": Evidence({"a": [record(), record(NME + 100, 1)]}), "published": Evidence()}
    found = ced.of_table("test/nme", ["a"], [row("a")], sides)
    at = dict(zip(found["at"], found["rows"][0]["here"], strict=True))
    assert (at[1.5], at[2.0], at[10.0], at[30.0]) == pytest.approx((0, 100 / 12, 500 / 12, 50))
    assert found["rows"][0]["published"] is None


def test_statistics_of_the_errors() -> None:
    images = NME[None]
    for name, value in (
        ("test/fr10", 100 / 6),
        ("test/auc10", 100 * (0.8 + 0.6 + 0.4 + 0.2) / 6),
        ("test/nme_median", 7),
    ):
        statistic = column(name).statistic
        assert statistic is not None and statistic(images) == pytest.approx([value])
        assert column(name).per_example(record()) == pytest.approx(NME)
    assert column("test/auc10").better == "higher" and column("test/fr10").better == "lower"


def test_small_faces_less_the_others() -> None:
    """The two smallest of six have 2 and 30, the others 4, 6, 8 and 10."""
    small = column("test/nme_small_gap")
    assert small.value(record()) == pytest.approx(16 - 7)
    values = small.per_example(record())
    assert values is not None and values.mean() == pytest.approx(16 - 7)
    bare = Record(
        {"status": "done", "metrics": {"x": 1.0}, "curves": [], "per_example": {}}, {}, {}, {"run_id": "a", "seed": 0}
    )
    assert small.value(bare) is None and small.per_example(bare) is None


def test_a_level_s_size() -> None:
    assert column("level_mb").value(record()) == pytest.approx(1.0)
    assert column("run_params").value(record()) == 500_000
