"""What the rows of a table are about, whatever has been run of them: a net, and what compresses it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.suite.compose import compose
from experiments.suite.contract import DEFAULT_BUDGET, Table
from experiments.suite.paper_densities import Densities
from lightning_modules.errors import UserError


@dataclass(frozen=True)
class Subject:
    """``arch`` and ``compression``: what the files of conf/arch and conf/compression hold.

    ``densities``: of the paper's compressed net, by pattern or in the order of its layers; None where the contract does
    not ask what its file takes at the paper's scale.
    """

    arch: Mapping[str, Any]
    compression: Mapping[str, Any]
    densities: Densities | None = None


def of_table(table: Table, extra: Sequence[str] = (), budget: str = DEFAULT_BUDGET) -> dict[str, Subject]:
    """By row, of every implemented row: the contract's or, with ``extra`` overrides, theirs at ``budget``.

    Raises UserError where a configuration is wrong.
    """
    found = {}
    for row in table.rows:
        if row.implemented:
            contract = (f"experiment={table.name}/{row.name}", f"budget={DEFAULT_BUDGET}")
            try:
                config = compose(contract)
            except UserError as error:
                raise UserError(f"conf/experiment/{table.name}/{row.name}.yaml: {error}") from error
            if extra:
                config = compose((contract[0], f"budget={budget}", *extra))
            found[row.name] = Subject(config["arch"], config["compression"], row.densities)
    return found
