"""The pictures that README.md shows: python -m tests.pages.picture

Of the published report, by hand, after it has changed: a browser's pictures differ from machine to machine. The figures are
the same everywhere, and a test compares them with what the published records say.
"""

from pathlib import Path

from experiments.pages import figures, plates
from experiments.pages.gather import view_of
from experiments.suite.paths import ROOT, published
from experiments.suite.regenerate import budget_of
from tests.pages.browser import chromium, opened, shown

FOLDER = ROOT / "docs" / "pictures"
FIGURES = {"table3-curves": "table3", "table7-images_s_b1_rel": "table7", "table6-eager_ms_rel": "table6"}
PICTURES = {  # page, scheme
    "report": ("index.html", "light"),
    "report-dark": ("index.html", "dark"),
    "report-table": ("tables/table3.html", "light"),
}


def draw_figures(folder: Path) -> None:
    """<folder>/<figure>.svg, as `make figures` draws it of what is published."""
    for name, table in FIGURES.items():
        drawn = {each.name: each for each in figures.drawings(view_of(table, True, budget_of))}
        plates.write(drawn[name], folder, ("svg",))


def main(folder: Path = FOLDER) -> None:
    draw_figures(folder)
    with chromium() as browser:
        for name, (path, scheme) in PICTURES.items():
            with opened(browser, viewport={"width": 1120, "height": 720}, color_scheme=scheme) as context:
                page = shown(context, published() / "report" / path)
                page.screenshot(path=str(folder / f"{name}.png"))


if __name__ == "__main__":
    main()
