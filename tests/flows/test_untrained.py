"""A table of exact costs, whole: nothing is trained, and the second time nothing is counted either."""

from pathlib import Path

import pytest

from experiments import catalogue, plan, publish, render, table, verify
from experiments.suite import contract, costs
from tests.flows.commands import table as rendered
from tests.flows.faults import Here, in_a_line


@pytest.fixture
def two_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """table1 with two of its rows, so that it takes no time; returns the results folder."""
    whole = contract.load("table1")
    rows = tuple(row for row in whole.rows if row.name in ("squeezenet", "shufflenet"))
    claims = tuple(claim for claim in whole.claims if set(claim.rows) <= {row.name for row in rows})
    small = contract.Table(**{**vars(whole), "rows": rows, "claims": claims})
    load = contract.load
    monkeypatch.setattr(contract, "names", lambda *conf: ["table1"])
    monkeypatch.setattr(contract, "load", lambda name, *conf: small if name == "table1" else load(name, *conf))
    return tmp_path / "results"


def test_count_print_publish_verify(two_rows: Path, here: Here) -> None:
    said = here(two_rows, plan, "table=table1").out
    assert "2 of 2 nets to count, in seconds: squeezenet, shufflenet" in said and "nothing to train" in said
    answer = here(two_rows, table, "table=table1")
    assert answer.code == 0 and "table1: nothing to train, 2 of 2 nets to count" in answer.out
    first = rendered(two_rows, "table1")
    cells = first["rows"][1]["cells"]
    assert (cells["macs_m"]["here"]["mean"], cells["params_m"]["here"]["mean"]) == (
        pytest.approx(137.46, abs=0.005),
        1.865728,
    )
    assert {claim["here"]["verdict"] for claim in first["claims"]} == {"replicated"}
    kept = {path: path.stat().st_mtime_ns for path in (two_rows / "local" / "costs").iterdir()}
    assert len(kept) == 2 and not (two_rows / "local" / "runs").exists()

    assert here(two_rows, table, "table=table1", "seeds=0,1", "fresh=true").code == 0
    assert kept == {path: path.stat().st_mtime_ns for path in (two_rows / "local" / "costs").iterdir()}
    assert "to count" not in here(two_rows, plan, "table=table1").out

    assert "0 runs added, 2 costs; " in here(two_rows, publish, "table=table1").out
    assert "0 runs added; " in here(two_rows, publish, "table=table1").out
    assert "1 published tables are what their records say" in here(two_rows, verify).out
    assert here(two_rows, render).code == 0
    assert rendered(two_rows, "table1")["rows"][1]["cells"]["macs_m"]["published"]["mean"] == pytest.approx(
        137.46, abs=0.005
    )
    listed = next(line for line in here(two_rows, catalogue).out.splitlines() if line.startswith("table1 "))
    assert "none needed" in listed and "2 replicated" in listed


def test_a_damaged_cost_is_named_and_counted_again(two_rows: Path, here: Here) -> None:
    assert here(two_rows, table, "table=table1").code == 0
    path = next((two_rows / "local" / "costs").glob("squeezenet-*"))
    path.write_text("{", encoding="utf-8")
    answer = here(two_rows, table, "table=table1")
    assert answer.code == 0
    assert f"warning: {path} is not valid JSON" in answer.out and "made again" in answer.out
    name = path.stem
    assert costs.path_of(name, public=False).name == path.name
    assert '"macs": 832667936' in path.read_text(encoding="utf-8")


def test_a_published_cost_that_is_tampered_with_is_found(two_rows: Path, here: Here) -> None:
    assert here(two_rows, table, "table=table1").code == 0
    assert here(two_rows, publish, "table=table1").code == 0
    path = next((two_rows / "published" / "costs").glob("squeezenet-*"))
    path.write_text(path.read_text(encoding="utf-8").replace("832667936", "832667937"), encoding="utf-8")
    answer = here(two_rows, verify)
    assert answer.code == 1 and "table1.csv is not what its records say" in answer.out


def test_a_mistake_writes_nothing(two_rows: Path, here: Here) -> None:
    line = in_a_line(here(two_rows, table, "table=table1", "arch.paper_input=[3,4,4]"))
    assert "arch.paper_input=[3, 4, 4]: too small for SqueezeNet" in line
    assert not (two_rows / "local" / "costs").exists()
