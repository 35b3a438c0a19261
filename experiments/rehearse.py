"""Builds what a table would run and counts what its nets cost; trains nothing. `make table3` does it before its runs.

python -m experiments.rehearse table=table3 budget=proxy

Finds mistakes and fetches data before anything is written; then writes the costs that are not yet known.
"""

from experiments.counting import check_uncoded, count_missing
from experiments.run import build
from experiments.suite import cli
from experiments.suite.compose import compose
from experiments.suite.progress import print_line
from experiments.suite.regenerate import Request
from experiments.suite.verb import parse
from experiments.table import OWN


def main(arguments: list[str]) -> int:
    own, extra = parse(arguments, OWN, passes_on=True)
    request = Request.of(own["table"], own["budget"], own["seeds"], extra)
    for row in request.rows:
        built = build(compose(row.overrides))
        print_line(f"{row.label}: {built.epochs} epochs of {built.data.train_images:,} images")
    check_uncoded(request)
    for cost in count_missing(request):
        print_line(f"{cost.name}: {cost.cost['params']:,} parameters, {cost.cost['macs']:,} multiply-adds")
    return 0


if __name__ == "__main__":
    cli.call(main)
