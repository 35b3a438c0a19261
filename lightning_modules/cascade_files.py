"""A cascade's levels as files: weights in half precision (safetensors), and as JSON all that is needed to use them.

Nothing is unpickled: a file names a net of this suite, and its tensors must be that net's.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from lightning_modules.data.batches import Normalise
from lightning_modules.errors import CorruptFileError, UserError
from lightning_modules.landmark_cascade import Cascade, rule_of
from lightning_modules.landmark_options import Options
from lightning_modules.nets.build import build_net

KEY = "cascade"  # of the JSON among the file's own metadata
DIGEST = "sha256"  # of all else in the file
ALIKE = ("points", "mean", "std")  # of all levels
FIELDS = {"level": int, "arch": dict, "points": int, "landmarks": dict, "mean": list, "std": list}


def level_file(net: nn.Module, about: Mapping[str, Any]) -> bytes:
    """The file of a level: numbers in 16 bits. ``about`` has ``FIELDS`` and whatever else is to be known of it.

    Raises:
        UserError: a number is none, or too large for 16 bits.
    """
    tensors = {name: _half(tensor.detach().cpu()) for name, tensor in net.state_dict().items()}
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise UserError(
                f"level_{about['level']}: {name} has a number that half precision cannot hold; train it anew"
            )
    said = json.dumps(dict(about), allow_nan=False)
    return save(tensors, {KEY: said, DIGEST: _digest(said, tensors)})


def load_level(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The level's net in evaluation mode, in 32 bits, and what its file says of it.

    Raises:
        CorruptFileError: it is no such file, or its tensors are not those of the net that it names.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            about = _about(metadata.get(KEY))
            net = build_net(about["arch"], 2 * about["points"], len(about["mean"]))
            wanted = net.state_dict()
            shapes = {name: list(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            if shapes != {name: list(tensor.shape) for name, tensor in wanted.items()}:
                raise ValueError("its tensors are not those of the net that it names")
            stored = {name: file.get_tensor(name) for name in wanted}
            if metadata.get(DIGEST) != _digest(metadata[KEY], stored):
                raise ValueError("its checksum is another")
            held = {name: stored[name].to(tensor.dtype) for name, tensor in wanted.items()}
    except (SafetensorError, UserError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CorruptFileError(f"{path}: is no level of a cascade ({reason}); write it again") from error
    net.load_state_dict(held)
    return net.eval(), about


def load(paths: Sequence[Path]) -> Cascade:
    """The cascade of its levels' files, level_1 first. Raises CorruptFileError as ``load_level``."""
    nets, abouts = zip(*(load_level(path) for path in paths), strict=True)
    first, last = abouts[0], abouts[-1]
    try:
        for number, (path, about) in enumerate(zip(paths, abouts, strict=True), 1):
            if about["level"] != number:
                raise CorruptFileError(f"{path}: is level_{about['level']}, not level_{number}; write both again")
            if any(about[name] != first[name] for name in ALIKE):
                raise CorruptFileError(f"{path}: is of another cascade than {paths[0]}; write both again")
        options = Options.of(last["landmarks"])
        cascade = Cascade(
            nets, options.size, Normalise(tuple(last["mean"]), tuple(last["std"])), rule_of(options)
        ).eval()
        with torch.inference_mode():  # numbers that no picture can go through are met here
            if not cascade(torch.zeros(1, len(last["mean"]), options.size, options.size)).isfinite().all():
                raise ValueError("its points are no numbers")
    except CorruptFileError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CorruptFileError(f"{paths[-1]}: its levels make no cascade ({reason}); write it again") from error
    return cascade


def _about(text: str | None) -> dict[str, Any]:
    about = json.loads(text or "null")
    if not isinstance(about, dict):
        raise ValueError("it does not say what it is")
    for name, kind in FIELDS.items():
        if not isinstance(about.get(name), kind):
            raise ValueError(f"it does not say its {name}")
    return about


def _digest(about: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of what the file says of itself and of its tensors in the order of their names."""
    found = hashlib.sha256(about.encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        found.update(f"\n{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def _half(tensor: Tensor) -> Tensor:
    return tensor.to(torch.float16 if tensor.is_floating_point() else tensor.dtype).contiguous().clone()
