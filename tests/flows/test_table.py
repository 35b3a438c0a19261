"""`make table3` and its relatives, whole, at budget smoke."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.commands import make, records, table, verb, wandb_summaries

ROWS = ["vanilla", "simple_bypass", "complex_bypass"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A finished smoke table, and what the command said."""
    folder = tmp_path_factory.mktemp("results")
    answer = make(folder, "table3", "BUDGET=smoke", "FRESH=1")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    (folder / "said.txt").write_text(answer.stdout, encoding="utf-8")
    yield folder


pytestmark = pytest.mark.xdist_group("table")


def test_it_says_what_it_will_do_and_then_prints_the_table(results: Path) -> None:
    said = (results / "said.txt").read_text(encoding="utf-8")
    assert said.startswith("table3 at budget smoke: 3 of 3 runs to do, ")
    for text in (
        "Vanilla SqueezeNet, seed 0: test error",
        "57.5",
        "60.4",
        "58.8",
        "this machine (1)",
        "not replicated",
    ):
        assert text in said
    assert "Traceback" not in said and "Warning" not in said


def test_every_run_left_a_record(results: Path) -> None:
    found = records(results)
    assert len(found) == 3
    for record in found.values():
        assert record["result"]["status"] == "done"
        assert len(record["result"]["curves"]) == 2
        assert record["result"]["metrics"]["test/top1_acc"] + record["result"]["metrics"]["test/top1_err"] == 100
        assert record["result"]["per_example"]["test/top1_acc"]["n"] == 512
        assert record["provenance"]["threads"] == 1
        assert record["provenance"]["code"]["lightning_modules/nets/squeezenet.py"]
    params = sorted(record["cost"]["paper"]["params"] for record in found.values())
    assert params == [1248424, 1248424, 1589672]


def test_the_json_is_what_readers_of_the_table_were_promised(results: Path) -> None:
    data = table(results)
    assert (data["table"], data["budget"]) == ("table3", "smoke")
    assert [row["row"] for row in data["rows"]] == ROWS
    for row in data["rows"]:
        assert list(row["cells"]) == ["params", "model_mb", "macs", "test/top1_acc", "test/top5_acc"]
        for column, cell in row["cells"].items():
            assert cell["published"] is None
            here = cell["here"]
            assert set(here) >= {"mean", "low", "high", "n", "runs"}
            assert here["n"] == (1 if column.startswith("test/") else None)
            assert [run.rsplit("/", 1)[1] for run in here["runs"]] == ["0"]
    paper = {row["row"]: row["cells"]["test/top1_acc"]["paper"] for row in data["rows"]}
    assert paper == {"vanilla": 57.5, "simple_bypass": 60.4, "complex_bypass": 58.8}
    verdicts = {claim["id"]: claim["here"]["verdict"] for claim in data["claims"]}
    assert verdicts == {
        "simple-bypass-helps": "inconclusive",
        "complex-bypass-helps": "inconclusive",
        "simple-above-complex": "inconclusive",
        "simple-bypass-is-free": "replicated",
        "size-vanilla": "replicated",
        "size-simple": "replicated",
        "size-complex": "not replicated",
    }
    for claim in data["claims"]:
        assert set(claim) >= {"id", "kind", "statement", "margin", "published", "here"}


def test_markdown_and_csv_stand_beside_it(results: Path) -> None:
    folder = results / "local" / "tables"
    assert "| **Vanilla SqueezeNet** | paper |" in (folder / "table3.md").read_text(encoding="utf-8")
    assert len((folder / "table3.csv").read_text(encoding="utf-8").splitlines()) == 1 + 3 * 5 * 3


def test_w_and_b_has_every_run_and_the_table(results: Path) -> None:
    found = {summary["name"]: summary for summary in wandb_summaries(results)}
    assert set(found) == {
        "Vanilla SqueezeNet/0", "SqueezeNet + simple bypass/0", "SqueezeNet + complex bypass/0", "table3/smoke"
    }  # fmt: skip
    by_id = {record["provenance"]["label"]: record for record in records(results).values()}
    run, record = found["Vanilla SqueezeNet/0"], by_id["Vanilla SqueezeNet"]
    text = json.dumps(run)
    for wanted in (
        record["provenance"]["run_id"],
        "compact-nets",
        "table3",
        "test/confusion_matrix",
        "test/misclassified",
    ):
        assert wanted in text
    assert run["summary"]["test/top1_acc"] == pytest.approx(record["result"]["metrics"]["test/top1_acc"])
    assert run["summary"]["cost/paper/params"] == 1248424
    assert (Path(record["provenance"]["wandb"])).name.startswith("offline-run-")
    assert "claim/size-vanilla" in json.dumps(found["table3/smoke"])


def test_again_costs_nothing_and_changes_nothing(results: Path) -> None:
    before = {path: path.read_bytes() for path in results.glob("local/[rt]*/**/*.*") if path.is_file()}
    began = time.monotonic()
    answer = make(results, "table3", "BUDGET=smoke")
    assert time.monotonic() - began < 5
    assert "all 3 runs are done" in answer.stdout
    assert {path: path.read_bytes() for path in before} == before


def test_make_tables_renders_the_same_from_records(results: Path) -> None:
    before = (results / "local" / "tables" / "table3.json").read_bytes()
    assert make(results, "tables", "BUDGET=smoke").returncode == 0  # composes the rows of all tables, once
    began = time.monotonic()
    assert make(results, "tables", "BUDGET=smoke").returncode == 0
    assert time.monotonic() - began < 4  # 2 s on an idle machine
    assert (results / "local" / "tables" / "table3.json").read_bytes() == before


def test_plan_knows_what_is_done_and_what_it_would_cost(results: Path) -> None:
    assert "0 of 3 runs to do" in make(results, "plan", "TABLE=table3", "BUDGET=smoke").stdout
    more = make(results, "plan", "TABLE=squeezenet-bypass", "BUDGET=smoke", "SEEDS=0,1").stdout
    assert "3 of 6 runs to do, 2 at a time, about" in more
    other = make(results, "plan", "TABLE=table3", "BUDGET=smoke", "ARGS=recipe.lr=0.5").stdout
    assert "never published" in other and "3 of 3 runs to do" in other
    assert len(records(results)) == 3


@pytest.mark.slow
def test_a_changed_argument_is_another_run_and_is_marked(results: Path, tmp_path: Path) -> None:
    answer = verb(tmp_path, "table", "table=table3", "budget=smoke", "recipe.lr=0.0001")
    assert answer.returncode == 0, answer.stderr
    data = table(tmp_path)
    assert all("recipe.lr=0.0001" in row["note"] for row in data["rows"])
    assert not set(records(tmp_path)) & set(records(results))


@pytest.mark.slow
def test_an_unreadable_record_is_named_done_again_and_hurts_no_other(results: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(results / "local" / "runs", tmp_path / "local" / "runs")
    paths = sorted((tmp_path / "local" / "runs").glob("*/*/record.json"))
    before = records(tmp_path)
    paths[0].write_text("{", encoding="utf-8")
    planned = make(tmp_path, "plan", "TABLE=table3", "BUDGET=smoke").stdout
    assert "damaged" in planned and "not valid JSON" in planned.replace("\n", " ")
    answer = make(tmp_path, "table3", "BUDGET=smoke")
    assert answer.returncode == 0, answer.stderr
    after = records(tmp_path)
    assert {name: record["result"] for name, record in after.items()} == {
        name: record["result"] for name, record in before.items()
    }
    assert (paths[0].parent / "record.json.damaged").read_text(encoding="utf-8") == "{"
