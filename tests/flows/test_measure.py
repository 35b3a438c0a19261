"""`experiments.measure` and the tables that print what it finds, whole, at budget smoke and with two nets."""

import json
import statistics
from dataclasses import replace
from pathlib import Path

import pytest

from experiments import measure, plan, publish, render, verify
from experiments.suite import contract, timings
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
    assert {"packages", "machine", "threads", "commit", "dirty", "at", "others"} == set(found["provenance"])
    code = found["code"]["shufflenet_v2_1_5x"]
    assert {"lightning_modules/speed.py", "lightning_modules/nets/shufflenet_v2.py"} <= set(code)
    assert "lightning_modules/nets/mobilenet_v2.py" not in code
    (logged,) = [line["summary"] for line in wandb_summaries(two_nets)]
    median = statistics.median(found["samples"]["shufflenet_v2_1_5x"][B1])
    assert float(logged[f"shufflenet_v2_1_5x/{B1}"]) == pytest.approx(median)

    monkeypatch.setattr(measure, "USUAL", measure.Effort(10, 0.001))
    assert here(two_nets, measure, "table=table11").code == 0
    assert "to measure" not in here(two_nets, plan, "table=table11").out
    assert here(two_nets, render).code == 0
    data = rendered(two_nets, "table11")
    cell = data["rows"][0]["cells"][B8]
    assert cell["here"]["rounds"] == 10 and 0 < cell["here"]["low"] <= cell["here"]["mean"] <= cell["here"]["high"]
    assert [claim["here"]["reason"] for claim in data["claims"]] == ["median of 10 rounds"] * 2

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
    assert line == "error: table=table3: has no timed column; choose from table11, table13"


def test_other_nets_have_other_files(two_nets: Path, here: Here) -> None:
    assert here(two_nets, measure, "table=table11", "budget=smoke", "arch.scale=0.5").code == 0
    (path,) = (two_nets / "local" / "timings").iterdir()
    assert path.name.startswith("table11-smoke-")
    found = timings.read(path)
    assert found is not None and found.rounds == 2
