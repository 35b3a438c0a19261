"""What a net of one's own costs and which of ShuffleNet V2's guidelines it breaks: `experiments.measure arch=...`.

python -m experiments.measure arch=mobilenet_v1 arch.width=0.75 layers=true
"""

import statistics
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Console

from experiments.suite import design
from experiments.suite.rounds import median
from lightning_modules.errors import UserError

ROUNDS, SECONDS = 12, 0.2  # samples of the speed, and of one sample


def report(config: Mapping[str, Any], layers: bool, rounds: int = ROUNDS, seconds: float = SECONDS) -> None:
    """Prints it, of the net of ``config`` (see ``compose``) as it is configured, on one image of its paper's size.

    ``layers``: layer by layer as well.

    Raises:
        UserError: the net refuses a value, its image is too small, or the configuration compresses it.
    """
    if config["compression"]["steps"]:
        raise UserError(
            f"compression={config['compression']['name']}: a design is measured as it is built; leave it out, "
            "or run it (`experiments.run`) and measure a table"
        )
    design.show(described(config["arch"], layers, rounds, seconds), Console())


def described(arch: Mapping[str, Any], layers: bool, sampled: int, seconds: float) -> dict[str, Any]:
    """The data of the report: see ``experiments.suite.design``. ``arch``: what a file of conf/arch holds."""
    from lightning_modules import guidelines_check, speed  # imports torch, which takes seconds
    from lightning_modules.memory_access import forward_pass

    speed.prepare()
    net, image = speed.build(arch), speed.noise(arch, 1)
    shape = tuple(arch["paper_input"])
    try:
        found = forward_pass(net, shape)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"arch.paper_input={list(shape)}: too small for {arch['net']} ({reason}); choose a larger one"
        ) from error
    sample = speed.timer(net, image, seconds)
    return {
        "name": arch["name"],
        "net": arch["net"],
        "input": list(shape),
        "classes": speed.CLASSES,
        "params": found.params,
        "macs": found.macs,
        "activations": found.activations,
        "access": {kind: found.total(kind) for kind in ("layer", "element-wise", "other")},
        "weight_bytes": found.weight_bytes,
        "map_bytes": found.map_bytes,
        "latency_ms": asdict(median([1000 / sample() for _ in range(sampled)])),
        "threads": speed.THREADS,
        "guidelines": asdict(guidelines_check.check(found)),
        "layers": _layers(found, net, image, sampled) if layers else [],
    }


def _layers(found: Any, net: Any, image: Any, sampled: int) -> list[dict[str, Any]]:
    """Convolutions and linear layers as they run. One that runs twice has its whole time where it first does."""
    from lightning_modules.layer_times import layer_times

    times = {name: statistics.median(taken) for name, taken in layer_times(net, image, sampled).items()}
    return [
        {
            "layer": operation.layer,
            "shape": operation.shape,
            "activations": operation.writes,
            "access": operation.access,
            "ms": 1000 * times.pop(operation.layer) if operation.layer in times else None,
            "depthwise": filters.depthwise,
            **asdict(filters),
        }
        for operation, filters in found.layers
    ]
