"""The columns a table can have: what each is called, where its value comes from and which way is better.

A computed column is machine-independent: the paper's network at the paper's input size. A trained one is a metric of a
run and differs from seed to seed. A timed one is the speed of that network on a machine: it has no seeds. To add a
column, add it to COMPUTED, TIMED or MEASURED; every other module reads it from here.

A derived column compares a row with the first of its group: ``<column>_rel`` says how many times better it is, and of a
latency ``<column>_yield`` what share that is of what multiply-adds promise.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal

import numpy as np

from experiments.suite import yamls
from experiments.suite.paper import decimals, text
from experiments.suite.record import Record
from experiments.suite.statistics import Statistic
from lightning_modules.errors import UserError

Kind = Literal["computed", "trained", "timed"]
# What a metric's name begins with, and what a column's head says of it. `file` is that of a compressed run; `before` the
# run that it began with.
SPLITS = {"test": "", "val": "validation", "train": "training", "before": "before compression", "file": ""}
# PyTorch as it is, or compiled; ONNX Runtime, which computes a net that int8 compresses in int8, or any net in int8.
# `gpu` is PyTorch as it is, on a GPU where there is one.
Backend = Literal["eager", "compile", "onnx", "int8", "gpu"]
Scale = Literal["paper", "run", "coded", "relative"]
REL, YIELD = "_rel", "_yield"  # ends of derived columns' names
FAILURE = 10.0  # percent: an NME above it is a failure
SMALL = 1 / 3  # the share of the faces that are called small


@dataclass(frozen=True)
class Column:
    """``label`` is for sentences, ``header`` for table heads; ``keys`` are the paper's names of it, the first wins.

    ``shifts``: by how many places the point of a number under some of these names moves, to be in the column's unit.
    """

    name: str
    label: str
    header: str
    kind: Kind
    better: Literal["higher", "lower"]
    unit: str = ""  # of a difference; "" for plain counts
    decimals: int = 2
    keys: tuple[str, ...] = ()
    shifts: Mapping[str, int] = field(default_factory=dict)
    batch: int | None = None  # images at a time; timed columns only, as the next two
    backend: Backend = "eager"
    all_threads: bool = False  # of the machine, not one
    of_speed: Callable[[float], float] = lambda images_s: images_s  # in the column's unit
    # Of record.cost, what `compute` reads. "coded" and "relative" are no run's (experiments/suite/evidence.py).
    scale: Scale = "paper"
    compute: Callable[[Mapping[str, Any]], float] | None = None  # computed columns only
    factors: tuple[tuple[str, int], ...] = ()  # columns and their powers, of the row over the first of its group
    plain: Callable[[Mapping[str, Any]], float] | None = None  # of record.cost["run"], where a plain run has no metric
    source: str | None = None  # the per-example values a statistic is taken of, where that is another metric
    statistic: Statistic | None = None  # (S, N) per-example values -> (S,); None: their mean
    of: str = ""  # the metric, without its split, that the statistic is taken of
    weigh: Callable[[Record], np.ndarray | None] | None = None  # per-example values that only their record tells, (N,)

    @property
    def sign(self) -> int:
        return 1 if self.better == "higher" else -1

    @property
    def needs_gpu(self) -> bool:
        """Not every machine has one: without, the column is left out."""
        return self.backend == "gpu" or any(column(name).needs_gpu for name, _ in self.factors)

    @property
    def in_rounds(self) -> bool:
        """Whether the rounds of `experiments.measure` say it, and not records."""
        return self.batch is not None or (bool(self.factors) and self.kind == "timed")

    def value(self, record: Record) -> float | None:
        """What this record says, None where it says nothing: not finished, no such metric, not finite."""
        if self.kind == "computed":
            return self._computed(record)
        if record.status != "done":
            return None
        found = record.metrics.get(self.name)
        if found is None and (opposite := _opposite(self.name)) in record.metrics:
            found = 100.0 - record.metrics[opposite]
        if found is None and self.weigh is not None:
            found = None if (values := self.weigh(record)) is None else float(values.mean())
        if found is None and self.plain is not None and not _steps(record):
            found = self.plain(record.cost["run"]) if "run" in record.cost else None
        return float(found) if found is not None and math.isfinite(found) else None

    def _computed(self, record: Record) -> float | None:
        scale = record.cost.get(self.scale)
        return self.of_cost(scale) if isinstance(scale, dict) else None

    def of_cost(self, cost: Mapping[str, Any]) -> float | None:
        """What a net's cost (lightning_modules.complexity) says, None where it says nothing."""
        try:
            return None if self.compute is None else self.compute(cost)
        except (KeyError, TypeError):
            return None

    def per_example(self, record: Record) -> np.ndarray | None:
        """(N,) values whose mean, or statistic, over the test images is the metric."""
        if self.weigh is not None:
            return self.weigh(record)
        found = record.per_example(self.source or self.name)
        opposite = record.per_example(_opposite(self.name))
        return 100.0 - opposite if found is None and opposite is not None else found

    def printed(self, row: Mapping[str, Any]) -> str | None:
        """The field of a paper's row that this column looks up, None where the paper has none."""
        return next((key for key in self.keys if key in row), None)

    def in_unit(self, number: float | int | None, field: str) -> float | int | None:
        """A printed number of that field, with its digits, in the column's unit: 0.714 (``gmacs``) is 714 (M).

        Of an accuracy it is the error, where the column is of errors, and the other way round.
        """
        if number is None:
            return None
        if field in self.shifts:
            return _printed(Decimal(text(number)).scaleb(self.shifts[field]))
        opposites = [_opposite(key) for key in self.keys]
        return _printed(100 - Decimal(text(number))) if field in opposites else number

    def text(self, value: float) -> str:
        return f"{value:,.{self.decimals}f}"


def _printed(number: Decimal) -> yamls.Printed:
    found = yamls.Printed(number)
    found.text = f"{number:f}"
    return found


def rounded(value: float, places: int = 2) -> yamls.Printed:
    """A number as if a paper had printed it with so many places."""
    return _printed(Decimal(f"{value:.{places}f}"))


def printed_text(value: float) -> str:
    """A paper's number with its own digits and with thousands separators."""
    return f"{value:,.{decimals(value)}f}" if "e" not in text(value).lower() else text(value)


def _steps(record: Record) -> Sequence[Any]:
    """What compressed the run's net."""
    return (record.config.get("compression") or {}).get("steps") or ()


def _opposite(name: str) -> str:
    """A record may hold the accuracy where a table, as its paper, prints the error."""
    if name.endswith("_err"):
        return name.removesuffix("_err") + "_acc"
    return name.removesuffix("_acc") + "_err" if name.endswith("_acc") else ""


def _median(values: np.ndarray) -> np.ndarray:
    return np.median(values, axis=1)


def _failures(values: np.ndarray) -> np.ndarray:
    """Percent of the NMEs (S, N) above 10 %."""
    return 100 * (values > FAILURE).mean(axis=1)


def _area(values: np.ndarray) -> np.ndarray:
    """Of NMEs (S, N): the area under the cumulative error distribution up to 10 %, in percent of the whole."""
    return 100 * np.clip(1 - values / FAILURE, 0, None).mean(axis=1)


def _small_less_others(record: Record) -> np.ndarray | None:
    """(N,) values whose mean is the NME of the third of the test faces that are smallest, less that of the others."""
    errors, sizes = record.per_example("test/nme"), record.per_example("face/scale")
    if errors is None or sizes is None:
        return None
    small = sizes <= np.quantile(sizes, SMALL)
    share = small.mean()
    return errors * (small / share - ~small / (1 - share)) if 0 < share < 1 else None


COMPUTED: dict[str, Column] = {
    column.name: column
    for column in (
        Column(
            "params", "Parameters", "Parameters", "computed", "lower", decimals=0, keys=("params",),
            compute=lambda c: c["params"],
        ),
        Column(
            "params_m", "Parameters", "Params, M", "computed", "lower", "M", keys=("params_m", "params"),
            shifts={"params": -6}, compute=lambda c: c["params"] / 1e6,
        ),
        Column(
            "model_mb", "Model size", "Size, MB", "computed", "lower", "MB",
            keys=("model_mb", "size_mb", "param_mib", "file_mib"),
            compute=lambda c: c["params"] * 4 / 2**20,  # 32-bit weights; the SqueezeNet paper's MB is 2**20 bytes
        ),
        Column(
            "macs", "Multiply-adds", "Mult-adds", "computed", "lower", decimals=0, keys=("macs", "mult_adds"),
            compute=lambda c: c["macs"],
        ),
        Column(
            "macs_m", "Multiply-adds", "Mult-adds, M", "computed", "lower", "M", 1,
            ("mult_adds_m", "mflops", "mmacs", "gmacs"), shifts={"gmacs": 3}, compute=lambda c: c["macs"] / 1e6,
        ),
        Column(
            "run_macs_m", "Multiply-adds as trained", "Mult-adds as trained, M", "computed", "lower", "M",
            scale="run", compute=lambda c: c["macs"] / 1e6,
        ),
        Column(
            "run_params", "Parameters as trained", "Parameters as trained", "computed", "lower", decimals=0, scale="run",
            compute=lambda c: c["params"],
        ),
        Column(
            "level_mb", "Size of a level in 32 bits", "A level in 32 bits, MB", "computed", "lower", "MB", 3,
            scale="run", compute=lambda c: 4 * c["params"] / c["levels"] / 1e6,
        ),
        Column(
            "coded_mb", "File size at the paper's scale (drawn weights)", "File at the paper's scale (drawn weights), MB",
            "computed", "lower", "MB",
            keys=("model_mb", "size_mb"), scale="coded", compute=lambda c: c["bytes"] / 2**20,
        ),
        Column(
            "access_m", "Memory access cost", "Memory access, M numbers", "computed", "lower", "M numbers", 1,
            compute=lambda c: c["access"] / 1e6,
        ),
    )
}  # fmt: skip

# The cascade of landmark nets on pictures of this size, crops and all.
FACE_MS = "face_ms"
LATENCIES: tuple[tuple[str, str, Backend, bool], ...] = (
    ("eager_ms", "in PyTorch", "eager", False),
    ("compile_ms", "compiled by PyTorch", "compile", False),
    ("onnx_ms", "in ONNX Runtime", "onnx", False),
    ("int8_ms", "in ONNX Runtime, int8", "int8", False),
    ("eager_threads_ms", "in PyTorch, all threads", "eager", True),
    ("onnx_threads_ms", "in ONNX Runtime, all threads", "onnx", True),
)

# Of the paper's network at the paper's input, on the machine that `experiments.measure` ran on.
TIMED: dict[str, Column] = {
    column.name: column
    for column in (
        *(
            Column(
                f"images_s_b{batch}", f"Speed at batch {batch}", f"Images/s, batch {batch}", "timed", "higher",
                "images/s", 1, (f"images_s_b{batch}",), batch=batch,
            )
            for batch in (1, 8)
        ),
        Column(
            "gpu_images_s", "Speed on the GPU at batch 8", "Images/s on the GPU, batch 8", "timed", "higher", "images/s",
            1, ("gpu_images_s",), batch=8, backend="gpu",
        ),
        *(
            Column(
                name, f"Latency {where}", f"Latency {where}, ms", "timed", "lower", "ms", batch=1, backend=backend,
                all_threads=all_threads, of_speed=lambda images_s: 1000 / images_s,
            )
            for name, where, backend, all_threads in LATENCIES
        ),
        Column(
            FACE_MS, "Time of a face", "ms a face (ONNX Runtime, a thread)", "timed", "lower", "ms", batch=1, backend="onnx",
            of_speed=lambda faces_s: 1000 / faces_s,
        ),
    )
}  # fmt: skip

# By the metric's name without its split; `name` is filled in when a table asks for it.
MEASURED: dict[str, Column] = {
    "top1_acc": Column("", "Top-1 accuracy", "Top-1 accuracy, %", "trained", "higher", "points"),
    "top5_acc": Column("", "Top-5 accuracy", "Top-5 accuracy, %", "trained", "higher", "points"),
    "top1_err": Column("", "Top-1 error", "Top-1 error, %", "trained", "lower", "points"),
    "top5_err": Column("", "Top-5 error", "Top-5 error, %", "trained", "lower", "points"),
    "loss": Column("", "Loss", "Loss", "trained", "lower", "", 3),
    "nme": Column("", "NME", "NME, %", "trained", "lower", "points"),
    "nme_median": Column("", "Median NME", "Median NME, %", "trained", "lower", "points", statistic=_median, of="nme"),
    "nme_diagonal": Column("", "NME by the diagonal", "NME by the diagonal, %", "trained", "lower", "points", 3),
    "nme_diagonal_median": Column(
        "", "Median NME by the diagonal", "Median NME by the diagonal, %", "trained", "lower", "points", 3,
        statistic=_median, of="nme_diagonal",
    ),
    "nme_small_gap": Column(
        "", "NME of small faces less that of others", "NME, small faces less others, %", "trained", "lower", "points",
        weigh=_small_less_others,
    ),
    "fr10": Column("", "Failures at 10 %", "FR@0.10, %", "trained", "lower", "points", 1, statistic=_failures, of="nme"),
    "auc10": Column("", "AUC at 10 %", "AUC@0.10, %", "trained", "higher", "points", 1, statistic=_area, of="nme"),
    "bytes": Column("", "File size", "File, bytes", "trained", "lower", "bytes", 0, plain=lambda c: 4.0 * c["params"]),
    "ratio": Column("", "Compression ratio", "Ratio", "trained", "higher", "times", 1, plain=lambda c: 1.0),
    "density": Column("", "Density", "Density", "trained", "lower", "", 3, plain=lambda c: 1.0),
}  # fmt: skip


def column(name: str) -> Column:
    """The column of that name. UserError, with the nearest name, when there is none."""
    if found := COMPUTED.get(name) or TIMED.get(name) or _derived(name):
        return found
    split, _, metric = name.partition("/")
    if split not in SPLITS or not metric:
        raise UserError(yamls.unknown("column", name, _known()))
    shape = MEASURED.get(metric) or _unlisted(name, metric)
    source = f"{split}/{shape.of}" if shape.of else None
    place = f" ({SPLITS[split]})" if SPLITS[split] else ""
    return replace(
        shape, name=name, keys=(metric,), source=source, label=shape.label + place, header=shape.header + place
    )


def _derived(name: str) -> Column | None:
    end = next((end for end in (REL, YIELD) if name.endswith(end)), "")
    base = COMPUTED.get(name.removesuffix(end)) or TIMED.get(name.removesuffix(end))
    if not end or base is None or (end == YIELD and base.unit != "ms"):
        return None
    factors = ((base.name, base.sign), *([("macs_m", 1)] if end == YIELD else []))
    said = "times better than the first row" if end == REL else "share of the theoretical speed-up"
    return Column(
        name, f"{base.label}, {said}", f"{base.header}: {said}", base.kind, "higher", "times" if end == REL else "",
        scale="relative", factors=factors, compute=lambda c: c["value"],
    )  # fmt: skip


def _unlisted(name: str, metric: str) -> Column:
    """Any metric of the record can be a column, but one that looks like a slip of a known name is taken for a slip."""
    message = yamls.unknown("column", name, _known())
    if "did you mean" in message and yamls.close(metric, MEASURED):
        raise UserError(message)
    lower = metric.endswith(("_err", "_ms")) or metric.startswith(("nme", "loss", "latency"))
    kind: Kind = "timed" if metric.endswith(("_ms", "_s")) else "trained"
    return Column(name, metric, metric, kind, "lower" if lower else "higher")


def _known() -> list[str]:
    files = ("bytes", "ratio", "density")
    return [*COMPUTED, *TIMED, *(f"{'file' if metric in files else 'test'}/{metric}" for metric in MEASURED)]
