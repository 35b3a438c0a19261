"""How fast the nets of a table are on this machine: fills its timed columns. `make table11` does it after its runs.

python -m experiments.measure table=table11 budget=proxy rounds=12

Every net at its paper's input, in evaluation mode, on one thread, in PyTorch or in ONNX Runtime as the column says. All
rows are measured in this one process, in rounds: once each, then all again, so that what disturbs the machine disturbs
all. Rows that compute the same, as pruned and plain nets do, are measured once. Needs an idle machine; says so where it is
not. Budget smoke takes two short rounds, which are never judged.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from experiments.benchmarks.rounds import interleaved
from experiments.suite import cli, contract, imports, online, provenance
from experiments.suite.columns import Column
from experiments.suite.compose import compose
from experiments.suite.contract import DEFAULT_BUDGET
from experiments.suite.costs import of_paper
from experiments.suite.load import BUSY, Meter
from experiments.suite.paths import shown
from experiments.suite.progress import duration, print_line
from experiments.suite.regenerate import Request
from experiments.suite.rounds import MIN_ROUNDS
from experiments.suite.subjects import Subject
from experiments.suite.timings import SMOKE, Timing, net_of, structural
from experiments.suite.verb import parse
from lightning_modules.errors import UserError

OWN = {"table": None, "budget": DEFAULT_BUDGET, "rounds": 0}


@dataclass(frozen=True)
class Effort:
    """``seconds``: of one sample; a single batch may take longer."""

    rounds: int
    seconds: float


USUAL, SHORT = Effort(12, 0.2), Effort(2, 0.02)


def main(arguments: list[str]) -> int:
    own, extra = parse(arguments, OWN, passes_on=True)
    request = Request.of(own["table"], own["budget"], (), extra)
    path = request.timing_path()
    if path is None:
        timed = ", ".join(name for name in contract.names() if contract.load(name).timed)
        raise UserError(f"table={request.table.name}: has no timed column; choose from {timed}")
    told = [override for override in extra if override.lstrip("+").startswith("logger")]  # the others are the nets'
    logger = online.reachable(compose(told)["logger"])
    effort = SHORT if request.budget == SMOKE else USUAL
    found = measure(request, Effort(own["rounds"] or effort.rounds, effort.seconds))
    found.write(path)
    print_line(f"written to {shown(path)}")
    if logger["name"] != "none":
        from experiments.tracking import log_timing  # imports Lightning and W&B, which takes seconds

        log_timing(request.table.name, request.budget, found, logger)
    return 0


def measure(request: Request, effort: Effort) -> Timing:
    """Every implemented row and every timed column of the table, all in the same rounds."""
    names = {row: net_of(subject) for row, subject in request.subjects.items()}
    print_line(f"speed of {len(set(names.values()))} nets, {effort.rounds} rounds")
    if effort.rounds < MIN_ROUNDS and request.budget != SMOKE:
        print_line(f"warning: a claim needs {MIN_ROUNDS} rounds")
    sides = _sides(request, effort.seconds)
    meter, began = Meter(), datetime.now(UTC)
    samples = interleaved(sides, effort.rounds, _progress(effort.rounds))
    others = meter.others()
    if others is not None and others > BUSY:
        print_line(f"warning: other processes kept {others:.1f} cores busy meanwhile; measure again on an idle machine")
    columns = request.table.timed
    return Timing(
        samples={
            row: {
                column.name: _rounded([column.of_speed(speed) for speed in samples[f"{name} {column.name}"]])
                for column in columns
            }
            for row, name in names.items()
        },
        nets=names,
        code={row: _code(subject, columns) for row, subject in request.subjects.items()},
        provenance=_provenance(began, others),
    )


def _sides(request: Request, seconds: float) -> dict[str, Callable[[], float]]:
    """A sampler of images per second for each net and column."""
    from lightning_modules import speed  # imports torch, which takes seconds

    speed.prepare()
    found = {}
    for name, subject in {net_of(subject): subject for subject in request.subjects.values()}.items():
        arch = of_paper(subject.arch)
        net = speed.build(arch, _restructured_by(subject.compression))
        run: dict[str, Callable[..., Any]] = {"eager": net}
        for column in request.table.timed:
            assert column.batch is not None  # that is what makes it timed
            images = speed.noise(arch, column.batch)
            if column.backend == "onnx":
                images = images.contiguous()
                if "onnx" not in run:
                    run["onnx"] = _in_onnx_runtime(net, subject.compression, images)
            found[f"{name} {column.name}"] = speed.timer(run[column.backend], images, seconds)
    return found


def _restructured_by(compression: Mapping[str, Any]) -> Callable[[Any], None] | None:
    if not structural(compression):
        return None  # and compression's code has no part in the speed
    from lightning_modules.compression.structure import restructure

    return lambda net: restructure(net, compression)


def _in_onnx_runtime(net: Any, compression: Mapping[str, Any], images: Any) -> Callable[..., Any]:
    """The net in float32 or, where it is to be, in int8; the ranges of noise are as good as any for its speed."""
    from lightning_modules import speed
    from lightning_modules.onnx_files import OnnxNet, exported, quantised

    content = exported(net, images.shape[1:], [str(number) for number in range(speed.CLASSES)])
    if structural(compression):
        from lightning_modules.compression.structure import in_integers

        if options := in_integers(compression):
            content = quantised(content, [images.numpy()], options.per_channel)
    return OnnxNet(content, speed.THREADS)


def _progress(rounds: int) -> Callable[[str], None]:
    """A line a round, with the time left."""
    began, done = datetime.now(UTC), 0

    def say(_: str) -> None:
        nonlocal done
        done += 1
        taken = (datetime.now(UTC) - began).total_seconds()
        left = f", {duration(math.ceil(taken / done * (rounds - done)))} left" if done < rounds else ""
        print_line(f"  round {done} of {rounds}{left}")

    return say


def _rounded(values: list[float]) -> list[float]:
    """To six digits, of which few mean anything."""
    return [float(f"{value:.6g}") for value in values]


def _code(subject: Subject, columns: Sequence[Column]) -> dict[str, str]:
    from lightning_modules import nets

    modules = ["lightning_modules.speed", f"lightning_modules.nets.{nets.classes()[subject.arch['net']]}"]
    modules += ["lightning_modules.compression.structure"] * bool(structural(subject.compression))
    modules += ["lightning_modules.onnx_files"] * any(column.backend == "onnx" for column in columns)
    return imports.code_of(modules)


def _provenance(began: datetime, others: float | None) -> dict[str, Any]:
    from lightning_modules import speed

    return {
        "packages": provenance.packages(),
        "machine": provenance.machine(),
        "threads": speed.THREADS,
        **provenance.commit(),
        "at": began.isoformat(timespec="seconds"),
        "others": None if others is None else round(others, 2),
    }


if __name__ == "__main__":
    cli.call(main)
