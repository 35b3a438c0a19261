"""The nets of a finished cascade, from its records: for export, for publishing, for whoever looks at faces with them."""

from collections.abc import Mapping

from torch import nn

from experiments.ancestors import trained
from experiments.suite.paths import shown
from experiments.suite.record import Record
from experiments.suite.store import Run
from lightning_modules.errors import UserError
from lightning_modules.faces.markup import NAMES_OF_5
from lightning_modules.landmark_cascade import Cascade, rule_of
from lightning_modules.landmark_experiment import normalise_of
from lightning_modules.landmark_options import Options
from lightning_modules.nets.build import build_net


def levels_of(record: Record) -> list[Record]:
    """The records of the levels that a plain level's run consists of, level_1's first. UserError where one is gone."""
    if record.config["compression"]["steps"] or record.config["landmarks"]["applied"] != "once":
        raise UserError(
            f"run={record.run_id}: trained no level of its own; name the run of level_2 that it begins with"
        )
    parent = record.provenance.get("parent")
    if parent is None:
        return [record]
    first = Run(parent["run_id"], parent["seed"]).record()
    if first is None or first.result["weights_sha256"] != parent["weights_sha256"]:
        raise UserError(f"run={parent['run_id']} seed={parent['seed']}: level_1's record is gone; do its run again")
    return [first, record]


def net_of(record: Record) -> nn.Module:
    """The level's net with the weights that its run ended with. UserError where they are gone."""
    data = record.config["data"]
    net = build_net(record.config["arch"], 2 * data["points"], data["channels"])
    name = Run(record.run_id, record.seed)
    if not trained(net, name, record):
        raise UserError(
            f"{shown(name.folder)} has no checkpoint with the record's weights; remove it and do the run again"
        )
    return net.eval()


def cascade_of(record: Record) -> Cascade:
    """All levels up to that of the record, which must be a plain one."""
    options = Options.of(record.config["landmarks"])
    nets = [net_of(level) for level in levels_of(record)]
    return Cascade(nets, options.size, normalise_of(record.config["data"]), rule_of(options)).eval()


def onnx_of(record: Record) -> bytes:
    """``onnx_of_cascade`` of all levels up to that of the record."""
    about = {"run": record.run_id, "seed": str(record.seed)}
    return onnx_of_cascade(cascade_of(record), record.config["data"]["points"], about)


def onnx_of_cascade(cascade: Cascade, points: int, about: Mapping[str, str]) -> bytes:
    """One ONNX file with all levels inside, checked against PyTorch's points. ``about``: texts to keep in it."""
    from lightning_modules.landmark_onnx import exported

    names = list(NAMES_OF_5) if points == len(NAMES_OF_5) else [str(number) for number in range(points)]
    return exported(cascade, about, names)
