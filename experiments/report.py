"""The report: static pages of all tables, claims and runs, made of records alone. Open it in a browser; nothing serves it.

python -m experiments.report published=false open=false

``published=true`` makes the one in results/published, of what is published alone (`make publish` does, too).
``open=true`` shows it in the browser of this machine.
"""

import webbrowser
from pathlib import Path

from experiments.pages import readme, site
from experiments.pages.gather import gather
from experiments.suite import cli, composed
from experiments.suite.paths import shown
from experiments.suite.progress import print_line
from experiments.suite.regenerate import budget_of
from experiments.suite.verb import parse

OWN = {"published": False, "open": False}


def main(arguments: list[str]) -> int:
    own, _ = parse(arguments, OWN)
    where = build(own["published"])
    print_line((where / site.START).as_uri())
    if own["open"] and not webbrowser.open((where / site.START).as_uri()):
        print_line("warning: no browser was found; open the file above in one")
    return 0


def build(public: bool) -> Path:
    """Writes the report; returns its folder. A line is said of each file that cannot be read."""
    report = gather(public, budget_of)
    for line in report.problems:
        print_line(f"warning: {line}")
    where = site.folder(public)
    site.write(site.files(report), where)
    if public:
        composed.ship(row for view in report.views for row in view.overrides)
        if readme.update(report):
            print_line(f"{shown(readme.PATH)}: the state of all tables written")
    counts = f"{len(report.views)} tables, {len(report.runs)} runs"
    print_line(f"{counts} in {shown(where)}")
    return where


if __name__ == "__main__":
    cli.call(main)
