"""A net from its configuration."""

import difflib
import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from lightning_modules import nets
from lightning_modules.errors import UserError

# Fields of conf/arch/*.yaml that describe the net from outside; all others are arguments of its class.
DESCRIPTION = ("name", "net", "paper_input", "memory_format")


def build_net(arch: Mapping[str, Any], num_classes: int, in_channels: int) -> nn.Module:
    """The net that ``arch`` (a conf/arch file's content) describes, with the initialisation of its authors.

    Raises:
        UserError: the class or an argument is unknown, or the net refuses a value.
    """
    if arch["net"] not in nets.classes():
        close = difflib.get_close_matches(arch["net"], nets.classes(), n=1)
        hint = f"did you mean {close[0]}?" if close else f"choose one of {', '.join(nets.classes())}"
        raise UserError(f"arch.net={arch['net']}: no such class in lightning_modules/nets; {hint}")
    net_class = getattr(nets, arch["net"])
    arguments = {key: value for key, value in arch.items() if key not in DESCRIPTION}
    known = inspect.signature(net_class).parameters
    for key in arguments:
        if key not in known:
            raise UserError(f"arch.{key}: {arch['net']} has no such argument; it has {', '.join(known)}")
    return net_class(num_classes=num_classes, in_channels=in_channels, **arguments)
