"""The pictures of the published report that README.md shows: python -m tests.pages.picture

Made by hand, after the report has changed: a browser's pictures differ from machine to machine.
"""

from pathlib import Path

from experiments.suite.paths import ROOT, published
from tests.pages.browser import chromium, opened, shown

PICTURES = {  # page, scheme
    "report": ("index.html", "light"),
    "report-dark": ("index.html", "dark"),
    "report-table": ("tables/table3.html", "light"),
}


def main(folder: Path = ROOT / "docs" / "pictures") -> None:
    with chromium() as browser:
        for name, (path, scheme) in PICTURES.items():
            with opened(browser, viewport={"width": 1120, "height": 720}, color_scheme=scheme) as context:
                page = shown(context, published() / "report" / path)
                page.screenshot(path=str(folder / f"{name}.png"))


if __name__ == "__main__":
    main()
