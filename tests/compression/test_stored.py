"""A net, its file and the net that the file describes."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn

from experiments.suite.paths import CONF
from lightning_modules.compression import cnz, stored
from lightning_modules.compression.batch_norm_folding import fold
from lightning_modules.compression.forms import Affine, Dense, Shared, Sparse
from lightning_modules.compression.low_rank import LowRankOptions, factorise
from lightning_modules.compression.pruning import PruneOptions, prune_round
from lightning_modules.compression.quantization import Quantization, quantise
from lightning_modules.compression.sharing import ShareOptions, share
from lightning_modules.compression.xnor import binarise
from lightning_modules.errors import CorruptFileError
from lightning_modules.nets.build import build_net

ARCH = {
    **yaml.safe_load((CONF / "arch" / "squeezenet.yaml").read_text(encoding="utf-8")),
    **{"version": "1.1", "base_e": 16, "incr_e": 16},
}
CONV1 = "layers.conv1.weight"
EXPAND = "layers.fire2.expand3x3.weight"


def small() -> nn.Module:
    torch.manual_seed(0)
    return build_net(ARCH, 10, 1).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def images() -> Tensor:
    return torch.randn(4, 1, 32, 32, generator=torch.Generator().manual_seed(1))


def saved(net: nn.Module, path: Path, structure: list[dict[str, Any]] | None = None) -> int:
    return stored.save(net, path, ARCH, 10, 1, structure or [], True, 4).total


def pruned_and_shared(net: nn.Module) -> list[dict[str, Any]]:
    prune_round(net, PruneOptions(density=0.3), 1)
    share(net, ShareOptions(conv_bits=4))
    return []


def pruned(net: nn.Module) -> list[dict[str, Any]]:
    prune_round(net, PruneOptions(density=0.3), 1)
    return []


def shared(net: nn.Module) -> list[dict[str, Any]]:
    share(net, ShareOptions(conv_bits=4))
    return []


def pruned_and_quantized(net: nn.Module) -> list[dict[str, Any]]:
    prune_round(net, PruneOptions(density=0.3), 1)
    quantise(net, Quantization())
    return []


def low_rank_and_pruned(net: nn.Module) -> list[dict[str, Any]]:
    factors = factorise(net, LowRankOptions(ratio=1.5)).factors
    assert factors
    prune_round(net, PruneOptions(density=0.5), 1)
    return [{"method": "low_rank", "factors": factors}]


def binary_weights(net: nn.Module) -> list[dict[str, Any]]:
    return [binarise(net, False)]


def binary(net: nn.Module) -> list[dict[str, Any]]:
    return [binarise(net, True)]


@pytest.mark.parametrize(
    ("compress", "form"),
    [
        (lambda net: [], Dense),
        (pruned, Sparse),
        (shared, Shared),
        (pruned_and_shared, Shared),
        (pruned_and_quantized, Affine),
    ],
)
def test_the_file_is_the_net(compress: Any, form: type, tmp_path: Path) -> None:
    net = small()
    structure = compress(net)
    assert type(stored.forms_of(net)[EXPAND]) is form
    size = saved(net, tmp_path / "net.cnz", structure)
    assert size == (tmp_path / "net.cnz").stat().st_size
    found, metadata = stored.load(tmp_path / "net.cnz")
    assert metadata["num_classes"] == 10 and metadata["arch"] == ARCH
    assert all(type(module) in (type(other) for other in small().modules()) for module in found.modules())
    for name, tensor in found.state_dict().items():
        assert torch.equal(tensor, stored.forms_of(net)[name].decoded()), name
    torch.testing.assert_close(found.eval()(images()), net(images()), rtol=1e-5, atol=1e-6)


def rounded_inputs(net: nn.Module) -> list[dict[str, Any]]:
    done = quantise(net, Quantization(activations=True), [images()])
    return [{"method": "quantize", "layers": list(done.layers)}]


@pytest.mark.parametrize("compress", [low_rank_and_pruned, binary_weights, binary, rounded_inputs])
def test_a_net_of_other_layers_comes_back_as_it_is(compress: Any, tmp_path: Path) -> None:
    net = small()
    structure = compress(net)
    saved(net, tmp_path / "net.cnz", structure)
    found, metadata = stored.load(tmp_path / "net.cnz")
    assert metadata["structure"] == structure
    torch.testing.assert_close(found.eval()(images()), net(images()), rtol=1e-5, atol=1e-6)


def test_a_folded_and_quantized_net_comes_back_as_it_is(tmp_path: Path) -> None:
    arch = yaml.safe_load((CONF / "arch" / "mobilenet_v1.yaml").read_text(encoding="utf-8")) | {"width": 0.25}
    torch.manual_seed(0)
    net = build_net(arch, 10, 1).eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    fold(net)
    done = quantise(net, Quantization(per_channel=True, symmetric=True, activations=True), [images()])
    structure = [{"method": "fold"}, {"method": "quantize", "layers": list(done.layers)}]
    stored.save(net, tmp_path / "net.cnz", arch, 10, 1, structure, True, 4)
    found, _ = stored.load(tmp_path / "net.cnz")
    assert not any(isinstance(module, nn.BatchNorm2d) for module in found.modules())
    torch.testing.assert_close(found.eval()(images()), net(images()), rtol=1e-5, atol=1e-6)


def test_density_counts_weights_and_no_biases() -> None:
    net = small()
    assert stored.density(net) == 1
    prune_round(net, PruneOptions(density=0.3), 1)
    assert stored.density(net) == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize("last", [lambda net: share(net, ShareOptions()), lambda net: quantise(net, Quantization())])
def test_what_is_pruned_counts_as_pruned_whatever_comes_after_it(last: Any) -> None:
    net = small()
    last(net)
    assert stored.density(net) == 1, "a weight that is rounded to zero is not pruned"
    net = small()
    prune_round(net, PruneOptions(density=0.3), 1)
    last(net)
    assert stored.density(net) == pytest.approx(0.3, abs=0.01)


def test_a_layer_that_keeps_all_is_stored_as_a_plain_one(tmp_path: Path) -> None:
    net = small()
    plain = saved(net, tmp_path / "plain.cnz")
    prune_round(net, PruneOptions(density=1.0), 1)
    assert type(stored.forms_of(net)[EXPAND]) is Dense
    assert saved(net, tmp_path / "pruned.cnz") == plain


def test_a_file_of_another_net_is_named(tmp_path: Path) -> None:
    path = tmp_path / "net.cnz"
    forms, about = stored.forms_of(small()), {"arch": ARCH, "num_classes": 10, "in_channels": 1, "structure": []}
    for wrong, said in (
        ({**about, "num_classes": 11}, "layers.conv10.(bias|weight) is not as the net has it"),
        ({**about, "arch": {**ARCH, "net": "Nothing"}}, "it names no net of this suite"),
        ({**about, "arch": {**ARCH, "base_e": -1}}, "it names no net of this suite"),
        ({**about, "structure": [{"method": "other"}]}, "it names no net of this suite"),
        ({**about, "structure": [{"method": "quantize", "layers": ["x"]}]}, "it names no net of this suite"),
        ({**about, "structure": [{"method": "quantize", "layers": ["layers.relu_conv1"]}]}, "it names no net"),
        ({**about, "num_classes": 10.5}, "it names no net of this suite"),
        ({**about, "num_classes": 10**9}, "layers.conv10.(bias|weight) is not as the net has it"),
        ({**about, "in_channels": 10**12}, "(it names no net|layers.conv1.weight is not as)"),
        ({**about, "arch": {**ARCH, "base_e": 10**7}}, "layers.* is not as the net has it"),
        ({**about, "arch": {"name": "x", "net": "MobileNetV1", "width": 1e9}}, "(it names no net|.* is not as)"),
        ({**about, "structure": [7]}, "it names no net of this suite"),
        ({}, "it names no net of this suite"),
    ):
        cnz.write(path, forms, wrong)
        with pytest.raises(CorruptFileError, match=f"net.cnz: {said}"):
            stored.load(path)
    cnz.write(path, {name: form for name, form in forms.items() if name != CONV1}, about)
    with pytest.raises(CorruptFileError, match=f"net.cnz: {CONV1} is not as the net has it"):
        stored.load(path)
