"""The rows and claims of table7 to table10 against Tables 1 to 4 of ShuffleNet V2."""

import inspect
from itertools import groupby
from typing import Any

import pytest
import torch
import yaml

from experiments.suite.paths import CONF
from lightning_modules.nets import ChannelRatio, ElementWise, Fragments, GroupConvolutions
from lightning_modules.nets.build import build_net
from lightning_modules.nets.guidelines import BLOCKS, fragment_channels
from tests.nets.against import count, macs, paper

PAPER = paper("shufflenet_v2")
HW = 56
PIXELS = HW * HW
NETS = {7: ChannelRatio, 8: GroupConvolutions, 9: Fragments, 10: ElementWise}
POINTERS = {7: "table1_g1_channel_ratio", 8: "table2_g2_groups", 9: "table3_g3_fragments", 10: "table4_g4_elementwise"}


def contract(number: int) -> dict[str, Any]:
    return yaml.safe_load((CONF / "table" / f"table{number}.yaml").read_text(encoding="utf-8"))


CONTRACTS = {number: contract(number) for number in NETS}
ROWS = [(number, name) for number in NETS for name in CONTRACTS[number]["rows"]]


def row(number: int, name: str) -> dict[str, Any]:
    return CONTRACTS[number]["rows"][name]


def printed(number: int, name: str) -> dict[str, Any]:
    """The row of the paper."""
    wanted = row(number, name)["paper"]
    (found,) = [each for each in PAPER[POINTERS[number]]["rows"] if wanted.items() <= each.items()]
    return found


def arch(number: int, name: str) -> dict[str, Any]:
    """What the row's overrides make of their file of conf/arch."""
    given = dict(override.split("=", 1) for override in row(number, name)["overrides"])
    described = yaml.safe_load((CONF / "arch" / f"{given.pop('arch')}.yaml").read_text(encoding="utf-8"))
    changes = {key.removeprefix("arch."): yaml.safe_load(value) for key, value in given.items()}
    assert changes.keys() <= described.keys()
    return {**described, **changes}


def settings(number: int, name: str) -> dict[str, Any]:
    """The net's own."""
    own = set(inspect.signature(NETS[number]).parameters) - {"num_classes", "in_channels"}
    return {key: value for key, value in arch(number, name).items() if key in own}


def row_macs(number: int, name: str) -> int:
    """Of the whole net, by formula: nothing of it is built."""
    s = settings(number, name)
    match number:
        case 7:
            block = 2 * s["c1"] * s["c2"]
        case 8:
            block = s["channels"] ** 2 // s["groups"]
        case 9:
            block = s["fragments"] * fragment_channels(s["channels"], s["fragments"]) ** 2
        case _:
            inner = s["channels"] // 4
            block = 2 * s["channels"] * inner + 9 * inner**2
    return BLOCKS * PIXELS * block


def groups(number: int) -> dict[str, list[str]]:
    """Names of rows by group; the rows of a group stand together."""
    rows = CONTRACTS[number]["rows"]
    found = [(group, list(names)) for group, names in groupby(rows, key=lambda name: rows[name]["group"])]
    assert len(dict(found)) == len(found)
    return dict(found)


# The contracts' rows


@pytest.mark.parametrize("number", NETS)
def test_every_number_of_the_papers_table_has_its_row(number: int) -> None:
    found = sorted((str(printed(number, name)), row(number, name)["group"]) for name in CONTRACTS[number]["rows"])
    speeds = [
        (str(each), field)
        for each in PAPER[POINTERS[number]]["rows"]
        for field, value in each.items()
        if field.startswith(("gpu_", "arm_")) and not isinstance(value, list) and field not in ("gpu_c", "arm_c")
    ]
    assert found == sorted(speeds)
    assert len(found) == 6 * len(PAPER[POINTERS[number]]["rows"])
    assert CONTRACTS[number]["paper"] == f"shufflenet_v2.{POINTERS[number]}"


@pytest.mark.parametrize(("number", "name"), ROWS)
def test_a_row_says_its_number_and_its_net(number: int, name: str) -> None:
    found = row(number, name)
    assert found["fields"] == {"images_s_b1": found["group"]}
    assert found["trained"] is False
    described = arch(number, name)
    with torch.device("meta"):
        net = build_net(described, 1000, described["paper_input"][0])
    assert type(net) is NETS[number]
    assert described["paper_input"][1:] == [HW, HW]
    assert described["memory_format"] == "channels_last"


@pytest.mark.parametrize("number", [7, 8])
def test_channels_are_the_printed_ones_times_the_groups_factor(number: int) -> None:
    elsewhere = {}
    for name in CONTRACTS[number]["rows"]:
        platform, factor = row(number, name)["group"].split("_x")
        own, theirs = settings(number, name), printed(number, name)
        counts = theirs[f"{platform}_c"]
        expected = (
            {"c1": counts[0] * int(factor), "c2": counts[1] * int(factor)}
            if number == 7
            else {"channels": counts * int(factor), "groups": theirs["g"]}
        )
        if own != expected:
            elsewhere[name] = own, expected
    # 180 channels are 22.5 times 8: of the two multiples beside it the one that is nearer in multiply-adds.
    exception = {"arm_x1_g8": ({"channels": 184, "groups": 8}, {"channels": 180, "groups": 8})}
    assert elsewhere == ({} if number == 7 else exception)
    wanted = 64 * 64 * 8
    assert abs(184**2 - wanted) < abs(176**2 - wanted)
    assert number == 7 or "184" in row(8, "arm_x1_g8")["note"]


@pytest.mark.parametrize("number", [9, 10])
def test_the_groups_channels_and_the_rows_treatment(number: int) -> None:
    for name in CONTRACTS[number]["rows"]:
        own, theirs = settings(number, name), printed(number, name)
        assert own["channels"] == int(row(number, name)["group"].split("_c")[1])
        if number == 10:
            assert (own["relu"], own["shortcut"]) == (theirs["relu"], theirs["shortcut"])
        else:
            fragments, _, way = theirs["block"].partition("-fragment")
            assert (str(own["fragments"]), own["parallel"]) == (fragments, way == "-parallel")


@pytest.mark.parametrize("number", NETS)
def test_a_group_begins_with_the_papers_first_row_and_has_equal_multiply_adds(number: int) -> None:
    # G1's channel counts are the paper's, which differ by more than 5 percent at 1:2 on its ARM: 22 * 44 of 32 * 32.
    tolerance = 0.056 if number == 7 else 0.05
    for names in groups(number).values():
        assert printed(number, names[0]) == PAPER[POINTERS[number]]["rows"][0]
        costs = [row_macs(number, name) for name in names]
        assert max(costs) / min(costs) - 1 < tolerance / (1 - tolerance)
        assert all(abs(cost / costs[0] - 1) < tolerance for cost in costs)


def test_multiply_adds_of_g1_are_those_of_discrepancy_d27() -> None:
    (found,) = [item for item in paper("discrepancies")["items"] if item["id"] == "D27"]
    ours = [row_macs(7, name) / 1e6 for name in groups(7)["gpu_x1"]]
    assert ours == pytest.approx(found["values"]["mmacs"], abs=0.005)


def test_the_first_rows_of_g2_and_g3_are_one_net() -> None:
    """As the paper's own numbers of both say (consistency_between_tables)."""
    pairs = {
        "gpu_x1": "gpu_c128",
        "gpu_x2": "gpu_c256",
        "gpu_x4": "gpu_c512",
        "arm_x1": "arm_c64",
        "arm_x2": "arm_c128",
    }
    for second, third in pairs.items():
        assert row_macs(8, groups(8)[second][0]) == row_macs(9, groups(9)[third][0])


@pytest.mark.parametrize("number", NETS)
def test_columns_and_correlation(number: int) -> None:
    found = CONTRACTS[number]
    assert found["seeds"] == []
    assert found["columns"] == [
        "macs_m",
        "access_m",
        "images_s_b1",
        "images_s_b1_rel",
        "gpu_images_s",
        "gpu_images_s_rel",
    ]
    # Memory access counts convolutions: element-wise operations change nothing of it, so nothing can be correlated.
    assert found.get("correlate") == (None if number == 10 else {"x": "access_m", "y": "images_s_b1"})
    labels = [each["label"] for each in found["rows"].values()]
    assert len(set(labels)) == len(labels)


# The contracts' claims


def speed(number: int, name: str) -> float:
    """The paper's, relative to that of the group's first row."""
    group = row(number, name)["group"]
    return printed(number, name)[group] / printed(number, groups(number)[group][0])[group]


def papers_estimate(number: int, claim: dict[str, Any]) -> float:
    if claim["kind"] == "ordering":
        return speed(number, claim["better"]) - speed(number, claim["worse"])
    speeds = torch.tensor([speed(number, name) for name in claim["rows"]], dtype=torch.float64)
    steps = torch.arange(len(speeds), dtype=torch.float64)
    steps -= steps.mean()
    return -float((steps * speeds).sum() / (steps**2).sum())


def named(claim: dict[str, Any]) -> list[str]:
    return claim["rows"] if claim["kind"] == "trend" else [claim["better"], claim["worse"]]


@pytest.mark.parametrize(
    ("number", "claim"),
    [pytest.param(number, claim, id=claim["id"]) for number in NETS for claim in CONTRACTS[number]["claims"]],
)
def test_a_claim_is_about_one_group_and_the_paper_itself_meets_its_margin(number: int, claim: dict[str, Any]) -> None:
    assert len({row(number, name)["group"] for name in named(claim)}) == 1
    assert (claim["metric"], claim["margin"]) == ("images_s_b1_rel", 0.05)
    assert papers_estimate(number, claim) > claim["margin"]
    if claim["kind"] == "trend":
        assert claim["direction"] == "decreasing"
        assert claim["rows"][0] == groups(number)[row(number, claim["rows"][0])["group"]][0]


@pytest.mark.parametrize("number", NETS)
def test_every_group_has_a_claim(number: int) -> None:
    claimed = {row(number, named(claim)[0])["group"] for claim in CONTRACTS[number]["claims"]}
    assert claimed == set(groups(number))


def test_the_paper_prints_no_slow_down_of_fragments_in_series_on_its_arm() -> None:
    """So table9 claims none."""
    for group in ("arm_c64", "arm_c128", "arm_c256"):
        in_series = {"kind": "trend", "rows": groups(9)[group][:3]}
        assert [printed(9, name)["block"] for name in in_series["rows"][1:]] == [
            "2-fragment-series",
            "4-fragment-series",
        ]
        assert papers_estimate(9, in_series) < 0.05


# The nets that the rows describe

EXAMPLES = [
    (7, "arm_x1_1_6"),
    (7, "gpu_x4_1_12"),
    (8, "gpu_x1_g8"),
    (8, "arm_x1_g8"),
    (9, "gpu_c128_1_fragment"),
    (9, "gpu_c128_2_fragment_series"),
    (9, "arm_c64_2_fragment_parallel"),
    (9, "gpu_c512_4_fragment_parallel"),
    (10, "gpu_c32_relu_shortcut"),
    (10, "arm_c128_neither"),
]


@pytest.mark.parametrize(("number", "name"), EXAMPLES)
def test_maps_multiply_adds_and_parameters(number: int, name: str) -> None:
    described = arch(number, name)
    channels = described["paper_input"][0]
    with torch.device("meta"):
        net = build_net(described, 10, channels)
        x = torch.zeros(2, channels, HW, HW)
    assert net(x).shape == x.shape
    assert macs(net, channels, HW) == row_macs(number, name)
    assert count(net) * PIXELS == row_macs(number, name)  # each weight once a pixel, and no biases
