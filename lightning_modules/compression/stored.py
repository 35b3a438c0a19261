"""From a net to its file and back: what each tensor is held as, and the plain net that a file describes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from lightning_modules.compression import cnz, cnz_forms
from lightning_modules.compression.forms import Dense, Form
from lightning_modules.compression.selection import select
from lightning_modules.compression.sizes import Sizes
from lightning_modules.errors import CorruptFileError, UserError
from lightning_modules.nets.build import build_net


def forms_of(net: nn.Module) -> dict[str, Form]:
    """How each tensor of the plain net's state dict is held now, by its name there."""
    held: dict[str, Form] = {}
    for prefix, module in net.named_modules():
        if parametrize.is_parametrized(module):
            parametrizations: Any = module.parametrizations
            for name, stages in parametrizations.items():
                held[f"{prefix}.{name}"] = stages[0].form(stages.original)
    found: dict[str, Form] = {}
    for name, tensor in net.state_dict().items():
        plain, _, rest = name.partition(".parametrizations.")
        name = f"{plain}.{rest.split('.')[0]}" if rest else name
        found[name] = held[name] if rest else Dense(tensor.detach().cpu())
    return found


def save(
    net: nn.Module, path: Path, arch: Mapping[str, Any], classes: int, in_channels: int,
    structure: Sequence[Mapping[str, Any]], huffman: bool, index_bits: int,
) -> Sizes:  # fmt: skip
    """Writes the net as a ``.cnz`` file, which ``load`` turns back into a net. ``structure``: what changed its layers."""
    metadata = {"arch": dict(arch), "num_classes": classes, "in_channels": in_channels, "structure": list(structure)}
    return cnz.write(path, forms_of(net), metadata, huffman, index_bits)


def load(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The plain net of a ``.cnz`` file, with the decoded weights, and the file's metadata.

    Raises:
        CorruptFileError: the file is not whole, or its tensors are not those of the net it names.
    """
    tensors, metadata = cnz.read(path)
    try:
        with torch.device("meta"):  # without numbers: whoever wrote the file may have named a net of any size
            outline = _named(metadata)
    except (UserError, ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise CorruptFileError(f"{path}: it names no net of this suite ({reason}); write it again") from error
    wanted = {name: tuple(tensor.shape) for name, tensor in outline.state_dict().items()}
    there = {name: tuple(cnz_forms.shape_of(form)) for name, form in tensors.items()}
    if wanted != there:  # before anything is decoded: a sparse tensor may be much larger than its file
        different = sorted(set(wanted.items()) ^ set(there.items()))[0][0]
        raise CorruptFileError(f"{path}: {different} is not as the net has it; write it again")
    net = _named(metadata)
    net.load_state_dict({name: form.decoded() for name, form in tensors.items()})
    return net, metadata


def density(net: nn.Module) -> float:
    """The share of the weights of all convolutions and linear layers that are not pruned."""
    kept = total = 0
    for layer in select(net, "*").values():
        weight: Any = layer.weight
        total += weight.numel()
        held: Any = layer.parametrizations["weight"][0] if parametrize.is_parametrized(layer, "weight") else None  # type: ignore[index]
        mask = held.unpruned() if hasattr(held, "unpruned") else None
        kept += weight.numel() if mask is None else int(mask.sum())
    return kept / total


def _named(metadata: Mapping[str, Any]) -> nn.Module:
    """The net that a file's metadata describe, its numbers still to be loaded."""
    net = build_net(metadata["arch"], metadata["num_classes"], metadata["in_channels"])
    for description in metadata["structure"]:
        _restructure(net, description)
    return net


def _restructure(net: nn.Module, description: Mapping[str, Any]) -> None:
    """Each method's module is loaded where it is used, so that a run's fingerprint has its own methods alone."""
    if description["method"] == "low_rank":
        from lightning_modules.compression import low_rank

        low_rank.restructure(net, description["factors"])
    elif description["method"] == "fold":
        from lightning_modules.compression import batch_norm_folding

        batch_norm_folding.fold(net)
    elif description["method"] == "quantize":
        from lightning_modules.compression import quantization

        quantization.restructure(net, description)
    else:
        from lightning_modules.compression import xnor

        xnor.restructure(net, description)
