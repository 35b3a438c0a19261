"""All tables again, from records alone: `make tables`. This machine's keep the budget they were rendered with last.

python -m experiments.render budget=proxy
"""

from experiments.suite import cli, contract
from experiments.suite.contract import DEFAULT_BUDGET
from experiments.suite.files import read_json
from experiments.suite.paths import local, published, shown
from experiments.suite.progress import print_line
from experiments.suite.regenerate import Request, render, write_local, write_published
from experiments.suite.verb import parse
from lightning_modules.errors import CorruptFileError


def main(arguments: list[str]) -> int:
    own, _ = parse(arguments, {"budget": None})
    names = contract.names()
    for name in names:
        data, problems = render(Request.of(name, own["budget"] or _budget_of(name), (), ()))
        write_local(data)
        if any((published() / "tables").glob(f"{name}.*")):
            write_published(name)
        for line in problems:
            print_line(f"warning: {line}")
    print_line(f"{len(names)} tables written to {shown(local() / 'tables')}: {', '.join(names)}")
    return 0


def _budget_of(name: str) -> str:
    """The budget of the table as it was rendered last."""
    try:
        data = read_json(local() / "tables" / f"{name}.json")
    except (OSError, CorruptFileError):
        return DEFAULT_BUDGET
    return data.get("budget", DEFAULT_BUDGET) if isinstance(data, dict) else DEFAULT_BUDGET


if __name__ == "__main__":
    cli.call(main)
