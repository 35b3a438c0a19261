"""The published cascade: both levels' weights of one finished run of this machine, as files in half precision.

Of the seeds that are done it is the one whose error on the validation faces is nearest to their mean: neither the best nor
the worst, and not chosen by the test faces.
"""

from collections.abc import Sequence
from pathlib import Path

from experiments.landmark_export import levels_of, net_of, onnx_of_cascade
from experiments.suite.files import write_bytes
from experiments.suite.paths import published, shown
from experiments.suite.record import Record
from experiments.suite.store import Run
from lightning_modules.cascade_files import level_file, load, load_level
from lightning_modules.errors import CorruptFileError, UserError

METRIC = "val/nme"
LARGEST = 2**20  # bytes


def paths(folder: Path | None = None) -> list[Path]:
    """The levels' files in ``folder``, by default the published ones; level_1's first."""
    return [(folder or published() / "weights") / f"landmarks_level_{number}.safetensors" for number in (1, 2)]


def problem(run_ids: Sequence[str], seeds: Sequence[int] = ()) -> str | None:
    """What is wrong with the files that are there: they are not of the runs ``run_ids``, level_1's first, or not of the
    seed that is to be chosen among those of ``seeds`` that are done here, or not that run's own. None: nothing."""
    try:
        abouts = [load_level(path)[1] for path in paths()]
    except CorruptFileError as error:
        return str(error)
    there, found = shown(paths()[0].parent), [about.get("run_id") for about in abouts]
    if found != list(run_ids):
        return f"{there} has the weights of {', '.join(map(str, found))}, not of {', '.join(run_ids)}"
    chosen = _chosen(run_ids[-1], seeds)
    if chosen is not None and abouts[-1].get("seed") != chosen.seed:
        return f"{there} has the weights of seed {abouts[-1].get('seed')}; of the seeds done now it is {chosen.seed}"
    if chosen is not None and abouts[-1].get("weights_sha256") != chosen.result["weights_sha256"]:
        return f"{there} has other weights than the run of seed {chosen.seed} that is done here"
    return None


def onnx(folder: Path) -> bytes:
    """The cascade of the levels' files in ``folder`` as one ONNX file.

    Raises:
        UserError: a level's file is not there.
        CorruptFileError: as ``cascade_files.load``.
    """
    if missing := [path for path in paths(folder) if not path.is_file()]:
        raise UserError(f"source={folder}: no {missing[0].name} there; name a folder with both levels' files")
    about = load_level(paths(folder)[-1])[1]
    return onnx_of_cascade(
        load(paths(folder)), about["points"], {"run": str(about.get("run_id")), "seed": str(about.get("seed"))}
    )


def publish(run_id: str, seeds: Sequence[int]) -> list[Path]:
    """Writes the files of a level_2's runs and of its level_1; none where no seed is done here.

    Raises:
        UserError: the weights of the run are gone.
    """
    second = _chosen(run_id, seeds)
    if second is None:
        return []
    for number, (path, record) in enumerate(zip(paths(), levels_of(second), strict=True), 1):
        content = _file(number, record)
        if len(content) > LARGEST:
            raise UserError(f"{shown(path)}: {len(content):,} bytes are more than {LARGEST:,}; publish a smaller net")
        write_bytes(path, content)
    return paths()


def _chosen(run_id: str, seeds: Sequence[int]) -> Record | None:
    """None where no seed is done here."""
    records = [record for seed in seeds if (record := Run(run_id, seed).record()) and record.status == "done"]
    mean = sum(record.metrics[METRIC] for record in records) / max(1, len(records))
    return min(records, key=lambda record: (abs(record.metrics[METRIC] - mean), record.seed), default=None)


def _file(number: int, record: Record) -> bytes:
    config, data = record.config, record.config["data"]
    about = {
        "level": number,
        "arch": config["arch"],
        "points": data["points"],
        "landmarks": config["landmarks"],
        "mean": data["mean"],
        "std": data["std"],
        "data": {"name": data["name"], "version": data.get("version")},
        "run_id": record.run_id,
        "seed": record.seed,
        "weights_sha256": record.result["weights_sha256"],
    }
    return level_file(net_of(record), about)
