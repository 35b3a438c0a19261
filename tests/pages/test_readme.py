"""The state of all tables in README.md: written between its marks, nothing else touched, and checked."""

from pathlib import Path

import pytest

from experiments.pages import readme
from experiments.pages.gather import Report, view_of
from experiments.suite.regenerate import budget_of
from tests.pages import made

TEXT = (
    "# A title\n\n<!-- state: python -m experiments.report published=true -->\nold\n<!-- end of state -->\n\nThe end.\n"
)


@pytest.fixture
def of_table3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    monkeypatch.setenv("COMPACT_NETS_RESULTS", str(tmp_path))
    monkeypatch.setattr(readme, "PATH", tmp_path / "README.md")
    made.of_table(tmp_path, "table3", range(3), public=True)
    return Report([view_of("table3", True, budget_of)], {}, True)


def test_the_block_is_written_and_then_it_is_right(of_table3: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readme, "_is_of_this_project", lambda: True)
    readme.PATH.write_text(TEXT, encoding="utf-8")
    assert readme.differs(of_table3) and readme.update(of_table3)
    text = readme.PATH.read_text(encoding="utf-8")
    assert (
        text.startswith("# A title\n\n<!-- state")
        and text.endswith("<!-- end of state -->\n\nThe end.\n")
        and "old" not in text
    )
    assert "| [`table3`](results/published/tables/table3.md) |" in text and "| 9 of 15 |" in text
    assert "&nbsp;replicated" in text
    assert not readme.differs(of_table3) and not readme.update(of_table3)


def test_other_results_and_other_texts_are_left_alone(of_table3: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    readme.PATH.write_text(TEXT, encoding="utf-8")
    assert not readme.update(of_table3)  # results are elsewhere
    monkeypatch.setattr(readme, "_is_of_this_project", lambda: True)
    readme.PATH.write_text("no marks\n", encoding="utf-8")
    assert not readme.differs(of_table3) and not readme.update(of_table3)
    assert readme.PATH.read_text(encoding="utf-8") == "no marks\n"
