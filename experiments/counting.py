"""Counts what a table's nets cost and what their files take, where that is not yet known, and keeps it.

What it keeps: experiments/suite/costs.py and experiments/suite/coded_sizes.py.
"""

from collections.abc import Mapping
from typing import Any

from experiments.suite import imports, provenance
from experiments.suite.coded_sizes import Coded
from experiments.suite.costs import Cost
from experiments.suite.net_names import name_of, of_paper
from experiments.suite.progress import print_line
from experiments.suite.regenerate import Request
from experiments.suite.subjects import Subject

COUNTED = ("input", "params", "macs", "access")


def count_missing(request: Request) -> list[Cost]:
    """Raises UserError, with nothing written, where a net refuses a value."""
    archs = {name_of(arch): of_paper(arch) for arch in (request.subjects[row].arch for row in request.uncounted())}
    found = [count(arch) for arch in archs.values()]
    for cost in found:
        cost.write()
    return found


def check_uncoded(request: Request) -> None:
    """Raises UserError where a file at the paper's scale could not be made; that takes no time, making them does."""
    for row in request.uncoded():
        from lightning_modules.compression import paper_scale  # imports torch, which takes seconds

        subject = request.subjects[row]
        paper_scale.prepared(of_paper(subject.arch), subject.compression, subject.densities)


def code_missing(request: Request) -> list[Coded]:
    """The files at the paper's scale, each kept as it is made: the largest take half a minute.

    Raises UserError where a step refuses a value.
    """
    found = []
    for row in request.uncoded():
        print_line(f"makes the file of {request.table.row(row).label} at the paper's scale")
        found.append(code(request.subjects[row]))
        found[-1].write()
    return found


def count(arch: Mapping[str, Any]) -> Cost:
    """Of the net that ``arch`` (a conf/arch file's content) describes, at its paper's input, with 1000 classes."""
    from lightning_modules import memory_access, nets, paper_cost  # imports torch, which takes seconds

    cost = paper_cost.paper_cost(arch) | {"access": memory_access.of_paper(arch)}
    net = f"lightning_modules.nets.{nets.classes()[arch['net']]}"
    code = imports.code_of(["lightning_modules.paper_cost", "lightning_modules.memory_access", net])
    return Cost(arch, {name: cost[name] for name in COUNTED}, code, provenance.packages())


def code(subject: Subject) -> Coded:
    """What the file of the subject's net takes at its paper's scale, with 1000 classes and drawn weights.

    Raises UserError where the net or a step refuses a value, or the densities are not that net's.
    """
    from lightning_modules import nets  # imports torch, which takes seconds
    from lightning_modules.compression import paper_scale

    arch = of_paper(subject.arch)
    sizes = paper_scale.coded(arch, subject.compression, subject.densities)
    net = f"lightning_modules.nets.{nets.classes()[arch['net']]}"
    sources = imports.code_of(["lightning_modules.compression.paper_scale", net])
    return Coded.of(subject, sizes, sources, provenance.packages())
