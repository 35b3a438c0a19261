"""What a net costs: parameters and multiply-adds, in all and layer by layer."""

import logging
import warnings
from collections import Counter
from typing import Any

import torch
from fvcore.nn import FlopCountAnalysis
from torch import nn

# fvcore counts one multiply-add as one "flop". Its total also has batch norm and adaptive pooling, which papers leave out.
COUNTED = ("conv", "linear", "matmul", "addmm", "bmm")


def measure(net: nn.Module, input_shape: tuple[int, int, int]) -> dict[str, Any]:
    """{"input": [C, H, W], "params", "macs", "by_layer": [{"layer", "params", "macs"}, ...]} for one image.

    A layer is a direct part of the net or, where the net is one sequence, of that sequence.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a storm of deprecations from torch.jit
        logging.getLogger("fvcore").setLevel(logging.ERROR)
        was_training = net.training
        net.eval()
        analysis = FlopCountAnalysis(net, torch.zeros(1, *input_shape))
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        by_module = {name: _counted(counts) for name, counts in analysis.by_module_and_operator().items()}
        net.train(was_training)
    return {
        "input": list(input_shape),
        "params": sum(parameter.numel() for parameter in net.parameters()),
        "macs": by_module[""],
        "by_layer": [
            {"layer": name.rsplit(".", 1)[-1], "params": params, "macs": by_module.get(name, 0)}
            for name, module in _layers(net)
            if (params := sum(parameter.numel() for parameter in module.parameters())) or by_module.get(name, 0)
        ],
    }


def _counted(counts: Counter[str]) -> int:
    return int(sum(number for operator, number in counts.items() if operator in COUNTED))


def _layers(net: nn.Module) -> list[tuple[str, nn.Module]]:
    children = list(net.named_children())
    if len(children) == 1 and isinstance(children[0][1], nn.Sequential):
        name, sequence = children[0]
        return [(f"{name}.{child}", module) for child, module in sequence.named_children()]
    return children
