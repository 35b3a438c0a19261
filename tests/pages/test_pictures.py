"""The figures in README.md are what the published records say."""

from pathlib import Path

import pytest

from tests.pages import picture

pytestmark = pytest.mark.xdist_group("report")


def test_the_figures_in_the_readme_are_of_the_published_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COMPACT_NETS_RESULTS")
    picture.draw_figures(tmp_path)
    again = "python -m tests.pages.picture draws it anew"
    for name in picture.FIGURES:
        assert (tmp_path / f"{name}.svg").read_bytes() == (picture.FOLDER / f"{name}.svg").read_bytes(), (name, again)
