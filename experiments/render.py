"""All tables again, from records alone: `make tables`. This machine's keep the budget they were rendered with last.

python -m experiments.render budget=proxy

The published tables are written, too; their pages are `experiments.report published=true`.
"""

from experiments.suite import cli, contract
from experiments.suite.paths import local, published, shown
from experiments.suite.progress import print_line
from experiments.suite.regenerate import Request, budget_of, render, write_local, write_published
from experiments.suite.verb import parse


def main(arguments: list[str]) -> int:
    own, _ = parse(arguments, {"budget": None})
    names = contract.names()
    for name in names:
        data, problems = render(Request.of(name, own["budget"] or budget_of(name), (), ()))
        write_local(data)
        if any((published() / "tables").glob(f"{name}.*")):
            write_published(name)
        for line in problems:
            print_line(f"warning: {line}")
    print_line(f"{len(names)} tables written to {shown(local() / 'tables')}: {', '.join(names)}")
    return 0


if __name__ == "__main__":
    cli.call(main)
