"""What the rows of a table are about, whatever has been run of them: a net, and what compresses it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from experiments.suite.compose import compose
from experiments.suite.contract import DEFAULT_BUDGET, Table
from experiments.suite.net_names import name_of
from experiments.suite.paper_densities import Densities
from lightning_modules.errors import UserError


@dataclass(frozen=True)
class Subject:
    """``arch`` and ``compression``: what the files of conf/arch and conf/compression hold.

    ``densities``: of the paper's compressed net, by pattern or in the order of its layers; None where the contract does
    not ask what its file takes at the paper's scale. ``base``: the first row of its group, which it is compared with.
    ``landmarks``: the options of a cascade of landmark nets; None of a net that tells classes.
    """

    arch: Mapping[str, Any]
    compression: Mapping[str, Any]
    densities: Densities | None = None
    base: str = ""
    landmarks: Mapping[str, Any] | None = None

    @cached_property
    def net(self) -> str:
        """What the net is called that its cost and speed are of: asked often, and slow to make."""
        return name_of(self.arch)


def of_table(table: Table, extra: Sequence[str] = (), budget: str = DEFAULT_BUDGET) -> dict[str, Subject]:
    """By row, of every implemented row: the contract's or, with ``extra`` overrides, theirs at ``budget``.

    Raises UserError where a configuration is wrong.
    """
    found = {}
    for row in table.rows:
        if row.implemented:
            file = f"table/{table.name}.yaml: rows" if row.overrides else f"experiment/{table.name}"
            try:
                config = compose(table.overrides(row))
            except UserError as error:
                raise UserError(f"conf/{file}{'.' if row.overrides else '/'}{row.name}: {error}") from error
            if extra:
                config = compose((*table.overrides(row, budget), *extra))
            base = table.base(row.name)
            found[row.name] = Subject(
                config["arch"], config["compression"], row.densities, base, config.get("landmarks")
            )
    return found
