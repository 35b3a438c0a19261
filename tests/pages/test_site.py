"""The report as files: what its pages say, where they lead, and that equal records give equal bytes."""

import csv
import json
import os
import re
import resource
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from experiments import report, verify
from experiments.pages import run_page, site
from experiments.pages.gather import gather
from experiments.suite import contract
from experiments.suite.paths import ROOT
from experiments.suite.record import pack_numbers
from experiments.suite.regenerate import budget_of, write_published
from tests.pages import made
from tests.pages.conftest import Built

VOID = {"meta", "link", "input", "br", "img", "hr"}

pytestmark = pytest.mark.xdist_group("report")  # one report is built for all


class Page(HTMLParser):
    """What a page links to, its ids, and whether its elements are closed in order."""

    def __init__(self, text: str):
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.links += [value for key in ("href", "src") if (value := found.get(key))]
        self.ids += [found["id"]] if found.get("id") else []  # type: ignore[list-item]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, (tag, self.open)
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def pages(folder: Path) -> dict[str, Page]:
    return {str(path.relative_to(folder)): Page(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html")}


def test_every_link_leads_to_a_file_and_every_anchor_to_an_id(built: Built) -> None:
    found = pages(built.folder)
    assert {"index.html", "claims.html", "runs.html", "tables/table3.html"} <= set(found)
    for name, page in found.items():
        assert not page.open, name
        assert len(page.ids) == len(set(page.ids)), name
        for link in page.links:
            if link.startswith(("https://arxiv.org/abs/", "data:,")):
                continue
            path, _, anchor = link.partition("#")
            target = (built.folder / name).parent / unquote(path) if path else built.folder / name
            assert target.is_file(), (name, link)
            if anchor and "=" not in anchor:
                assert anchor in found[str(target.resolve().relative_to(built.folder.resolve()))].ids, (name, link)


def test_nothing_is_asked_of_another_machine(built: Built) -> None:
    for path in built.folder.rglob("*"):
        if path.suffix in (".html", ".css", ".js"):
            text = re.sub(r'href="https://arxiv\.org/abs/[\d.]+"', "", path.read_text(encoding="utf-8"))
            assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|@import|url\(|fetch\(|type=.module", text), path


def test_a_cell_leads_to_its_runs_and_says_how_to_make_it_again(built: Built) -> None:
    page = built.page("tables/table3.html")
    vanilla = built.runs[0]
    assert f'href="../runs/{vanilla}.html#seed-4"' in page
    assert "experiment=table3/vanilla budget=proxy seed=0" in page
    assert "Table 3" in page and "57.5" in page and "n = 5 seeds" in page and "n = 3 seeds" in page
    assert 'id="seed-4"' in built.page(f"runs/{vanilla}.html")


def test_the_start_page_has_every_table_and_the_claims_page_every_claim(built: Built) -> None:
    start, claims = built.page("index.html"), built.page("claims.html")
    for name in contract.names():
        assert f'href="tables/{name}.html"' in start
        assert claims.count(f'id="{name}--') == len(contract.load(name).claims)
    assert 'data-verdict="replicated"' in claims and 'class="estimate"' in claims


def test_figures_have_their_numbers_as_csv(built: Built) -> None:
    with (built.folder / "tables" / "table3-curves.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 2 * 3 * made.EPOCHS  # sides, rows
    here = [line for line in lines if line["panel"] == "This machine"]
    last = [float(line["y"]) for line in here if line["x"] == str(made.EPOCHS)]
    assert len(last) == 3 and last == sorted(last, reverse=True)  # each row is better than the one before it
    assert all(float(line["low"]) <= float(line["y"]) <= float(line["high"]) for line in lines)
    for name in ("tables/table3-macs.csv", "tables/figure1-figure.csv", f"runs/{built.runs[0]}-layers.csv"):
        assert len((built.folder / name).read_text(encoding="utf-8").splitlines()) > 2, name


def test_hostile_texts_are_shown_as_text(built: Built) -> None:
    run = "made-fashion_mnist-none-proxy-0123456789"
    page = built.page(f"runs/{run}.html")
    assert "<script>alert" not in page and "<img src=x" not in page and "&lt;script&gt;alert" in page
    assert made.HOSTILE in "".join(Page(page).texts)
    assert "{{7*7}}" in page and "49" not in re.findall(r"onerror[^<]*", page)[0]
    for script in (built.page(f"runs/{run}.js"), built.page("runs/index.js")):
        assert "<" not in script and "&" not in script
    said = json.loads(built.page(f"runs/{run}.js").removeprefix("report.run(").rstrip().removesuffix(");"))
    assert said["label"] == made.HOSTILE


def test_a_hostile_note_and_row_are_shown_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from experiments.pages import gather as gathering
    from experiments.pages import table_page

    view = gathering.view_of("table3", True, budget_of)
    view.data["rows"][0] |= {"label": made.HOSTILE, "note": made.HOSTILE}
    view.data["notes"].append(made.HOSTILE)
    view.data["title"] = view.data["claims"][0]["statement"] = made.HOSTILE
    page = str(table_page.files(gathering.Report([view], {}, True))["tables/table3.html"])
    assert "<script>alert" not in page and "<img src=x" not in page
    assert page.count("&lt;script&gt;alert") > 5


def test_equal_records_give_equal_bytes_and_what_is_left_over_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPACT_NETS_RESULTS", str(tmp_path))
    made.of_table(tmp_path, "table3", range(2), public=True)
    where = report.build(public=True)
    assert not site.differences(site.files(gather(True, budget_of)), where)
    stamps = {path: path.stat().st_mtime_ns for path in where.rglob("*") if path.is_file()}
    (where / "runs" / "gone.html").write_text("of a run that is no more")
    assert site.differences(site.files(gather(True, budget_of)), where) == ["runs/gone.html"]
    report.build(public=True)
    assert {path: path.stat().st_mtime_ns for path in where.rglob("*") if path.is_file()} == stamps


def test_what_another_process_is_about_to_write_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / ".index.js.x7_").write_text("half")
    (tmp_path / "runs" / "gone.html").write_text("of a run that is no more")
    site.write({"index.html": b"start"}, tmp_path)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [".index.js.x7_"]
    assert not site.differences({"index.html": b"start"}, tmp_path)


def test_test_images_with_a_number_that_is_none_are_not_compared() -> None:
    errors = np.array([1.5, np.inf, 2.0])
    record = made.record("made", 0, 9.0)
    record.result["per_example"] = {"test/nme": pack_numbers(errors)}
    assert run_page.images_of(record, "test/nme") is None
    record.result["per_example"] = {"test/nme": pack_numbers(errors[[0, 2]])}
    assert run_page.images_of(record, "test/nme") == {"values": [1.5, 2.0]}


def test_verify_names_a_page_that_its_records_do_not_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COMPACT_NETS_RESULTS", str(tmp_path))
    made.of_table(tmp_path, "table3", range(2), public=True)
    write_published("table3")
    assert verify.main([]) == 1
    assert "report is missing" in capsys.readouterr().out
    where = report.build(public=True)
    assert verify.main([]) == 0
    page = where / "claims.html"
    page.write_text(page.read_text(encoding="utf-8").replace("not replicated", "replicated"), encoding="utf-8")
    assert verify.main([]) == 1
    assert (
        "claims.html: not what its records say; python -m experiments.report published=true" in capsys.readouterr().out
    )


def test_a_record_that_cannot_be_read_is_named_and_the_report_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COMPACT_NETS_RESULTS", str(tmp_path))
    run_id = made.of_table(tmp_path, "table3", range(2))[0]
    (tmp_path / "local" / "runs" / run_id / "0" / "record.json").write_text("[]", encoding="utf-8")
    where = report.build(public=False)
    assert "record.json is not a record of this suite" in capsys.readouterr().out
    assert "is not a record of this suite" in (where / "index.html").read_text(encoding="utf-8")


def test_what_is_not_published_is_not_in_the_published_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPACT_NETS_RESULTS", str(tmp_path))
    theirs = made.of_table(tmp_path, "table3", range(3), public=True)
    made.of_table(tmp_path, "table3", range(5))
    made.write(tmp_path, made.record("made-fashion_mnist-none-proxy-0123456789", 0, 9.0, "mine alone"))
    where = report.build(public=True)
    assert sorted(path.stem for path in (where / "runs").glob("*.html")) == sorted(theirs)
    assert all("mine alone" not in path.read_text(encoding="utf-8") for path in where.rglob("*.html"))
    assert "This machine" not in (where / "tables" / "table3.html").read_text(encoding="utf-8").replace(
        "This machine −", ""
    )


@pytest.mark.slow
def test_five_hundred_records_take_seconds_and_pages_stay_light(tmp_path: Path) -> None:
    made.hundreds(tmp_path, 500)
    assert len(list((tmp_path / "local" / "runs").glob("*/*/record.json"))) == 500
    command = [sys.executable, "-m", "experiments.report"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "COMPACT_NETS_RESULTS": str(tmp_path)}
    answer = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert answer.returncode == 0, answer.stderr
    took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime  # whatever else the machine does
    assert took < 10, f"{took:.1f} s"
    folder = tmp_path / "local" / "report"
    assert (
        sum((folder / name).stat().st_size for name in ("index.html", "assets/report.css", "assets/report.js")) < 2**20
    )
    assert max(path.stat().st_size for path in (folder / "tables").glob("*.html")) < 3 * 2**20
    assert len(list((folder / "runs").glob("*.html"))) == 100


def test_the_verb_starts_without_torch() -> None:
    code = "import sys, experiments.report, experiments.figures; sys.exit(bool({'torch', 'wandb', 'hydra', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
