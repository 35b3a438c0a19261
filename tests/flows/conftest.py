"""Commands in this process, and a table that is done."""

from pathlib import Path

import pytest

from experiments.suite import contract
from experiments.suite.files import write_json
from experiments.suite.plan import rows_of
from experiments.suite.store import Run
from tests.flows.faults import Here
from tests.suite.records import made


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    return Here(monkeypatch, capsys)


@pytest.fixture
def finished_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    """Made records of every contract run of table3 with three seeds, as if this machine had trained them."""
    monkeypatch.setenv("COMPACT_NETS_RESULTS", str(tmp_path))
    runs = []
    for number, row in enumerate(rows_of(contract.load("table3"), "proxy")):
        for seed in range(3):
            name = Run(row.contract_id, seed)
            record = made(seed, {"test/top1_acc": 88.0 + number, "test/top5_acc": 99.0}, run_id=name.run_id)
            write_json(name.record_path, record.to_json())
            runs.append(name)
    return runs
