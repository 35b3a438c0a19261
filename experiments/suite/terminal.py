"""A table's data in a terminal, or in a pipe: as wide as it is, in colour where there is colour."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from experiments.suite import rendering
from experiments.suite.group_sheet import group_sheet, group_text
from experiments.suite.rendering import MARKS, SIDES, SOURCES, STYLES, Data, Sheet

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
    say.sheet(rendering.number_sheet(data))
    if said := rendering.correlation_text(data):
        say.line(said, "dim")
    if rendering.marked(data):
        say.line(rendering.simulated_text(), "dim")
    if files := rendering.file_sheet(data):
        say.line("")
        say.line("Files", "bold")
        say.line(rendering.file_text(data), "dim")
        say.sheet(files)
    if groups := group_sheet(data):
        say.line("")
        say.line("Groups of test faces", "bold")
        say.line(group_text(data), "dim")
        say.sheet(groups)
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

    def sheet(self, sheet: Sheet) -> None:
        """Cut into several tables that fit, where it is too wide."""
        for columns in _fitting(sheet, self.console.width):
            self.table(_lines(sheet, columns, self))


def _fitting(sheet: Sheet, width: int) -> list[list[int]]:
    """The columns, in groups that fit beside the first one; a column wider than the terminal stands alone."""
    groups: list[list[int]] = [[]]
    used = first = _first_width(sheet)
    for column in range(len(sheet.heads)):
        need = _width(sheet, column) + GAP
        if groups[-1] and used + need > width:
            groups.append([])
            used = first
        groups[-1].append(column)
        used += need
    return groups


def _first_width(sheet: Sheet) -> int:
    return max(len(line.source) for _, lines in sheet.blocks for line in lines) + len(INDENT)


def _width(sheet: Sheet, column: int) -> int:
    texts = [line.texts[column] for _, lines in sheet.blocks for line in lines]
    return max(len(text) for text in [*texts, *sheet.heads[column].split()])


def _lines(sheet: Sheet, columns: Sequence[int], say: _Voice) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, GAP - 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("", width=_first_width(sheet))
    for column in columns:
        width = _width(sheet, column)
        table.add_column(say.text(sheet.heads[column]), justify="right", min_width=width, max_width=width)
    for index, (label, lines) in enumerate(sheet.blocks):
        if index:
            table.add_row()
        table.add_row(say.text(label, "bold"))
        for line in lines:
            texts = [say.text(line.texts[column]) for column in columns]
            table.add_row(say.text(INDENT + line.source), *texts, style="" if line.ours else "dim")
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
