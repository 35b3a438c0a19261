"""Counts what a table's nets cost, where that is not yet known, and keeps it (experiments/suite/costs.py)."""

from collections.abc import Mapping
from typing import Any

from experiments.suite import imports, provenance
from experiments.suite.costs import Cost, of_paper
from experiments.suite.regenerate import Request

COUNTED = ("input", "params", "macs")


def count_missing(request: Request) -> list[Cost]:
    """Raises UserError, with nothing written, where a net refuses a value."""
    found = [count(of_paper(request.archs[row])) for row in request.uncounted()]
    for cost in found:
        cost.write()
    return found


def count(arch: Mapping[str, Any]) -> Cost:
    """Of the net that ``arch`` (a conf/arch file's content) describes, at its paper's input, with 1000 classes."""
    from lightning_modules import nets, paper_cost  # imports torch, which takes seconds

    cost = paper_cost.paper_cost(arch)
    net = f"lightning_modules.nets.{nets.classes()[arch['net']]}"
    code = imports.code_of(["lightning_modules.paper_cost", net])
    return Cost(arch, {name: cost[name] for name in COUNTED}, code, provenance.packages())
