"""The file of a paper's own net, from drawn weights: what is kept, and in how many bytes."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from experiments.suite.fields import declared
from experiments.suite.paper_densities import densities
from lightning_modules.compression import stored
from lightning_modules.compression.low_rank import LowRankOptions, factorise
from lightning_modules.compression.paper_scale import coded, draw
from lightning_modules.compression.selection import assign, select
from lightning_modules.errors import UserError
from lightning_modules.nets.build import build_net
from tests.nets.against import count, paper

ARCH = {**declared("arch", "squeezenet"), "version": "1.1", "base_e": 16, "incr_e": 16}
PRUNE, SHARE = {"method": "prune", "density": 0.3}, {"method": "share", "conv_bits": 4}


def compression(*steps: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    return {**declared("compression", "none"), "steps": list(steps), **fields}


def net(arch: Mapping[str, Any] = ARCH) -> nn.Module:
    """With 1000 classes, without numbers."""
    with torch.device("meta"):
        return build_net(arch, 1000, 3)


def weights(of: nn.Module) -> dict[str, int]:
    return {name: layer.weight.numel() for name, layer in select(of, "*").items()}  # type: ignore[operator, union-attr]


def test_a_plain_file_has_four_bytes_a_number() -> None:
    sizes = coded(ARCH, compression())
    assert sizes.parts["numbers"] == 4 * count(net())
    assert sizes.total - sizes.parts["numbers"] < 100 * len(net().state_dict())


def test_weights_are_drawn_with_the_deviation_of_their_fan_in() -> None:
    drawn = build_net({**declared("arch", "mobilenet_v1"), "width": 0.25}, 10, 3)
    draw(drawn)
    for layer in select(drawn, "*").values():
        weight = torch.as_tensor(layer.weight).detach()
        if weight.numel() > 1000:
            assert float(weight.std() * math.sqrt(weight[0].numel())) == pytest.approx(1, abs=0.1)
    assert all(tensor.isfinite().all() for tensor in drawn.state_dict().values())


def test_it_is_the_same_each_time() -> None:
    assert coded(ARCH, compression(PRUNE, SHARE)) == coded(ARCH, compression(PRUNE, SHARE))


@pytest.mark.parametrize("given", [{"*": 0.3, "conv10": 0.1}, "in order"])
def test_each_layer_keeps_its_density(given: Any) -> None:
    table = assign(net(), {"*": 0.3, "conv10": 0.1})
    sizes = coded(ARCH, compression(PRUNE, SHARE), tuple(table.values()) if given == "in order" else given)
    for name, total in weights(net()).items():
        tensor = sizes.tensors[f"{name}.weight"]
        assert tensor.coded["codes"].count - tensor.fillers == round(table[name] * total)
    codes, entries = sizes.coded["codes"], sum(tensor.fillers for tensor in sizes.tensors.values())
    assert codes.entropy <= codes.bits <= 4 * codes.count
    assert sizes.coded["index"].count == codes.count and sizes.fillers == entries


@pytest.mark.parametrize("of_step", [{}, {"saliency": "obd"}, {"rounds": 3, "schedule": "linear"}, {"scope": "global"}])
def test_without_densities_the_step_has_its_own(of_step: dict[str, Any]) -> None:
    sizes = coded(ARCH, compression({**PRUNE, **of_step}, SHARE), {})
    kept = sizes.coded["codes"].count - sizes.fillers
    assert kept == pytest.approx(0.3 * sum(weights(net()).values()), abs=len(weights(net())))


def test_fewer_bits_make_a_smaller_file() -> None:
    four, six, eight = (coded(ARCH, compression(PRUNE, {**SHARE, "conv_bits": bits})).total for bits in (4, 6, 8))
    assert four < six < eight
    assert coded(ARCH, compression(PRUNE, SHARE, file={"huffman": False, "index_bits": 4})).total > four


@pytest.mark.parametrize("conv", ["channel", "spatial"])
def test_low_rank_takes_what_the_factors_of_trained_weights_take(conv: str, tmp_path: Path) -> None:
    step = {"method": "low_rank", "ratio": 2.0, "conv": conv}
    factored = build_net(ARCH, 1000, 3)
    factors = factorise(factored, LowRankOptions(ratio=2.0, conv=conv)).factors
    structure = [{"method": "low_rank", "factors": factors}]
    expected = stored.save(factored, tmp_path / "model.cnz", ARCH, 1000, 3, structure, True, 4)
    assert coded(ARCH, compression(step)).parts == expected.parts


def test_eight_bits_take_a_byte_a_weight() -> None:
    arch = {**declared("arch", "mobilenet_v1"), "width": 0.25}
    for activations in (False, True):
        step = {"method": "quantize", "activations": activations}
        sizes = coded(arch, compression(step, file={"huffman": False, "index_bits": 4}))
        assert sizes.parts["codes"] == sum(weights(net(arch)).values())
        # Integers are made of what folding left of the weights.
        assert any(name.endswith("running_var") for name in sizes.tensors) is not activations


def test_a_binary_weight_takes_a_bit() -> None:
    hidden = list(weights(net()).values())[1:-1]
    for activations in (True, False):
        sizes = coded(ARCH, compression({"method": "xnor", "activations": activations}))
        assert sizes.parts["signs"] == sum(math.ceil(number / 8) for number in hidden)


@pytest.mark.parametrize(
    ("steps", "given", "said"),
    [
        ([{"method": "low_rank", "energy": 0.9}], None, "compression.steps: energy=0.9: the rank depends on trained"),
        ([SHARE], {"*": 0.5}, "compression=none: densities at the paper's scale, and no step prunes; drop them"),
        ([PRUNE], (0.5, 0.5), "densities at the paper's scale: 2 of them, and SqueezeNet has 26 layers"),
        ([PRUNE], {"conv11": 0.5}, "density=conv11: fits no layer of SqueezeNet"),
        ([PRUNE], {"*": 1.5}, r"density\[\*\]=1.5: is the share of weights to keep"),
    ],
)
def test_what_cannot_be_coded_is_named(steps: list[Any], given: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        coded(ARCH, compression(*steps), given)


def test_squeezenet_takes_what_the_authors_file_does() -> None:
    """Huffman codes are shorter than their bytes, the file's tables longer than theirs."""
    published = paper("derived_checks")["squeezenet_compressed_file"]
    arch, place = declared("arch", "squeezenet"), "derived_checks.squeezenet_compressed_file"
    share = {"method": "share", "conv_bits": 8}
    fixed = {"huffman": False, "index_bits": 4}
    sizes = coded(arch, compression({"method": "prune", "density": 0.33}, share, file=fixed), densities(place))
    assert sum(weights(net(arch)).values()) == published["weights_total"]
    assert sizes.coded["codes"].count - sizes.fillers == pytest.approx(published["nonzero_weights"], rel=0.01)
    assert sizes.total / 2**20 == pytest.approx(published["size_mib"], rel=0.02)


@pytest.mark.slow
def test_alexnet_by_deep_compression_shrinks_as_published() -> None:
    arch = {**declared("arch", "alexnet"), "groups": 2, "paper_input": [3, 227, 227]}
    total = paper("deep_compression")["table4_alexnet"]["rows"][-1]
    place = densities("deep_compression.table4_alexnet")
    sizes = coded(arch, declared("compression", "deep_compression"), place)
    kept = sizes.coded["codes"].count - sizes.fillers
    plain = paper("derived_checks")["alexnet_grouped_2012"]["params"]
    assert kept / plain == pytest.approx(total["weights_pct"] / 100, abs=0.005)
    assert 4 * plain / sizes.total == pytest.approx(total["ratio_pqh"], rel=0.2)
    for stream in sizes.coded.values():
        assert stream.entropy <= stream.bits <= 1.03 * stream.entropy
