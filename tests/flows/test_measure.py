"""`experiments.measure` and the tables that print what it finds, whole, at budget smoke and with two nets."""

import json
import statistics
from dataclasses import replace
from pathlib import Path

import pytest

from experiments import measure, plan, publish, render, verify
from experiments.suite import contract, provenance, timings
from lightning_modules import speed
from tests.flows.commands import table as rendered
from tests.flows.commands import wandb_summaries
from tests.flows.faults import Here, in_a_line

B1, B8 = "images_s_b1", "images_s_b8"


def cut(monkeypatch: pytest.MonkeyPatch, table: str, *names: str) -> None:
    """The table has these of its rows alone, of which none is trained, and is the only one."""
    whole = contract.load(table)
    rows = tuple(replace(row, trained=False) for row in whole.rows if row.name in names)
    claims = tuple(claim for claim in whole.claims if set(claim.rows) <= set(names))
    small = contract.Table(**{**vars(whole), "rows": rows, "claims": claims, "seeds": (), "figure": None})
    load = contract.load
    monkeypatch.setattr(contract, "names", lambda *conf: [table])
    monkeypatch.setattr(contract, "load", lambda name, *conf: small if name == table else load(name, *conf))
    monkeypatch.setattr("lightning_modules.speed.prepare", lambda: None)  # a test's process goes on afterwards


@pytest.fixture
def two_nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """table11 with two of its rows; returns the results folder."""
    cut(monkeypatch, "table11", "shufflenet_v2_1_5x", "shufflenet_v1_1_5x")
    return tmp_path / "results"


def test_measure_print_publish_verify(two_nets: Path, here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "the speed of 2 of 2 nets to measure" in here(two_nets, plan, "table=table11").out
    answer = here(two_nets, measure, "table=table11", "budget=smoke")
    assert answer.code == 0 and "speed of 2 nets, 2 rounds" in answer.out and "round 2 of 2" in answer.out
    smoke = two_nets / "local" / "timings" / "table11-smoke.json"
    found = json.loads(smoke.read_text(encoding="utf-8"))
    assert all(len(found["samples"][row][column]) == 2 for row in found["samples"] for column in (B1, B8))
    made = found["provenance"]
    circumstances = {"packages", "machine", "threads", "pinned", "commit", "dirty", "at", "others"}
    assert {*circumstances, "repeats", "drifted", "redone", "reference"} == set(made)
    assert (made["repeats"], made["redone"], len(made["reference"])) == (1, 0, 8) and 0 <= made["drifted"] <= 2
    assert made["machine"]["cores"] == provenance.cores()  # though it was pinned to one
    code = found["code"]["shufflenet_v2_1_5x"]
    assert {"lightning_modules/speed.py", "lightning_modules/nets/shufflenet_v2.py"} <= set(code)
    assert "lightning_modules/nets/mobilenet_v2.py" not in code
    (logged,) = [line["summary"] for line in wandb_summaries(two_nets)]
    median = statistics.median(found["samples"]["shufflenet_v2_1_5x"][B1])
    assert float(logged[f"shufflenet_v2_1_5x/{B1}"]) == pytest.approx(median)

    timer = speed.timer
    monkeypatch.setattr(
        speed, "timer", lambda net, images, seconds, *threads: timer(len, images, seconds)
    )  # in no time
    monkeypatch.setattr(measure, "USUAL", measure.Effort(10, 0.001))
    assert here(two_nets, measure, "table=table11").code == 0
    assert "to measure" not in here(two_nets, plan, "table=table11").out
    assert here(two_nets, render).code == 0
    data = rendered(two_nets, "table11")
    cell = data["rows"][0]["cells"][B8]
    assert cell["here"]["rounds"] == 10 and 0 < cell["here"]["low"] <= cell["here"]["mean"] <= cell["here"]["high"]
    assert [claim["here"]["reason"] for claim in data["claims"]] == ["median of 10 rounds"] * 2

    answer = here(two_nets, measure, "table=table11", "repeats=2", "rounds=5", "logger=none")
    assert "2 times 5 rounds" in answer.out and "round 10 of 10" in answer.out and "a claim needs" not in answer.out
    twice = timings.read(two_nets / "local" / "timings" / "table11.json")
    assert twice is not None and (twice.rounds, twice.repeats) == (10, 2)
    assert twice.disagreement({"shufflenet_v2_1_5x": "shufflenet_v1_1_5x"}, B8) is not None

    assert "0 runs added, the speed; " in here(two_nets, publish, "table=table11").out
    assert "0 runs added; " in here(two_nets, publish, "table=table11").out
    assert here(two_nets, verify).code == 0
    path = two_nets / "published" / "timings" / "table11.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"threads": 1', '"threads": 2'), encoding="utf-8")
    assert here(two_nets, verify).code == 1


def test_compressed_nets_in_onnx_runtime(tmp_path: Path, here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """What compression does not change is measured once."""
    cut(monkeypatch, "table13", "mobilenet", "mobilenet_magnitude_33", "mobilenet_int8", "mobilenet_svd_2")
    answer = here(tmp_path, measure, "table=table13", "budget=smoke", "logger=none")
    assert answer.code == 0 and "speed of 3 nets, 2 rounds" in answer.out
    found = timings.read(tmp_path / "local" / "timings" / "table13-smoke.json")
    assert found is not None and 0.05 < found.values("mobilenet", "onnx_ms")[0] < 1000
    assert found.values("mobilenet", "onnx_ms") == found.values("mobilenet_magnitude_33", "onnx_ms")
    assert found.values("mobilenet", "onnx_ms") != found.values("mobilenet_int8", "onnx_ms")
    assert "lightning_modules/onnx_files.py" in found.code["mobilenet"]
    assert "lightning_modules/compression/low_rank.py" in found.code["mobilenet_svd_2"]
    assert "lightning_modules/compression/low_rank.py" not in found.code["mobilenet_magnitude_33"]
    assert here(tmp_path, render, "budget=smoke").code == 0
    cells = {row["row"]: row["cells"]["onnx_ms"]["here"] for row in rendered(tmp_path, "table13")["rows"]}
    assert cells["mobilenet_int8"]["mean"] == pytest.approx(
        statistics.median(found.values("mobilenet_int8", "onnx_ms"))
    )


def test_a_column_that_is_not_measured_for_a_row(two_nets: Path, here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    table = contract.load("table11")
    rows = tuple(replace(row, untimed=(B8,)) if row.name == "shufflenet_v1_1_5x" else row for row in table.rows)
    monkeypatch.setattr(contract, "load", lambda name: replace(table, rows=rows))
    assert here(two_nets, measure, "table=table11", "budget=smoke", "logger=none").code == 0
    found = timings.read(two_nets / "local" / "timings" / "table11-smoke.json")
    assert found is not None and set(found.samples["shufflenet_v2_1_5x"]) == {B1, B8}
    assert set(found.samples["shufflenet_v1_1_5x"]) == {B1}


def test_a_damaged_file_is_named_and_counts_as_missing(two_nets: Path, here: Here) -> None:
    path = two_nets / "local" / "timings" / "table11.json"
    path.parent.mkdir(parents=True)
    path.write_text("[]", encoding="utf-8")
    answer = here(two_nets, render)
    assert answer.code == 0
    assert f"warning: {path} does not hold the timings of a table: not an object" in answer.out
    assert "the speed of 2 of 2 nets to measure" in here(two_nets, plan, "table=table11").out


def test_mistakes(two_nets: Path, here: Here) -> None:
    assert "say which" in in_a_line(here(two_nets, measure))
    assert "arch.scale" in in_a_line(here(two_nets, measure, "table=table11", "budget=smoke", "arch.scale=0"))
    assert not (two_nets / "local" / "timings").exists()


def test_a_table_without_a_timed_column(tmp_path: Path, here: Here) -> None:
    line = in_a_line(here(tmp_path, measure, "table=table3"))
    timed = [name for name in contract.names() if contract.load(name).timed]
    assert {"table11", "table13"} <= set(timed) and "table3" not in timed
    assert line == f"error: table=table3: has no timed column; choose from {', '.join(timed)}"


def test_other_nets_have_other_files(two_nets: Path, here: Here) -> None:
    assert here(two_nets, measure, "table=table11", "budget=smoke", "arch.scale=0.5").code == 0
    (path,) = (two_nets / "local" / "timings").iterdir()
    assert path.name.startswith("table11-smoke-")
    found = timings.read(path)
    assert found is not None and found.rounds == 2
