"""The rows of a contract: what each is called, what the paper and others print of it, how it is run or measured."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from experiments.suite import yamls
from experiments.suite.claim_contract import PaperValues
from experiments.suite.columns import Column, rounded
from experiments.suite.paper import PaperTable, discrepancy, number
from experiments.suite.paper import table as paper_table
from experiments.suite.paper_densities import Densities, densities
from experiments.suite.paths import shown
from lightning_modules.errors import UserError

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")  # a row's name is a file's
OPTIONAL = (
    "paper", "paper_table", "fields", "also", "implemented", "trained", "note", "cell_notes", "paper_scale", "simulated",
    "group", "overrides", "untimed", "seeds",
)  # fmt: skip
EXTRA_NOTE = "not in the paper's table"


@dataclass(frozen=True)
class Row:
    """``paper``: the paper's number for each column, None where it prints none. ``cell_notes``: a note by column.

    ``source``: the paper's table that the row's numbers stand in. ``also``: what others print of it, by who.
    ``extra``: the contract does not list it. ``densities``: of its file at the paper's scale, by layer; None: it has
    none. ``simulated``: the columns whose numbers are not those of the arithmetic that the row is about. ``overrides``:
    what the row is, where no file of conf/experiment says it. ``untimed``: timed columns that are not measured for it.
    ``seeds``: those of the table's that it is run with; None: all.
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
    group: str = ""
    overrides: tuple[str, ...] = ()
    untimed: tuple[str, ...] = ()
    seeds: tuple[int, ...] | None = None

    def runs_with(self, seed: int) -> bool:
        return self.seeds is None or seed in self.seeds


def read_row(
    name: str,
    value: Any,
    place: yamls.Place,
    source: PaperTable,
    columns: tuple[Column, ...],
    fields: Mapping[str, str | None],
    conf: Path,
) -> Row:
    if not NAME.fullmatch(name):
        raise place.error("a row is named in letters, digits, _ - and . only, rename it")
    place.mapping(value, ("label",), OPTIONAL)
    if "paper_table" in value:
        source = paper_table_of(value["paper_table"], place / "paper_table", conf)
    own = {**fields, **fields_of(value.get("fields", {}), place / "fields", columns)}
    implemented = _flag(value, "implemented", place)
    if not implemented and "trained" in value:
        raise (place / "trained").error("the row is not implemented, so leave it out")
    cell_notes = (place / "cell_notes").mapping(value.get("cell_notes", {}), (), [c.name for c in columns])
    return Row(
        name=name,
        label=(place / "label").text(value["label"]),
        paper=paper_values(value.get("paper"), place / "paper", source, columns, own),
        source=source,
        implemented=implemented,
        note=note_of(value["note"], place / "note", conf) if "note" in value else None,
        cell_notes={name: note_of(note, place / "cell_notes" / name, conf) for name, note in cell_notes.items()},
        trained=implemented and _flag(value, "trained", place),
        densities=_densities(value, place / "paper_scale", conf),
        simulated=_columns_of(value.get("simulated", []), place / "simulated", columns),
        group=(place / "group").text(value["group"]) if "group" in value else "",
        overrides=_overrides(value, place / "overrides"),
        untimed=_columns_of(value.get("untimed", []), place / "untimed", [each for each in columns if each.batch]),
        seeds=_seeds(value, place / "seeds"),
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


def _overrides(value: Mapping[str, Any], place: yamls.Place) -> tuple[str, ...]:
    if "overrides" not in value:
        return ()
    if value.get("trained", True):
        raise place.error("a row that is trained has a file of conf/experiment, where a sweep finds it; write it there")
    return tuple(map(place.text, place.sequence(value["overrides"])))


def _seeds(value: Mapping[str, Any], place: yamls.Place) -> tuple[int, ...] | None:
    if "seeds" not in value:
        return None
    seeds = place.sequence(value["seeds"])
    if not seeds or any(type(seed) is not int or seed < 0 for seed in seeds) or len(set(seeds)) < len(seeds):
        raise place.error(f"is {value['seeds']!r}, write different whole numbers from 0 on")
    return tuple(seeds)


def _columns_of(value: Any, place: yamls.Place, columns: Sequence[Column]) -> tuple[str, ...]:
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
        source = paper_table_of(item["paper_table"], here / "paper_table", conf)
        fields = fields_of(item.get("fields", {}), here / "fields", columns)
        found[name] = paper_values(item["paper"], here / "paper", source, columns, fields)
    return found


def extra_rows(
    folder: Path, listed: Sequence[Row], source: PaperTable, columns: tuple[Column, ...], trained: bool
) -> tuple[Row, ...]:
    """In the order of their names; trained where the table's rows are."""
    known = [row.name for row in listed]
    paths = sorted(path for path in folder.glob("[!.]*.yaml") if path.stem not in known)
    return tuple(_extra_row(path, source, columns, trained) for path in paths)


def _extra_row(path: Path, source: PaperTable, columns: tuple[Column, ...], trained: bool) -> Row:
    place = yamls.Place(shown(path))
    if not NAME.fullmatch(path.stem):
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


def check_labels(rows: Sequence[Row], folder: Path, place: yamls.Place) -> None:
    """Each row has its own: progress and messages name a run by its label."""
    owners: dict[str, str] = {}
    for row in rows:
        where = yamls.Place(shown(folder / f"{row.name}.yaml")) if row.extra else place / "rows" / row.name
        if row.label in owners:
            raise (where / "label").error(f"'{row.label}' is the label of row '{owners[row.label]}', choose another")
        owners[row.label] = row.name


def with_derived(rows: tuple[Row, ...], columns: Sequence[Column]) -> tuple[Row, ...]:
    """With the paper's numbers of the derived columns, where it prints those that they are made of."""
    derived = [each for each in columns if each.factors]
    bases = {row.name: next(other for other in rows if other.group == row.group) for row in rows}
    return tuple(
        replace(row, paper={**row.paper, **{each.name: _derived(each, row, bases[row.name]) for each in derived}})
        for row in rows
    )


def _derived(column: Column, row: Row, base: Row) -> float | int | None:
    """The paper's number of a derived column: its own, where it prints one."""
    if (printed := row.paper[column.name]) is not None:
        return printed
    value = 1.0
    for name, power in column.factors:
        own, first = row.paper.get(name), base.paper.get(name)
        if not own or not first:
            return None
        value *= (float(own) / float(first)) ** power
    return rounded(value)


def fields_of(value: Any, place: yamls.Place, columns: tuple[Column, ...]) -> dict[str, str | None]:
    """Which field of the paper's row a column looks up, where it is not the column's own name; null: none."""
    place.mapping(value, (), [each.name for each in columns])
    return {name: None if field is None else (place / name).text(field) for name, field in value.items()}


def paper_table_of(value: Any, place: yamls.Place, conf: Path) -> PaperTable:
    pointer = place.text(value)
    try:
        return paper_table(pointer, conf)
    except UserError as error:
        raise place.error(error) from error


def paper_values(
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


def note_of(value: Any, place: yamls.Place, conf: Path) -> str:
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
