"""`make bench`, whole, with one round."""

import json
from pathlib import Path

import pytest

from experiments import bench
from tests.flows.commands import finished, start, verb


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_measures_writes_and_shows(tmp_path: Path) -> None:
    command = ["make", "bench", "ARGS=rounds=1 steps=120"]
    answer = finished(start(tmp_path, *command), timeout=850)
    assert answer.returncode == 0, answer.stderr
    (path,) = (tmp_path / "local" / "bench").glob("*.json")
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["rounds"] == 1 and found["machine"]["cores"] >= 1
    for name, numbers in found["measured"].items():
        assert numbers["median"] > 0, name
    assert not (tmp_path / "published").exists()
    assert "ours/bare, SqueezeNet 1.1" in answer.stdout and "at least 0.95" in answer.stdout


def test_no_round_is_a_mistake(tmp_path: Path) -> None:
    answer = verb(tmp_path, "bench", "rounds=0")
    assert answer.returncode == 2
    assert answer.stderr == "error: rounds=0: measure at least once, rounds=5\n"


def test_what_is_published_trains_an_epoch(tmp_path: Path) -> None:
    answer = verb(tmp_path, "bench", "steps=100", "publish=true")
    assert answer.returncode == 2
    assert answer.stderr.startswith("error: steps=100: what is published trains an epoch")


def test_the_history_gets_a_line_of_medians(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPACT_NETS_RESULTS", str(tmp_path))
    for median in (0.97654321, 2.0):
        bench._publish({"rounds": 5, "measured": {"ours/bare": {"median": median, "low": 0.9, "high": 3.0}}})
    lines = (tmp_path / "published" / "bench.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["measured"]["ours/bare"] for line in lines] == [0.9765, 2.0]
