"""Every figure of every table for a paper: PNG, SVG and its numbers as CSV, a column (3.3 inches) wide, in one look.

python -m experiments.figures table=table13 published=false

Without ``table`` all tables' are drawn. ``published=true`` draws what is published, not this machine's runs.
"""

from experiments.pages import figures, plates
from experiments.pages.gather import view_of
from experiments.suite import cli, contract
from experiments.suite.paths import local, shown
from experiments.suite.progress import print_line
from experiments.suite.regenerate import budget_of
from experiments.suite.verb import parse

OWN = {"table": None, "published": False}


def main(arguments: list[str]) -> int:
    own, _ = parse(arguments, OWN)
    names = [contract.resolve(own["table"])] if own["table"] else contract.names()
    folder = local() / "figures"
    written = []
    for name in names:
        view = view_of(name, own["published"], budget_of)
        for line in [*view.published.problems, *view.here.problems]:
            print_line(f"warning: {line}")
        written += [plates.write(drawn, folder) for drawn in figures.drawings(view)]
    print_line(f"{len(written)} figures in {shown(folder)}")
    return 0


if __name__ == "__main__":
    cli.call(main)
