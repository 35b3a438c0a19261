"""How fast the cascade of landmark nets is: whole pictures in, points out, crops included."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from lightning_modules.data.batches import Normalise
from lightning_modules.landmark_cascade import Cascade, rule_of
from lightning_modules.landmark_onnx import OnnxCascade, exported
from lightning_modules.landmark_options import Options
from lightning_modules.nets.build import build_net

PICTURE = [3, 128, 128]  # the rendered faces'
OUTPUTS = 10


def build(arch: Mapping[str, Any], landmarks: Mapping[str, Any]) -> Cascade:
    """The cascade of untrained nets through which a picture goes by these options. A second pass counts as a level."""
    torch.manual_seed(0)
    options = Options.of(landmarks)
    nets = [build_net(arch, OUTPUTS, PICTURE[0]) for _ in range(options.passes)]
    return Cascade(nets, options.size, Normalise((0.5,) * 3, (0.5,) * 3), rule_of(options)).eval()


def in_onnx(cascade: Cascade, threads: int) -> Callable[..., Any]:
    """As ONNX Runtime computes it."""
    return OnnxCascade(exported(cascade), threads)
