"""A finished run's net as a file for other programs, or a compressed file as plain weights.

python -m experiments.export run=<run id> seed=0 format=onnx
python -m experiments.export format=safetensors source=model.cnz
python -m experiments.export format=onnx source=results/published/weights

    cnz           the compressed file of the run; of a plain run its weights as they are
    safetensors   weights in float32, as the net has them; with ``source`` those that a .cnz file decodes to
    onnx          the net in float32, checked against PyTorch's outputs; of level_2 the whole cascade, crops and all;
                  with ``source`` that of a folder with both levels' files
    onnx-int8     the same in integers: min-max ranges of some training batches

Written to results/local/exports, or to ``path``. ``root``: where the data lie, if the run was told.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from experiments.suite import cli
from experiments.suite.files import write_bytes
from experiments.suite.paths import local, shown
from experiments.suite.progress import print_line
from experiments.suite.record import Record
from experiments.suite.store import Run
from experiments.suite.verb import parse
from lightning_modules.errors import UserError, check_choice, naming

OWN = {"run": None, "seed": 0, "format": None, "source": None, "path": None, "root": None}
SUFFIXES = {"cnz": "cnz", "safetensors": "safetensors", "onnx": "onnx", "onnx-int8": "int8.onnx"}
BATCHES = 16  # of the training split, for the ranges of activations


@dataclass(frozen=True)
class Source:
    """A finished run of this machine. ``root``: where its data lie; None: where they are found."""

    run: Run
    record: Record
    root: str | None

    @property
    def config(self) -> dict[str, Any]:
        return self.record.config

    @property
    def has_landmarks(self) -> bool:
        """Whether it is a landmark cascade's."""
        return self.config["task"] == "landmarks"

    @cached_property
    def built(self) -> Any:
        """The run's experiment, for its data: the classes' names and the images."""
        from experiments.run import build

        return build({**self.config, "data": {**self.config["data"], "root": self.root}})

    @property
    def classes(self) -> int:
        if self.has_landmarks:
            return 2 * self.config["data"]["points"]
        return self.config["data"]["num_classes"] or self.built.data.num_classes

    @cached_property
    def net(self) -> Any:
        """With the weights that the run ended with. Raises UserError where they are gone."""
        from experiments.ancestors import trained  # imports torch, which takes seconds
        from lightning_modules.compression import pipeline, stored
        from lightning_modules.nets.build import build_net

        path = self.run.folder / pipeline.FILE
        if self.has_landmarks:
            from experiments.landmark_export import net_of

            return net_of(self.record)
        if self.config["compression"]["steps"]:
            with naming(path):
                return stored.load(path)[0]
        net = build_net(self.config["arch"], self.classes, self.config["data"]["channels"])
        if not trained(net, self.run, self.record):
            raise UserError(
                f"{shown(self.run.folder)} has no checkpoint with the record's weights; remove it and do the run again"
            )
        return net


def main(arguments: list[str]) -> int:
    own, _ = parse(arguments, OWN)
    check_choice("format", own["format"], tuple(SUFFIXES))
    if own["source"] is not None:
        content, stem = _decoded(own), Path(own["source"]).stem
    else:
        source = _source(own)
        content, stem = FORMATS[own["format"]](source), f"{source.run.run_id}-{source.run.seed}"
    path = Path(own["path"] or local() / "exports" / f"{stem}.{SUFFIXES[own['format']]}")
    if path.is_dir():
        raise UserError(f"path={path}: is a folder; name a file")
    write_bytes(path, content)
    print_line(f"written to {shown(path.absolute())} ({len(content):,} bytes)")
    return 0


def _decoded(own: dict[str, Any]) -> bytes:
    """The weights of a .cnz file, or the cascade of a folder with its levels, without a run."""
    path = Path(own["source"])
    if not path.exists():
        raise UserError(f"source={path}: no such file or folder")
    if own["format"] == "onnx" and path.is_dir() and own["run"] is None:
        from experiments import cascade_weights

        with naming(path):
            return cascade_weights.onnx(path)
    if own["format"] != "safetensors" or own["run"] is not None or path.is_dir():
        raise UserError(
            f"source={own['source']}: has to be a .cnz file with format=safetensors, or a folder with a cascade's levels "
            "with format=onnx; run= goes without it"
        )
    from lightning_modules.compression import stored  # imports torch, which takes seconds

    with naming(path):
        net, metadata = stored.load(path)
    return _weights(net, metadata["arch"]["name"])


def _source(own: dict[str, Any]) -> Source:
    """Raises UserError where the run is unknown, not done, or has no weights on this machine."""
    if own["run"] is None:
        known = sorted(path.name for path in (local() / "runs").glob("*"))
        raise UserError(f"run: say which, by its id; {f'such as run={known[0]}' if known else 'none is done here yet'}")
    name = Run(_name(own["run"]), own["seed"])
    record = name.record()
    if record is None:
        raise UserError(f"run={own['run']} seed={own['seed']}: not done on this machine; `experiments.run` does it")
    if record.status != "done":
        raise UserError(
            f"run={own['run']} seed={own['seed']}: its record says {record.status}; there is nothing to export"
        )
    return Source(name, record, own["root"])


def _name(run: str) -> str:
    """An id names a folder, and no other."""
    if Path(run).name != run or run in (".", ".."):
        raise UserError(f"run={run}: is no run id; `make plan` shows those of a table")
    return run


def _cnz(source: Source) -> bytes:
    from lightning_modules.compression import pipeline, stored

    compression = source.config["compression"]
    if compression["steps"] and source.has_landmarks:
        raise UserError(
            f"run={source.run.run_id}: its levels are files already, {shown(source.run.folder)}/level_*.cnz"
        )
    if compression["steps"]:
        path = source.run.folder / pipeline.FILE
        with naming(path):
            stored.load(path)  # a damaged one is not handed on
            return path.read_bytes()
    about = (source.config["arch"], source.classes, source.config["data"]["channels"])
    with TemporaryDirectory() as folder:
        path = Path(folder) / pipeline.FILE
        stored.save(source.net, path, *about, [], compression["file"]["huffman"], compression["file"]["index_bits"])
        return path.read_bytes()


def _safetensors(source: Source) -> bytes:
    return _weights(source.net, source.config["arch"]["name"])


def _weights(net: Any, name: str) -> bytes:
    from safetensors.torch import save

    return save({key: held.detach().contiguous().clone() for key, held in net.state_dict().items()}, {"arch": name})


def _onnx(source: Source) -> bytes:
    if source.has_landmarks:
        from experiments.landmark_export import onnx_of

        return onnx_of(source.record)
    from lightning_modules.onnx_files import exported

    data, size = source.built.data, source.config["data"]["size"]
    about = {"run": source.run.run_id, "seed": str(source.run.seed)}
    return exported(source.net, (data.in_channels, size, size), data.classes, about)


def _onnx_int8(source: Source) -> bytes:
    if source.has_landmarks:
        raise UserError(
            "format=onnx-int8: of a landmark cascade there is compression=int8, which is tested; use format=onnx"
        )
    from lightning_modules.compression.steps import Plan
    from lightning_modules.onnx_files import quantised

    batches = itertools.islice(source.built.data.train_dataloader(), BATCHES)
    options = Plan.of(source.config["compression"]).integers
    ranges = (options.per_channel, options.symmetric) if options else ()  # those that the run was tested with
    return quantised(_onnx(source), [images.numpy() for images, _ in batches], *ranges)


FORMATS: dict[str, Callable[[Source], bytes]] = {
    "cnz": _cnz,
    "safetensors": _safetensors,
    "onnx": _onnx,
    "onnx-int8": _onnx_int8,
}

if __name__ == "__main__":
    cli.call(main)
