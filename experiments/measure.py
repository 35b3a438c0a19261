"""How fast nets are on this machine: those of a table, whose timed columns it fills, or one of one's own.

python -m experiments.measure table=table11 budget=proxy rounds=10 repeats=2
python -m experiments.measure arch=mobilenet_v1 arch.width=0.75 layers=true

The second says what the net costs and which of ShuffleNet V2's guidelines it breaks (experiments/design.py).

Every net at its paper's input, in evaluation mode, on one thread or all, in PyTorch or in ONNX Runtime as the column says. All
rows are measured in this one process, in rounds, the rows of a group next to each other (experiments/benchmarks/protocol.py),
and all rounds twice, since only a repeat shows how far a measurement can be trusted. Rows that compute the same, as pruned and plain nets do, are measured
once. Needs an idle machine; says so where it is not. Budget smoke takes two short rounds, which are never judged.
"""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from experiments.benchmarks.machine import pinned, wait_until_quiet
from experiments.benchmarks.protocol import DRIFT, MOST_REDONE, Measured, Side, measured
from experiments.suite import cli, contract, imports, online, provenance
from experiments.suite.columns import Backend, Column
from experiments.suite.compose import compose
from experiments.suite.contract import DEFAULT_BUDGET
from experiments.suite.load import BUSY, Meter
from experiments.suite.net_names import of_paper
from experiments.suite.paths import shown
from experiments.suite.progress import duration, print_line
from experiments.suite.regenerate import Request
from experiments.suite.rounds import MIN_ROUNDS
from experiments.suite.subjects import Subject
from experiments.suite.timings import SMOKE, Timing, net_of, structural
from experiments.suite.verb import parse
from lightning_modules.errors import UserError

OWN = {"table": None, "budget": DEFAULT_BUDGET, "rounds": 0, "repeats": 0, "layers": False}
ARCH = ("arch=", "arch.", "+arch.")


@dataclass(frozen=True)
class Effort:
    """``rounds``: in each of the repeats. ``seconds``: of one sample; a single batch may take longer.

    ``patience``: how many seconds one waits for an idle machine. ``redone``: how many blocks of a round may be done again.
    """

    rounds: int
    seconds: float
    repeats: int = 1
    patience: float = 0.0
    redone: int = 0

    @property
    def all_rounds(self) -> int:
        return self.rounds * self.repeats

    def __str__(self) -> str:
        return f"{self.rounds} rounds" if self.repeats == 1 else f"{self.repeats} times {self.rounds} rounds"


USUAL, SHORT = Effort(10, 0.05, repeats=2, patience=10.0, redone=MOST_REDONE), Effort(2, 0.02)


def main(arguments: list[str]) -> int:
    own, extra = parse(arguments, OWN, passes_on=True)
    if own["table"] is None and any(override.startswith(ARCH) for override in extra):
        return _describe(own, extra)
    if own["layers"]:
        raise UserError("layers=true: goes with a net of one's own, such as arch=mobilenet_v1, and without table")
    request = Request.of(own["table"], own["budget"], (), extra)
    path = request.timing_path()
    if path is None:
        timed = ", ".join(name for name in contract.names() if contract.load(name).timed)
        raise UserError(f"table={request.table.name}: has no timed column; choose from {timed}")
    told = [override for override in extra if override.lstrip("+").startswith("logger")]  # the others are the nets'
    logger = online.reachable(compose(told)["logger"])
    effort = SHORT if request.budget == SMOKE else USUAL
    asked = {name: own[name] for name in ("rounds", "repeats") if own[name]}
    found = measure(request, replace(effort, **asked))
    found.write(path)
    print_line(f"written to {shown(path)}")
    if logger["name"] != "none":
        from experiments.tracking import log_timing  # imports Lightning and W&B, which takes seconds

        log_timing(request.table.name, request.budget, found, logger)
    return 0


def _describe(own: Mapping[str, Any], extra: Sequence[str]) -> int:
    if others := [override for override in extra if not override.startswith(ARCH)]:
        raise UserError(f"{others[0]}: without table, a net alone is measured: arch=... and arch.<field>=...")
    from experiments import design

    design.report(compose(extra), own["layers"], own["rounds"] or design.ROUNDS)
    return 0


def measure(request: Request, effort: Effort) -> Timing:
    """Every implemented row and its timed columns, all in the same rounds."""
    names = {row: net_of(subject) for row, subject in request.subjects.items()}
    print_line(f"speed of {len(set(names.values()))} nets, {effort}")
    if effort.all_rounds < MIN_ROUNDS and request.budget != SMOKE:
        print_line(f"warning: a claim needs {MIN_ROUNDS} rounds")
    columns = {row: request.table.timed_of(row) for row in names}
    sides = _sides(request, columns, effort.seconds)
    found, made = _measured(_blocks(request, columns, sides), effort)
    return Timing(
        samples={
            row: {
                column.name: _rounded([column.of_speed(speed) for speed in found.samples[_side(name, column)]])
                for column in columns[row]
                if _side(name, column) in found.samples  # all but a GPU's where there is none
            }
            for row, name in names.items()
        },
        nets=names,
        code={row: _code(subject, columns[row]) for row, subject in request.subjects.items()},
        provenance=made,
    )


def _measured(blocks: Sequence[Mapping[str, Side]], effort: Effort) -> tuple[Measured, dict[str, Any]]:
    """The samples and how they came to be; warns of what disturbed them."""
    from lightning_modules import speed  # imports torch, which takes seconds

    reference, machine = speed.reference(), provenance.machine()  # that of all its cores
    wait_until_quiet(effort.patience, print_line)
    meter, began = Meter(), datetime.now(UTC)
    with pinned() as cores:
        said = _progress(effort.all_rounds)
        found = measured(blocks, reference, effort.rounds, effort.repeats, said, effort.redone)
    others = meter.others()
    if others is not None and others > BUSY:
        print_line(f"warning: other processes kept {others:.1f} cores busy meanwhile; measure again on an idle machine")
    if found.drifted:
        print_line(
            f"warning: the machine's own speed moved by more than {100 * DRIFT:.0f} % in {found.drifted} of "
            f"{effort.all_rounds} rounds; measure again on a quieter one"
        )
    return found, {
        "packages": provenance.packages(),
        "machine": machine,
        "threads": speed.THREADS,
        "pinned": cores,
        **provenance.commit(),
        "at": began.isoformat(timespec="seconds"),
        "others": None if others is None else round(others, 2),
        "repeats": effort.repeats,
        "drifted": found.drifted,
        "redone": found.redone,
        "reference": _rounded(found.reference),
    }


def _side(net: str, column: Column) -> str:
    return f"{net} {column.name}"


def _blocks(
    request: Request, columns: Mapping[str, Sequence[Column]], sides: Mapping[str, Side]
) -> list[dict[str, Side]]:
    """The sides that a column compares: those of a group of rows. A net that several groups have stands in the first."""
    blocks: dict[tuple[str, str], dict[str, Side]] = {}
    left = dict(sides)
    for row, own in columns.items():
        for column in own:
            side = _side(net_of(request.subjects[row]), column)
            if side in left:
                blocks.setdefault((column.name, request.table.base(row)), {})[side] = left.pop(side)
    return list(blocks.values())


def _sides(request: Request, columns: Mapping[str, Sequence[Column]], seconds: float) -> dict[str, Side]:
    """A sampler of images per second for each net and each column that any of its rows has."""
    from lightning_modules import speed

    speed.prepare()
    found = {}
    nets = {net_of(subject): subject for subject in request.subjects.values()}
    for number, (name, subject) in enumerate(nets.items(), 1):
        asked = {column.name for row, own in columns.items() if net_of(request.subjects[row]) == name for column in own}
        arch = of_paper(subject.arch)
        net: Any
        if subject.landmarks is not None:
            from lightning_modules import landmark_speed

            net, arch = landmark_speed.build(arch, subject.landmarks), {**arch, "paper_input": landmark_speed.PICTURE}
        else:
            net = speed.build(arch, _restructured_by(subject.compression))
        runs: dict[tuple[str, int], Callable[..., Any]] = {}
        for column in request.table.timed:
            if column.name not in asked or (column.needs_gpu and not speed.has_gpu()):
                continue
            assert column.batch is not None  # that is what makes it timed
            images = speed.noise(arch, column.batch)
            threads = provenance.cores() if column.all_threads else speed.THREADS
            if column.backend in ("onnx", "int8"):
                images = images.contiguous()
            elif column.backend == "gpu":
                images = images.cuda()
            if (column.backend, threads) not in runs:
                if subject.landmarks is not None:
                    from lightning_modules import landmark_speed

                    runs[column.backend, threads] = landmark_speed.in_onnx(net, threads)
                else:
                    runs[column.backend, threads] = _run(net, column.backend, threads, subject.compression, images)
            # Threads beside the first are made here, before this process is pinned to a core: they have all of them.
            found[_side(name, column)] = speed.timer(runs[column.backend, threads], images, seconds, threads)
        print_line(f"  ready to be timed: {number} of {len(nets)}")
    return found


def _run(net: Any, backend: Backend, threads: int, compression: Mapping[str, Any], images: Any) -> Callable[..., Any]:
    """What is timed. In ONNX Runtime, a net that compression puts into integers is in int8."""
    from lightning_modules import speed

    if backend == "eager":
        return net
    if backend == "gpu":
        return copy.deepcopy(net).cuda()
    if backend == "compile":
        return speed.compiled(net)
    from lightning_modules.onnx_files import OnnxNet, exported, quantised

    content = exported(net, images.shape[1:], [str(number) for number in range(speed.CLASSES)])
    options = _in_integers(compression)
    if backend == "int8" or options:  # the ranges of noise are as good as any for the speed
        content = quantised(content, [images.numpy()], bool(options and options.per_channel))
    return OnnxNet(content, threads)


def _restructured_by(compression: Mapping[str, Any]) -> Callable[[Any], None] | None:
    if not structural(compression):
        return None  # and compression's code has no part in the speed
    from lightning_modules.compression.structure import restructure

    return lambda net: restructure(net, compression)


def _in_integers(compression: Mapping[str, Any]) -> Any:
    if not structural(compression):
        return None
    from lightning_modules.compression.steps import Plan

    return Plan.of(compression).integers


def _progress(rounds: int) -> Callable[[int, int], None]:
    """A line a round, with the time left."""
    began = datetime.now(UTC)

    def say(done: int, redone: int) -> None:
        taken = (datetime.now(UTC) - began).total_seconds() / done
        again = f", {redone} blocks done again" if redone else ""
        left = f", {duration(math.ceil(taken * (rounds - done)))} left" if done < rounds else ""
        print_line(f"  round {done} of {rounds}{again}{left}")

    return say


def _rounded(values: Sequence[float]) -> list[float]:
    """To six digits, of which few mean anything."""
    return [float(f"{value:.6g}") for value in values]


def _code(subject: Subject, columns: Sequence[Column]) -> dict[str, str]:
    from lightning_modules import nets

    modules = ["lightning_modules.speed", f"lightning_modules.nets.{nets.classes()[subject.arch['net']]}"]
    modules += ["lightning_modules.landmark_speed"] * (subject.landmarks is not None)
    modules += ["lightning_modules.compression.structure"] * bool(structural(subject.compression))
    modules += ["lightning_modules.onnx_files"] * any(column.backend in ("onnx", "int8") for column in columns)
    return imports.code_of(modules)


if __name__ == "__main__":
    cli.call(main)
