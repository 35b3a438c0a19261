"""What a compressed run begins with: the weights of its plain run and its teacher, trained first where they are missing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from experiments.ancestors import loaded
from experiments.suite.parents import parents
from experiments.suite.record import Record
from lightning_modules.compression.pipeline import Origin
from lightning_modules.experiment import Experiment
from lightning_modules.nets.build import build_net, check_images

ERRORS = ("top1_err", "top5_err")


@dataclass(frozen=True)
class Origins:
    """``of``: which runs it is of, {"parent": {run_id, seed, weights_sha256}}; ``before``: the parent's errors."""

    begins_with: Origin
    of: Mapping[str, Any]
    before: Mapping[str, float]


def origin_of(config: Mapping[str, Any], built: Experiment, run: Callable[[dict[str, Any]], Record]) -> Origins:
    """What the run of ``config`` begins with.

    ``run`` trains what is missing. Waits where another process is at it.

    Raises:
        UserError: such a run came to nothing.
    """
    weights: Mapping[str, Tensor] | None = None
    teacher: nn.Module | None = None
    teacher_format = "contiguous"
    of, before = {}, {}
    for role, ancestor in parents(config).items():
        net = build_net(ancestor["arch"], built.data.num_classes, built.data.in_channels)
        if role == "teacher":
            check_images(
                net, built.data.in_channels, config["data"]["size"], built.data.num_classes, ancestor["arch"]["name"]
            )
        record = loaded(net, role, ancestor, run)
        of[role] = {"run_id": record.run_id, "seed": record.seed, "weights_sha256": record.result["weights_sha256"]}
        if role == "parent":
            weights = net.state_dict()
            before = {f"before/{name}": record.metrics[f"test/{name}"] for name in ERRORS}
        else:
            teacher, teacher_format = net, ancestor["arch"]["memory_format"]
    return Origins(Origin(weights, teacher, teacher_format), of, before)
