"""Publishing adds, never removes; `make verify` catches a table that its records do not say."""

import json
import sys
from pathlib import Path

import pytest

from experiments.suite import contract
from experiments.suite.files import write_json
from experiments.suite.plan import rows_of
from experiments.suite.store import Run
from tests.flows.commands import finished, make, start
from tests.suite.records import made


@pytest.fixture
def finished_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    """Made records of every contract run of table3 with three seeds, as if this machine had trained them."""
    monkeypatch.setenv("COMPACT_NETS_RESULTS", str(tmp_path))
    runs = []
    for number, row in enumerate(rows_of(contract.load("table3"), "proxy")):
        for seed in range(3):
            run = Run(row.contract_id, seed)
            record = made(seed, {"test/top1_acc": 88.0 + number + 0.1 * seed, "test/top5_acc": 99.0})
            provenance = {**record.provenance, "run_id": run.run_id, "wandb": "results/local/wandb/x", "wall_s": 60.0}
            write_json(run.record_path, {**record.to_json(), "provenance": provenance})
            runs.append(run)
    return runs


def test_publish_verify_tamper_verify(tmp_path: Path, finished_runs: list[Run]) -> None:
    answer = make(tmp_path, "publish", "TABLE=table3")
    assert answer.returncode == 0, answer.stderr
    assert "9 runs added" in answer.stdout
    published = json.loads((tmp_path / "published" / "tables" / "table3.json").read_text(encoding="utf-8"))
    cell = published["rows"][0]["cells"]["test/top1_acc"]
    assert cell["published"]["n"] == 3 and cell["published"]["mean"] == pytest.approx(88.1) and cell["here"] is None
    assert all(run.published_path.is_file() for run in finished_runs)
    assert json.loads(finished_runs[0].published_path.read_text())["provenance"]["wandb"] is None

    assert make(tmp_path, "verify").returncode == 0
    page = tmp_path / "published" / "tables" / "table3.md"
    page.write_text(page.read_text(encoding="utf-8").replace("88.", "99."), encoding="utf-8")
    answer = make(tmp_path, "verify")
    assert answer.returncode != 0 and "table3.md is not what its records say" in answer.stdout

    finished_runs[0].record_path.unlink()
    answer = make(tmp_path, "publish", "TABLE=table3")
    assert "0 runs added" in answer.stdout
    assert all(run.published_path.is_file() for run in finished_runs)
    assert make(tmp_path, "verify").returncode == 0


def test_a_damaged_published_record_is_named(tmp_path: Path, finished_runs: list[Run]) -> None:
    assert make(tmp_path, "publish", "TABLE=table3").returncode == 0
    finished_runs[0].published_path.write_text("[]", encoding="utf-8")
    answer = make(tmp_path, "verify")
    assert answer.returncode != 0
    assert f"{finished_runs[0].seed}.json is not a record of this suite" in answer.stdout.replace("\n", " ")


def test_a_table_whose_runs_are_done_loads_neither_torch_nor_hydra(tmp_path: Path, finished_runs: list[Run]) -> None:
    make(tmp_path, "publish", "TABLE=table3")
    code = (
        "import sys; from experiments import table; table.main(['table=table3', 'seeds=0,1,2']); "
        "sys.exit(bool({'torch', 'wandb', 'hydra'} & set(sys.modules)))"
    )
    answer = finished(start(tmp_path, sys.executable, "-c", code))
    assert answer.returncode == 0, answer.stderr
    assert "all 9 runs are done" in answer.stdout


def test_published_runs_stand_beside_this_machines(tmp_path: Path, finished_runs: list[Run]) -> None:
    assert make(tmp_path, "publish", "TABLE=table3").returncode == 0
    assert make(tmp_path, "tables").returncode == 0
    data = json.loads((tmp_path / "local" / "tables" / "table3.json").read_text(encoding="utf-8"))
    cell = data["rows"][1]["cells"]["test/top1_acc"]
    assert cell["published"]["mean"] == cell["here"]["mean"] == pytest.approx(89.1)
    claim = {claim["id"]: claim for claim in data["claims"]}["simple-bypass-helps"]
    assert claim["published"]["verdict"] == claim["here"]["verdict"] == "replicated"
    listed = make(tmp_path, "list").stdout
    assert "9 of 15" in listed
