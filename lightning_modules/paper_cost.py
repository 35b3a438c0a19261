"""What an architecture costs at its paper's scale, without weights and without a run."""

from collections.abc import Mapping
from typing import Any

import torch

from lightning_modules.complexity import measure
from lightning_modules.errors import UserError
from lightning_modules.nets.build import build_net

CLASSES = 1000


def paper_cost(arch: Mapping[str, Any]) -> dict[str, Any]:
    """``complexity.measure`` of the net that ``arch`` (a conf/arch file's content) describes, at its paper's input.

    Its weights are zeros: to initialise a large net takes longer than to count it.

    Raises:
        UserError: the net refuses a value (see ``build_net``), or the input is too small for it.
    """
    input_shape = tuple(arch["paper_input"])
    with torch.device("meta"):
        net = build_net(arch, CLASSES, input_shape[0])
    net = net.to_empty(device="cpu")
    with torch.no_grad():
        for tensor in net.state_dict().values():
            tensor.zero_()
        try:
            return measure(net, input_shape)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(
                f"arch.paper_input={list(input_shape)}: too small for {arch['net']} ({reason}); choose a larger one"
            ) from error
