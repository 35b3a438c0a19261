"""The contract of a table, conf/table/<table>.yaml: its rows, columns, seeds and claims, fixed before any run.

A file of conf/experiment/<table> that the contract does not list is an extra row after its rows: somebody's own net
beside the paper's, run and shown as any other row, of which nothing is claimed.

A row with ``paper_scale: {densities: <place in conf/paper>}`` also has a compressed file of the paper's own net, with
drawn weights: what compresses the row, applied to 1000 classes, and pruned layer by layer as the paper prints it.

A row with ``trained: false`` is not trained here: its cost is exact and its speed can be measured. A table of such rows
alone has ``seeds: []``.

Every mistake in these files is a UserError of one line that names the file, the place and what to do.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.suite import yamls
from experiments.suite.claim_contract import Claim, PaperValues, read_claims
from experiments.suite.columns import Column, column
from experiments.suite.figure_contract import Figure, read_figure
from experiments.suite.paper import PaperTable, discrepancy, number
from experiments.suite.paper import table as paper_table
from experiments.suite.paper_densities import Densities, densities
from experiments.suite.paths import CONF, shown
from lightning_modules.errors import UserError

DEFAULT_BUDGET = "proxy"  # the one that is published
REQUIRED = ("title", "paper", "seeds", "columns", "rows", "claims")
OPTIONAL = ("aliases", "notes", "fields", "figure")
ROW = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")  # a row's name is a file's
ROW_OPTIONAL = (
    "paper", "paper_table", "fields", "also", "implemented", "trained", "note", "cell_notes", "paper_scale", "simulated",
)  # fmt: skip
EXTRA_NOTE = "not in the paper's table"


@dataclass(frozen=True)
class Row:
    """``paper``: the paper's number for each column, None where it prints none. ``cell_notes``: a note by column.

    ``source``: the paper's table that the row's numbers stand in. ``also``: what others print of it, by who.
    ``extra``: the contract does not list it. ``densities``: of its file at the paper's scale, by layer; None: it has
    none. ``simulated``: the columns whose numbers are not those of the arithmetic that the row is about.
    """

    name: str
    label: str
    paper: PaperValues
    source: PaperTable
    implemented: bool
    note: str | None
    cell_notes: Mapping[str, str]
    trained: bool = True
    also: Mapping[str, PaperValues] = field(default_factory=dict)
    extra: bool = False
    densities: Densities | None = None
    simulated: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
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

    @property
    def is_trained(self) -> bool:
        """Whether any of its rows is."""
        return any(row.trained for row in self.rows)

    @property
    def timed(self) -> list[Column]:
        """The columns that ``experiments.measure`` fills."""
        return [column for column in self.columns if column.batch is not None]

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
    fields = _fields(content.get("fields", {}), place / "fields", columns)
    source = _paper_table(content["paper"], place / "paper", conf)
    rows = tuple(
        _row(row, value, place / "rows" / row, source, columns, fields, conf)
        for row, value in (place / "rows").mapping(content["rows"], (), None).items()
    )
    if not rows:
        raise (place / "rows").error("is empty, add a row")
    for row in rows:
        experiment = conf / "experiment" / name / f"{row.name}.yaml"
        if row.implemented and not experiment.is_file():
            raise (place / "rows" / row.name).error(f"no {shown(experiment)}, add it or say implemented: false")
    implemented = {row.name: row.paper for row in rows if row.implemented}
    absent = [row.name for row in rows if not row.implemented]
    trained = any(row.trained for row in rows)
    extra = _extra_rows(conf / "experiment" / name, rows, source, columns, trained)
    _check_labels((*rows, *extra), conf / "experiment" / name, place)
    claims = read_claims(content["claims"], place / "claims", columns, implemented, absent)
    _check_trained(claims, columns, rows, place)
    return Table(
        name=name,
        title=(place / "title").text(content["title"]),
        source=source,
        seeds=_seeds(content["seeds"], place / "seeds", trained),
        columns=columns,
        rows=(*rows, *extra),
        claims=claims,
        notes=tuple(
            _note(item, place / "notes" / index, conf)
            for index, item in enumerate((place / "notes").sequence(content.get("notes", [])))
        ),
        aliases=tuple(alias for alias, table in aliases(conf).items() if table == name),
        figure=_figure(content, place / "figure", columns, [row.name for row in rows]),
    )


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


def _fields(value: Any, place: yamls.Place, columns: tuple[Column, ...]) -> dict[str, str | None]:
    """Which field of the paper's row a column looks up, where it is not the column's own name; null: none."""
    place.mapping(value, (), [each.name for each in columns])
    return {name: None if field is None else (place / name).text(field) for name, field in value.items()}


def _paper_table(value: Any, place: yamls.Place, conf: Path) -> PaperTable:
    pointer = place.text(value)
    try:
        return paper_table(pointer, conf)
    except UserError as error:
        raise place.error(error) from error


def _row(
    name: str,
    value: Any,
    place: yamls.Place,
    source: PaperTable,
    columns: tuple[Column, ...],
    fields: Mapping[str, str | None],
    conf: Path,
) -> Row:
    if not ROW.fullmatch(name):
        raise place.error("a row is named in letters, digits, _ - and . only, rename it")
    place.mapping(value, ("label",), ROW_OPTIONAL)
    if "paper_table" in value:
        source = _paper_table(value["paper_table"], place / "paper_table", conf)
    own = {**fields, **_fields(value.get("fields", {}), place / "fields", columns)}
    implemented = _flag(value, "implemented", place)
    if not implemented and "trained" in value:
        raise (place / "trained").error("the row is not implemented, so leave it out")
    cell_notes = (place / "cell_notes").mapping(value.get("cell_notes", {}), (), [c.name for c in columns])
    return Row(
        name=name,
        label=(place / "label").text(value["label"]),
        paper=_paper_values(value.get("paper"), place / "paper", source, columns, own),
        source=source,
        implemented=implemented,
        note=_note(value["note"], place / "note", conf) if "note" in value else None,
        cell_notes={name: _note(note, place / "cell_notes" / name, conf) for name, note in cell_notes.items()},
        trained=implemented and _flag(value, "trained", place),
        densities=_densities(value, place / "paper_scale", conf),
        simulated=_simulated(value.get("simulated", []), place / "simulated", columns),
        also=_also(value.get("also", {}), place / "also", columns, conf),
    )


def _densities(value: Mapping[str, Any], place: yamls.Place, conf: Path) -> Densities | None:
    """Empty where the file at the paper's scale has the densities of the row's own steps."""
    if "paper_scale" not in value:
        return None
    pointer = place.mapping(value["paper_scale"], (), ("densities",)).get("densities")
    if pointer is None:
        return {}
    try:
        return densities((place / "densities").text(pointer), conf)
    except UserError as error:
        raise (place / "densities").error(error) from error


def _simulated(value: Any, place: yamls.Place, columns: tuple[Column, ...]) -> tuple[str, ...]:
    known = [each.name for each in columns]
    found = tuple(map(place.text, place.sequence(value)))
    for name in found:
        if name not in known:
            raise place.error(yamls.unknown("column", name, known))
    return found


def _flag(value: Mapping[str, Any], key: str, place: yamls.Place) -> bool:
    """True where nothing is said."""
    found = value.get(key, True)
    if not isinstance(found, bool):
        raise (place / key).error(f"is {found!r}, write true or false")
    return found


def _also(value: Any, place: yamls.Place, columns: tuple[Column, ...], conf: Path) -> dict[str, PaperValues]:
    """``{torchvision: {paper_table: peers.torchvision, paper: {model: AlexNet}}}``: the numbers of each, by column."""
    found: dict[str, PaperValues] = {}
    for name, item in place.mapping(value, (), None).items():
        here = place / name
        here.mapping(item, ("paper_table", "paper"), ("fields",))
        source = _paper_table(item["paper_table"], here / "paper_table", conf)
        fields = _fields(item.get("fields", {}), here / "fields", columns)
        found[name] = _paper_values(item["paper"], here / "paper", source, columns, fields)
    return found


def _extra_rows(
    folder: Path, listed: Sequence[Row], source: PaperTable, columns: tuple[Column, ...], trained: bool
) -> tuple[Row, ...]:
    """In the order of their names; trained where the table's rows are."""
    known = [row.name for row in listed]
    paths = sorted(path for path in folder.glob("[!.]*.yaml") if path.stem not in known)
    return tuple(_extra_row(path, source, columns, trained) for path in paths)


def _extra_row(path: Path, source: PaperTable, columns: tuple[Column, ...], trained: bool) -> Row:
    place = yamls.Place(shown(path))
    if not ROW.fullmatch(path.stem):
        raise place.error("a row's file is named in letters, digits, _ - and . only, rename it")
    label = yamls.read(path).get("label")
    return Row(
        name=path.stem,
        label=path.stem if label is None else (place / "label").text(label),
        paper=dict.fromkeys((each.name for each in columns), None),
        source=source,
        implemented=True,
        note=EXTRA_NOTE,
        cell_notes={},
        trained=trained,
        extra=True,
    )


def _check_labels(rows: Sequence[Row], folder: Path, place: yamls.Place) -> None:
    """Each row has its own: progress and messages name a run by its label."""
    owners: dict[str, str] = {}
    for row in rows:
        where = yamls.Place(shown(folder / f"{row.name}.yaml")) if row.extra else place / "rows" / row.name
        if row.label in owners:
            raise (where / "label").error(f"'{row.label}' is the label of row '{owners[row.label]}', choose another")
        owners[row.label] = row.name


def _paper_values(
    key: Any,
    place: yamls.Place,
    source: PaperTable,
    columns: tuple[Column, ...],
    fields: Mapping[str, str | None],
) -> dict[str, float | int | None]:
    if key is None:
        return dict.fromkeys((each.name for each in columns), None)
    found: dict[str, float | int | None] = {}
    try:
        row = source.row(key)
        for each in columns:
            field = fields[each.name] if each.name in fields else each.printed(row)
            found[each.name] = None if field is None else each.in_unit(number(row, field, source.pointer), field)
    except UserError as error:
        raise place.error(error) from error
    return found


def _seeds(value: Any, place: yamls.Place, trained: bool) -> tuple[int, ...]:
    seeds = place.sequence(value)
    if not trained and seeds:
        raise place.error(f"is {value!r}, but no row is trained: write []")
    wrong = any(type(seed) is not int or seed < 0 for seed in seeds) or len(set(seeds)) < len(seeds)
    if wrong or (trained and not seeds):
        raise place.error(f"is {value!r}, write different whole numbers from 0 on")
    return tuple(seeds)


def _check_trained(claims: Sequence[Claim], columns: Sequence[Column], rows: Sequence[Row], place: yamls.Place) -> None:
    """Nothing trained is claimed of a row that is not."""
    measured = [each.name for each in columns if each.kind == "trained"]
    untrained = [row.name for row in rows if row.implemented and not row.trained]
    for claim in claims:
        for name in claim.rows:
            if claim.metric in measured and name in untrained:
                where = yamls.Place(place.file, f"claims.{claim.id}")
                raise where.error(f"row '{name}' is not trained, so nothing can be claimed of its {claim.metric}")


def _note(value: Any, place: yamls.Place, conf: Path) -> str:
    """A text, or {text: ..., see: D06}, either one optional; D06 is spelled out from conf/paper/discrepancies.yaml."""
    if isinstance(value, str):
        return place.text(value)
    place.mapping(value, (), ("text", "see"))
    parts = [place.text(value["text"])] if "text" in value else []
    if "see" in value:
        identifier = (place / "see").text(value["see"])
        try:
            parts.append(f"[{discrepancy(identifier, conf)}]")
        except UserError as error:
            raise (place / "see").error(error) from error
    if not parts:
        raise place.error("is empty, write a text or see: with an id of conf/paper/discrepancies.yaml")
    return " ".join(parts)
