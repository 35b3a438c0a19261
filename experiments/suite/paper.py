"""The published numbers: conf/paper/*.yaml, read only."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from experiments.suite import yamls
from experiments.suite.paths import CONF, shown
from lightning_modules.errors import UserError


@dataclass(frozen=True)
class PaperTable:
    """One printed table: ``pointer`` is file.table; ``paper`` has title, first_author, year, arxiv where known."""

    pointer: str
    paper: Mapping[str, Any]
    printed_as: str | None
    verified: bool | str
    rows: tuple[Mapping[str, Any], ...]

    def row(self, key: object) -> Mapping[str, Any]:
        """The row whose first field is ``key``, or whose fields equal the mapping ``key``. UserError unless one."""
        wanted = dict(key) if isinstance(key, Mapping) else None
        for field in wanted or {}:
            if not any(field in row for row in self.rows):
                fields = dict.fromkeys(name for row in self.rows for name in row)
                raise UserError(f"{self.pointer}: {yamls.unknown('field', field, fields)}")
        found = [row for row in self.rows if _matches(row, key if wanted is None else wanted)]
        if len(found) == 1:
            return found[0]
        if not found:
            names = [next(iter(row.values()), None) for row in self.rows] if wanted is None else self.rows
            raise UserError(f"{self.pointer}: {yamls.unknown('row', key, dict.fromkeys(map(str, names)))}")
        fields = ", ".join(f"{name}: ..." for name in list(found[0])[:3])
        raise UserError(f"{self.pointer}: {len(found)} rows match {key}; name more fields, as in {{{fields}}}")


def _matches(row: Mapping[str, Any], key: object) -> bool:
    if isinstance(key, Mapping):
        return bool(key) and all(name in row and _same(row[name], value) for name, value in key.items())
    return bool(row) and _same(next(iter(row.values())), key)


def _same(printed: object, wanted: object) -> bool:
    """Equal as numbers or as text, but true is not 1."""
    if isinstance(printed, bool) != isinstance(wanted, bool):
        return False
    return printed == wanted or str(printed) == str(wanted)


def table(pointer: str, conf: Path = CONF) -> PaperTable:
    """``squeezenet.table3_bypass``: the file, then the way down to a table. UserError where it leads nowhere."""
    name, *steps = pointer.split(".")
    path = conf / "paper" / f"{name}.yaml"
    if not path.is_file():
        raise UserError(f"{pointer}: {yamls.unknown('paper', name, names(conf))}")
    content = yamls.read(path)
    node: Any = content
    source: Mapping[str, Any] = {}
    for step in steps:
        if not isinstance(node, dict) or step not in node:
            tables = [key for key, value in node.items() if _rows(value)] if isinstance(node, dict) else []
            raise UserError(f"{pointer}: {yamls.unknown(f'table of {shown(path)}', step, tables)}")
        node = node[step]
        # A table inside a table has the outer one's source, unless it states its own.
        own = node.get("source") if isinstance(node, dict) else None
        source = own if isinstance(own, dict) else source
    rows = _rows(node)
    if not rows:
        raise UserError(f"{pointer}: no rows there; name a table of {shown(path)}")
    return PaperTable(pointer, _identity(content, name), source.get("paper"), source.get("verified", False), rows)


def _rows(node: Any) -> tuple[Mapping[str, Any], ...]:
    rows = node.get("rows") if isinstance(node, dict) else node
    return tuple(row for row in rows if isinstance(row, dict)) if isinstance(rows, list) else ()


def _identity(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    identity = content.get("paper")
    if isinstance(identity, dict):
        return {key: identity[key] for key in ("title", "first_author", "year", "arxiv") if key in identity}
    return {"title": content.get("title", name)}


def names(conf: Path = CONF) -> list[str]:
    return sorted(path.stem for path in (conf / "paper").glob("*.yaml"))


def number(row: Mapping[str, Any], field: str, where: str) -> float | int | None:
    """The printed number, None where the paper leaves the cell empty. UserError: no such field, or no number in it."""
    if field not in row:
        raise UserError(f"{where}: {yamls.unknown('field', field, row)}")
    value = row[field]
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise UserError(f"{where}: {field} is {value!r}, not one number")
    return value


def text(printed: float) -> str:
    """The number as the paper prints it, trailing zeros included."""
    return str(getattr(printed, "text", repr(printed)))


def decimals(printed: float) -> int:
    """Digits after the point of a printed number: 57.5 has one, 31.50 two, 48 none."""
    exponent = Decimal(text(printed)).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def agrees(value: float, printed: float) -> bool:
    """Whether ``value`` rounds to the printed number; a tie may be rounded either way."""
    half = Decimal(1).scaleb(-decimals(printed)) / 2
    return abs(Decimal(repr(float(value))) - Decimal(text(printed))) <= half


def discrepancy(identifier: str, conf: Path = CONF) -> str:
    """One line about an item of discrepancies.yaml, such as D06. UserError when there is none of that id."""
    items = {item["id"]: item for item in yamls.read(conf / "paper" / "discrepancies.yaml").get("items", [])}
    if identifier not in items:
        raise UserError(yamls.unknown("discrepancy", identifier, items))
    item = items[identifier]
    values = ", ".join(f"{name} = {value}" for name, value in item.get("values", {}).items())
    return f"{identifier}: " + "; ".join(part for part in (item["topic"], values, item.get("explanation")) if part)
