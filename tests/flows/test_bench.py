"""`make bench`, whole, with one round."""

import json
from pathlib import Path

import pytest

from tests.flows.commands import finished, start, verb


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_measures_writes_and_shows(tmp_path: Path) -> None:
    command = ["make", "bench", "ARGS=rounds=1 publish=true"]
    answer = finished(start(tmp_path, *command), timeout=850)
    assert answer.returncode == 0, answer.stderr
    (path,) = (tmp_path / "local" / "bench").glob("*.json")
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["rounds"] == 1 and found["machine"]["cores"] >= 1
    for name, numbers in found["measured"].items():
        assert numbers["median"] > 0, name
    (line,) = (tmp_path / "published" / "bench.jsonl").read_text(encoding="utf-8").splitlines()
    assert set(json.loads(line)["measured"]) == set(found["measured"])
    assert "ours/bare, SqueezeNet 1.1" in answer.stdout and "at least 0.95" in answer.stdout


def test_no_round_is_a_mistake(tmp_path: Path) -> None:
    answer = verb(tmp_path, "bench", "rounds=0")
    assert answer.returncode == 2
    assert answer.stderr == "error: rounds=0: measure at least once, rounds=5\n"
