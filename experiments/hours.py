"""How long each row of each table would train on GPUs, from its multiply-adds: docs/imagenet.md has it. Runs nothing.

python -m experiments.hours budget=paper
"""

from experiments.suite import cli, hours
from experiments.suite.progress import print_line
from experiments.suite.verb import parse

OWN = {"budget": "paper"}


def main(arguments: list[str]) -> int:
    own, _ = parse(arguments, OWN)
    print_line(hours.markdown(own["budget"]))
    return 0


if __name__ == "__main__":
    cli.call(main)
