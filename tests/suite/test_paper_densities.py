"""The densities of the papers' compressed nets, as conf/paper prints them."""

from pathlib import Path

import pytest
import yaml

from experiments.suite.paper_densities import densities
from experiments.suite.paths import CONF
from lightning_modules.errors import UserError
from tests.nets.against import paper

TABLE, FILE = "deep_compression.table4_alexnet", "derived_checks.squeezenet_compressed_file"


def test_a_table_gives_them_in_the_order_of_the_layers() -> None:
    found = densities(TABLE)
    *rows, total = paper("deep_compression")["table4_alexnet"]["rows"]
    assert isinstance(found, tuple)
    assert found == tuple(row["weights_pct"] / 100 for row in rows)
    weights = [row["weights"] for row in rows]
    kept = sum(share * count for share, count in zip(found, weights, strict=True))
    assert kept / sum(weights) == pytest.approx(total["weights_pct"] / 100, abs=0.005)


def test_fields_give_patterns_the_general_ones_first() -> None:
    found = densities(FILE)
    printed = paper("derived_checks")["squeezenet_compressed_file"]
    assert isinstance(found, dict)
    assert found["conv10"] == printed["density_conv10"]
    assert found["fire8.expand3x3"] == printed["density_e3x3"]["fire8"]
    assert found["fire8.expand1x1"] == printed["density_e1x1"]["fire8"]
    assert found["squeeze1x1"] == printed["density_s1x1"]["others_min"]
    order = list(found)
    assert order.index("expand1x1") < order.index("fire6.expand1x1")
    assert "expand3x3" not in found  # each is printed


@pytest.mark.parametrize(
    ("pointer", "said"),
    [
        ("deep_compresion.table4_alexnet", "unknown paper 'deep_compresion', did you mean deep_compression?"),
        (
            "deep_compression.table4_alexne",
            "in conf/paper/deep_compression.yaml 'table4_alexne', did you mean table4_a",
        ),
        (f"{TABLE}.rows.0", "deep_compression.table4_alexnet.rows.0: unknown place with densities in "),
        ("deep_compression.table6_alexnet_bits", r"no densities there; name a table of rows {layer, weights_pct}"),
        ("derived_checks", "no densities there"),
        ("../paper/derived_checks.x", "unknown paper"),
        ("", "unknown paper"),
    ],
)
def test_a_pointer_that_leads_to_none(pointer: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as raised:
        densities(pointer)
    assert "\n" not in str(raised.value)
    assert densities(TABLE, CONF)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ({"rows": [{"layer": "fc6", "weights_pct": 109}]}, "x.table: fc6: weights_pct is 109.*up to 100"),
        ({"rows": [{"layer": "fc6", "weights_pct": "9"}]}, "x.table: fc6: weights_pct is '9', not one number"),
        ({"density_e3x3": {"fire2": 0}}, "x.table.density_e3x3: fire2 is 0, not a share above 0 and up to 1"),
        ({"density_conv1": None}, "x.table: density_conv1 is None"),
    ],
)
def test_a_number_that_is_no_share(place: object, said: str, tmp_path: Path) -> None:
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper" / "x.yaml").write_text(yaml.safe_dump({"table": place}), encoding="utf-8")
    with pytest.raises(UserError, match=said):
        densities("x.table", tmp_path)
