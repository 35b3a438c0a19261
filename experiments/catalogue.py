"""Every table with its state: `make list`.

python -m experiments.catalogue
"""

from collections import Counter

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from experiments.suite import cli, contract
from experiments.suite.evidence import gather
from experiments.suite.plan import FINISHED
from experiments.suite.regenerate import published_request, render
from experiments.suite.verb import parse


def main(arguments: list[str]) -> int:
    parse(arguments, {})
    view = Table("target", "what", "runs published", "runs here", "claims (published)", box=None, pad_edge=False)
    for name in contract.names():
        request = published_request(name)
        promised = [row for row in request.rows if not request.table.row(row.row).extra]
        total = sum(len(request.table.seeds_of(row.row)) for row in promised)
        counts = []
        for published in (True, False):
            records = gather(promised, request.table.seeds, {}, published).records.values()
            counts.append(sum(record.status in FINISHED for row in records for record in row))
        data, _ = render(request, here=False)
        verdicts = Counter(claim["published"]["verdict"] for claim in data["claims"])
        names = " ".join([name, *request.table.aliases])
        view.add_row(
            names,
            escape(request.table.title),
            *(f"{count} of {total}" if total else "none needed" for count in counts),
            ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items())),
        )
    Console().print(view)
    return 0


if __name__ == "__main__":
    cli.call(main)
