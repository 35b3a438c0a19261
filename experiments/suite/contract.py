"""The contract of a table, conf/table/<table>.yaml: its rows, columns, seeds and claims, fixed before any run.

A file of conf/experiment/<table> that the contract does not list is an extra row after its rows: somebody's own net
beside the paper's, run and shown as any other row, of which nothing is claimed.

A row with ``paper_scale: {densities: <place in conf/paper>}`` also has a compressed file of the paper's own net, with
drawn weights: what compresses the row, applied to 1000 classes, and pruned layer by layer as the paper prints it.

A row with a ``group`` is compared with the first of that group, one without with the table's first (columns ending in
_rel). A row that is not trained may say its ``overrides`` in place of a file of conf/experiment.

A row with ``trained: false`` is not trained here: its cost is exact and its speed can be measured. A table of such rows
alone has ``seeds: []``. A row may have ``seeds`` of its own, some of the table's.

Every mistake in these files is a UserError of one line that names the file, the place and what to do.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.suite import yamls
from experiments.suite.claim_contract import Claim, read_claims
from experiments.suite.columns import Column, column
from experiments.suite.figure_contract import Figure, read_figure
from experiments.suite.group_contract import Groups, read_ced, read_groups
from experiments.suite.paper import PaperTable
from experiments.suite.paths import CONF, shown
from experiments.suite.row_contract import (
    Row,
    check_labels,
    extra_rows,
    fields_of,
    note_of,
    paper_table_of,
    read_row,
    with_derived,
)
from lightning_modules.errors import UserError

DEFAULT_BUDGET = "proxy"  # the one that is published
REQUIRED = ("title", "paper", "seeds", "columns", "rows", "claims")
OPTIONAL = ("aliases", "notes", "fields", "figure", "correlate", "groups", "weights", "ced")


@dataclass(frozen=True)
class Table:
    """``correlate``: two columns whose rank correlation is said, one of them timed. ``groups``: of test faces.
    ``weights``: the row whose cascade is published as files, too. ``ced``: a column, and the rows whose cumulative error
    distributions are drawn.
    """

    name: str
    title: str
    source: PaperTable
    seeds: tuple[int, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    claims: tuple[Claim, ...]
    notes: tuple[str, ...]
    aliases: tuple[str, ...]
    figure: Figure | None = None
    correlate: tuple[str, str] | None = None
    groups: Groups | None = None
    weights: str | None = None
    ced: tuple[str, tuple[str, ...]] | None = None

    @property
    def is_trained(self) -> bool:
        """Whether any of its rows is."""
        return any(row.trained for row in self.rows)

    @property
    def timed(self) -> list[Column]:
        """The columns that ``experiments.measure`` fills, and those that others are derived from."""
        named = [each.name for each in self.columns]
        named += [name for each in self.columns for name, _ in each.factors]
        return [each for each in map(column, dict.fromkeys(named)) if each.batch is not None]

    def timed_of(self, name: str) -> list[Column]:
        """Those of a row."""
        return [each for each in self.timed if each.name not in self.row(name).untimed]

    def base(self, name: str) -> str:
        """The row that the row is compared with: the first of its group."""
        return next(row.name for row in self.rows if row.group == self.row(name).group)

    def overrides(self, row: Row, budget: str = DEFAULT_BUDGET) -> tuple[str, ...]:
        """What its configuration is composed of."""
        return (*(row.overrides or (f"experiment={self.name}/{row.name}",)), f"budget={budget}")

    def seeds_of(self, name: str) -> list[int]:
        """Those that the row is run with."""
        return [seed for seed in self.seeds if self.row(name).runs_with(seed)]

    def row(self, name: str) -> Row:
        return next(row for row in self.rows if row.name == name)

    def column(self, name: str) -> Column:
        return next(each for each in self.columns if each.name == name)


def names(conf: Path = CONF) -> list[str]:
    """The tables that have a contract, in the order a reader counts: table2 before table10."""
    found = [path.stem for path in (conf / "table").glob("*.yaml")]
    return sorted(found, key=lambda name: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)])


def aliases(conf: Path = CONF) -> dict[str, str]:
    """Table by alias. UserError when two tables claim one, or an alias is a table's name."""
    found: dict[str, str] = {}
    known = names(conf)
    for name in known:
        path = conf / "table" / f"{name}.yaml"
        place = yamls.Place(shown(path), "aliases")
        for alias in map(place.text, place.sequence(yamls.read(path).get("aliases", []))):
            if alias in found or alias in known:
                raise place.error(f"'{alias}' already means {found.get(alias, alias)}, choose another")
            found[alias] = name
    return found


def resolve(name: str, conf: Path = CONF) -> str:
    """The table that a name or an alias means. UserError, with the nearest name, when there is none."""
    known = names(conf)
    if name in known:
        return name
    by_alias = aliases(conf)
    if name not in by_alias:
        raise UserError(yamls.unknown("table", name, [*known, *by_alias]))
    return by_alias[name]


def load(name: str, conf: Path = CONF) -> Table:
    """The checked contract of a table, given by name or alias, with its extra rows."""
    name = resolve(name, conf)
    path = conf / "table" / f"{name}.yaml"
    place = yamls.Place(shown(path))
    content = place.mapping(yamls.read(path), REQUIRED, OPTIONAL)
    columns = _columns(content["columns"], place / "columns")
    fields = fields_of(content.get("fields", {}), place / "fields", columns)
    source = paper_table_of(content["paper"], place / "paper", conf)
    rows = tuple(
        read_row(row, value, place / "rows" / row, source, columns, fields, conf)
        for row, value in (place / "rows").mapping(content["rows"], (), None).items()
    )
    if not rows:
        raise (place / "rows").error("is empty, add a row")
    for row in rows:
        experiment = conf / "experiment" / name / f"{row.name}.yaml"
        if row.implemented and not row.overrides and not experiment.is_file():
            raise (place / "rows" / row.name).error(f"no {shown(experiment)}, add it or say implemented: false")
    absent = [row.name for row in rows if not row.implemented]
    trained = any(row.trained for row in rows)
    extra = extra_rows(conf / "experiment" / name, rows, source, columns, trained)
    rows = with_derived(rows, columns)
    check_labels((*rows, *extra), conf / "experiment" / name, place)
    implemented = {row.name: row.paper for row in rows if row.implemented}
    claims = read_claims(content["claims"], place / "claims", columns, implemented, absent)
    _check_trained(claims, columns, rows, place)
    seeds = _seeds(content["seeds"], place / "seeds", trained)
    _check_seeds(rows, seeds, place)
    _check_timed(claims, rows, place)
    return Table(
        name=name,
        title=(place / "title").text(content["title"]),
        source=source,
        seeds=seeds,
        columns=columns,
        rows=(*rows, *extra),
        claims=claims,
        notes=tuple(
            note_of(item, place / "notes" / index, conf)
            for index, item in enumerate((place / "notes").sequence(content.get("notes", [])))
        ),
        aliases=tuple(alias for alias, table in aliases(conf).items() if table == name),
        figure=_figure(content, place / "figure", columns, [row.name for row in rows]),
        correlate=_correlate(content.get("correlate"), place / "correlate", columns),
        ced=read_ced(content["ced"], place / "ced", columns, [row.name for row in rows]) if "ced" in content else None,
        weights=_weights(content.get("weights"), place / "weights", rows),
        groups=read_groups(content["groups"], place / "groups", columns) if "groups" in content else None,
    )


def _weights(value: Any, place: yamls.Place, rows: Sequence[Row]) -> str | None:
    trained = [row.name for row in rows if row.trained]
    if value is not None and value not in trained:
        raise place.error(yamls.unknown("row", value, trained))
    return value


def _figure(
    content: Mapping[str, Any], place: yamls.Place, columns: Sequence[Column], rows: list[str]
) -> Figure | None:
    return read_figure(content["figure"], place, columns, rows) if "figure" in content else None


def _columns(value: Any, place: yamls.Place) -> tuple[Column, ...]:
    found: list[Column] = []
    for name in map(place.text, place.sequence(value)):
        try:
            found.append(column(name))
        except UserError as error:
            raise place.error(error) from error
    if len({each.name for each in found}) < len(found) or not found:
        raise place.error("name each column once, and at least one")
    return tuple(found)


def _correlate(value: Any, place: yamls.Place, columns: Sequence[Column]) -> tuple[str, str] | None:
    if value is None:
        return None
    place.mapping(value, ("x", "y"))
    kinds = {each.name: each.kind for each in columns}
    for axis in ("x", "y"):
        if value[axis] not in kinds:
            raise (place / axis).error(yamls.unknown("column", value[axis], kinds))
    if kinds[value["x"]] != "computed" or kinds[value["y"]] != "timed":
        raise place.error("x must be a computed column and y a timed one")
    return value["x"], value["y"]


def _seeds(value: Any, place: yamls.Place, trained: bool) -> tuple[int, ...]:
    seeds = place.sequence(value)
    if not trained and seeds:
        raise place.error(f"is {value!r}, but no row is trained: write []")
    wrong = any(type(seed) is not int or seed < 0 for seed in seeds) or len(set(seeds)) < len(seeds)
    if wrong or (trained and not seeds):
        raise place.error(f"is {value!r}, write different whole numbers from 0 on")
    return tuple(seeds)


def _check_seeds(rows: Sequence[Row], seeds: Sequence[int], place: yamls.Place) -> None:
    for row in rows:
        if unknown := sorted(set(row.seeds or ()) - set(seeds)):
            raise (place / "rows" / row.name / "seeds").error(
                f"the table has no seed {unknown[0]}, choose some of its own"
            )


def _check_timed(claims: Sequence[Claim], rows: Sequence[Row], place: yamls.Place) -> None:
    """Nothing is claimed of a speed that is not measured."""
    untimed = {row.name: row.untimed for row in rows}
    for claim in claims:
        asked = {claim.metric, *(name for name, _ in column(claim.metric).factors)}
        for name in claim.rows:
            if missing := sorted(asked & set(untimed[name])):
                where = yamls.Place(place.file, f"claims.{claim.id}")
                raise where.error(f"{missing[0]} is not measured for row '{name}'")


def _check_trained(claims: Sequence[Claim], columns: Sequence[Column], rows: Sequence[Row], place: yamls.Place) -> None:
    """Nothing trained is claimed of a row that is not."""
    measured = [each.name for each in columns if each.kind == "trained"]
    untrained = [row.name for row in rows if row.implemented and not row.trained]
    for claim in claims:
        for name in claim.rows:
            if claim.metric in measured and name in untrained:
                where = yamls.Place(place.file, f"claims.{claim.id}")
                raise where.error(f"row '{name}' is not trained, so nothing can be claimed of its {claim.metric}")
