"""All tables again, from records alone: `make tables`.

python -m experiments.render budget=proxy
"""

from experiments.suite import cli, contract
from experiments.suite.paths import local, shown
from experiments.suite.progress import print_line
from experiments.suite.regenerate import DEFAULT_BUDGET, Request, render, write_local
from experiments.suite.verb import parse


def main(arguments: list[str]) -> int:
    own, _ = parse(arguments, {"budget": DEFAULT_BUDGET})
    names = contract.names()
    for name in names:
        data, problems = render(Request.of(name, own["budget"], (), ()))
        write_local(data)
        for line in problems:
            print_line(f"warning: {line}")
    print_line(f"{len(names)} tables written to {shown(local() / 'tables')}: {', '.join(names)}")
    return 0


if __name__ == "__main__":
    cli.call(main)
