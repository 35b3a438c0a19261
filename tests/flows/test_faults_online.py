"""A W&B server that is not there, or does not answer: the run goes on, says so once, and ends when it is told to."""

import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.commands import finished, records, start, table
from tests.flows.faults import FEW, RUN

ONLINE = [*(word for word in RUN if word != "logger=none"), "logger.mode=online"]
SAID = "logged offline, `make sync` uploads it"
KEY = "0123456789" * 4


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def closed() -> str:
    """An address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def offline_runs(results: Path) -> list[Path]:
    return sorted((results / "local" / "wandb").glob("offline-run-*/*.wandb"))


def test_a_run_goes_on_without_a_server(tmp_path: Path, closed: str) -> None:
    began = time.monotonic()
    answer = finished(start(tmp_path, sys.executable, "-m", "experiments.run", *ONLINE, **login(closed)))
    assert answer.returncode == 0, answer.stderr
    assert time.monotonic() - began < 90  # the seconds of a run on a busy machine
    said = answer.stdout + answer.stderr
    assert said.count("warning: ") == said.count("warning: W&B cannot be reached (127.0.0.1:") == said.count(SAID) == 1
    assert "Connection refused" in said and KEY not in said
    (record,) = records(tmp_path).values()
    assert record["result"]["status"] == "done"
    assert len(offline_runs(tmp_path)) == 1
    assert Path(record["provenance"]["wandb"]) == offline_runs(tmp_path)[0].parent


def login(server: str) -> dict[str, str]:
    return {"WANDB_BASE_URL": server, "WANDB_API_KEY": KEY}


@pytest.mark.slow
def test_a_table_goes_on_without_a_server_and_says_so_once(tmp_path: Path, closed: str) -> None:
    command = (sys.executable, "-m", "experiments.table", "table=table3", *FEW, "budget.images_seen=256")
    answer = finished(start(tmp_path, *command, "logger.mode=online", **login(closed)))
    assert answer.returncode == 0, answer.stderr
    assert (answer.stdout + answer.stderr).count(SAID) == 1
    assert len(records(tmp_path)) == 3
    assert len(offline_runs(tmp_path)) == 4  # the table has one of its own
    logs = [path.read_text("utf-8") for path in tmp_path.glob("local/runs/*/*/log.txt")]
    assert len(logs) == 3 and not any(SAID in log for log in logs)
    assert all(cell["here"] for row in table(tmp_path)["rows"] for cell in row["cells"].values())


@pytest.mark.slow
def test_a_run_goes_on_with_a_server_that_never_answers(tmp_path: Path, silent: str) -> None:
    answer = finished(start(tmp_path, sys.executable, "-m", "experiments.run", *ONLINE, **login(silent)), timeout=120)
    assert answer.returncode == 0, answer.stderr
    said = answer.stdout + answer.stderr
    assert said.count("warning: ") == said.count("warning: W&B does not take the run (") == said.count(SAID) == 1
    assert "Traceback" not in said and KEY not in said
    assert [record["result"]["status"] for record in records(tmp_path).values()] == ["done"]
    assert len(offline_runs(tmp_path)) == 1


@pytest.mark.slow
def test_a_run_that_waits_for_such_a_server_ends_when_asked_to(tmp_path: Path, silent: str) -> None:
    process = start(tmp_path, sys.executable, "-m", "experiments.run", *ONLINE, **login(silent))
    folder = tmp_path / "local" / "wandb"
    while not list(folder.glob("run-*")):
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    process.wait(20)
    assert time.monotonic() - began < 10
    answer = finished(process)
    assert answer.returncode == 143
    assert answer.stderr.count("interrupted: to go on from the last finished epoch: ") == 1
    assert "Traceback" not in answer.stderr
    shutil.rmtree(tmp_path / "local")
