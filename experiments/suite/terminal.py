"""A table's data in a terminal, or in a pipe: as wide as it is, in colour where there is colour."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from experiments.suite import rendering
from experiments.suite.rendering import MARKS, SIDES, SOURCES, STYLES, Data

GAP = 2  # between two columns; one of them is the box's own
INDENT = "  "
PLAIN = str.maketrans({"±": "+-", "✓": "+", "✗": "x", "–": "-", "…": "..."})


def show(data: Data, console: Console) -> None:
    say = _Voice(console)
    say.line(f"{data['table']}: {data['title']}", "bold")
    paper = data["paper"]
    arxiv = f", arXiv:{paper['arxiv']}" if paper.get("arxiv") else ""
    say.line(f"{paper['title']}{arxiv}; {rendering.source_text(data)}", "dim")
    say.line("; ".join(rendering.circumstances(data)), "dim")
    for columns in _fitting(data, console.width):
        say.table(_numbers(data, columns, say))
    if data["claims"]:
        say.line("")
        say.line("Claims, their margins fixed before the runs", "bold")
        for claim in data["claims"]:
            asked = [f"margin {rendering.margin(data, claim)}"] if claim["margin"] is not None else []
            asked += (
                [f"paper {rendering.of_paper(data, claim)}"]
                if claim["paper"] is not None and claim["kind"] != "exact"
                else []
            )
            say.line(claim["statement"] + (f" ({', '.join(asked)})" if asked else ""))
            say.table(_claim(data, claim, say))
    if found := rendering.notes(data):
        say.line("")
        say.line("Notes", "bold")
        say.table(_notes(found, say))


class _Voice:
    """Text that cannot be taken for markup or control codes, in the letters that the output can show."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.unicode = console.encoding.lower().startswith("utf")

    def text(self, content: str, style: str = "") -> Text:
        content = rendering.clean(content)
        if not self.unicode:
            content = content.translate(PLAIN).encode(self.console.encoding, "replace").decode(self.console.encoding)
        return Text(content, style)

    def line(self, content: str, style: str = "") -> None:
        self.console.print(self.text(content, style))

    def table(self, table: Table) -> None:
        self.console.print(table)


def _fitting(data: Data, width: int) -> list[list[Data]]:
    """The columns, in groups that fit beside the first one; a column wider than the terminal stands alone."""
    groups: list[list[Data]] = [[]]
    used = first = _first_width(data)
    for column in data["columns"]:
        need = _width(data, column) + GAP
        if groups[-1] and used + need > width:
            groups.append([])
            used = first
        groups[-1].append(column)
        used += need
    return groups


def _first_width(data: Data) -> int:
    names = [rendering.source_name(row, source) for row in data["rows"] for source in rendering.sources_of(row)]
    return max(map(len, names)) + len(INDENT)


def _width(data: Data, column: Data) -> int:
    cells = [(row["cells"][column["name"]], source) for row in data["rows"] for source in rendering.sources_of(row)]
    texts = [rendering.number(column, cell, source) for cell, source in cells]
    return max(len(text) for text in [*texts, *column["header"].split()])


def _numbers(data: Data, columns: Sequence[Data], say: _Voice) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, GAP - 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("", width=_first_width(data))
    for column in columns:
        width = _width(data, column)
        table.add_column(say.text(column["header"]), justify="right", min_width=width, max_width=width)
    for index, row in enumerate(data["rows"]):
        if index:
            table.add_row()
        table.add_row(say.text(row["label"], "bold"))
        for source in rendering.sources_of(row):
            name = say.text(INDENT + rendering.source_name(row, source))
            numbers = [rendering.number(column, row["cells"][column["name"]], source) for column in columns]
            table.add_row(name, *map(say.text, numbers), style="" if source in SIDES else "dim")
    return table


def _claim(data: Data, claim: Data, say: _Voice) -> Table:
    """A line a side: whose, the verdict in a word beside its mark, and what it rests on."""
    table = _grid(1, 12, 16)
    for side in SIDES:
        verdict = claim[side]["verdict"]
        word = say.text(f"{MARKS[verdict]} {verdict}", STYLES[verdict])
        table.add_row("", say.text(SOURCES[side]), word, say.text(rendering.outcome(data, claim, side)))
    return table


def _notes(found: Sequence[str], say: _Voice) -> Table:
    table = _grid(1)
    for note in found:
        table.add_row(say.text("-"), say.text(note))
    return table


def _grid(*widths: int) -> Table:
    table = Table.grid(padding=(0, 1, 0, 0))
    for width in widths:
        table.add_column(width=width)
    table.add_column(ratio=1)
    return table
