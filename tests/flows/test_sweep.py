"""A sweep as a user types it: frozen, killed, started twice, with jobs that fail. Nothing finished is lost or done twice."""

import os
import shutil
import signal
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.flows.commands import Process, environment, finished, kill, records, start, started, wait_until
from tests.flows.faults import FEW

ROOT = Path(__file__).parents[2]
SEEDS = 4
TWELVE = (*FEW, "logger=none", "recipe.lr=0.001,0.002,0.004", f"seed=range(0,{SEEDS})")
RUNS = 3 * SEEDS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("sweep")]


def sweep(results: Path, *overrides: str, **more: str) -> Process:
    return start(results, sys.executable, "-m", "experiments.run", "-m", *overrides, **more)


def done(results: Path) -> dict[Path, bytes]:
    """What belongs to finished runs and must never change again: the record, and the list of attempts."""
    folders = [path.parent for path in (results / "local" / "runs").glob("*/*/record.json")]
    return {path: path.read_bytes() for folder in folders for path in (folder / "record.json", folder / "attempts")}


def of(results: Path, module: str) -> list[int]:
    """The processes of this module that have these results."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            mine = f"COMPACT_NETS_RESULTS={results}".encode() in (folder / "environ").read_bytes().split(b"\0")
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if mine and module.encode() in words and b"-m" in words and words.count(b"-m") == 1:
                found.append(int(folder.name))
        except OSError:
            continue  # it has just ended
    return sorted(found)


def training(results: Path) -> list[int]:
    """The processes whose runs are in their middle."""
    folders = [path.parent for path in (results / "local" / "runs").glob("*/*/progress.json")]
    return [int((each / "owner").read_text("ascii")) for each in folders if not (each / "record.json").exists()]


def check_whole(results: Path, whole: Path) -> None:
    expected, found = records(whole), records(results)
    assert len(expected) == RUNS and set(found) == set(expected)
    for name, record in found.items():
        assert record["result"] == expected[name]["result"], name


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of the sweep, which nothing disturbed."""
    results = tmp_path_factory.mktemp("whole")
    answer = finished(sweep(results, *TWELVE), timeout=600)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert f"sweep: {RUNS} of {RUNS} runs to do, 2 at a time" in answer.stdout or os.cpu_count() != 2
    assert {record["provenance"]["attempts"] for record in records(results).values()} == {1}
    assert {record["provenance"]["threads"] for record in records(results).values()} == {1}
    return results


linux = pytest.mark.skipif(sys.platform != "linux", reason="looks for the workers in /proc")


@linux
@pytest.mark.parametrize("victim", ["worker", "launcher", "all"])
def test_killed_and_given_again_it_is_the_sweep_and_no_run_is_done_twice(
    tmp_path: Path, whole: Path, victim: str
) -> None:
    process = sweep(tmp_path, *TWELVE)
    wait_until(lambda: len(records(tmp_path)) >= 2 and training(tmp_path), process)
    victims = training(tmp_path)
    kept, workers = done(tmp_path), of(tmp_path, "experiments.run")
    if victim == "worker":
        os.kill(victims[0], signal.SIGKILL)
        answer = finished(process, timeout=600)
        assert answer.returncode == 1
        (line,) = [line for line in answer.stderr.splitlines() if line.startswith("failed: ")]
        assert "SIGKILL: out of memory, or kill -9" in line and "seed " in line
        assert len(records(tmp_path)) == RUNS - 1, "the others were to go on"
    else:
        for pid in [process.pid, *(workers if victim == "all" else [])]:
            os.kill(pid, signal.SIGKILL)
        process.communicate()
    again = finished(sweep(tmp_path, *TWELVE), timeout=600)
    assert again.returncode == 0, again.stdout + again.stderr
    assert {path: done(tmp_path)[path] for path in kept} == kept
    check_whole(tmp_path, whole)


def test_two_shells_do_no_run_twice(tmp_path: Path, whole: Path) -> None:
    both = [sweep(tmp_path, *TWELVE), sweep(tmp_path, *TWELVE)]
    answers = [finished(process, timeout=800) for process in both]
    assert [answer.returncode for answer in answers] == [0, 0], answers
    assert {record["provenance"]["attempts"] for record in records(tmp_path).values()} == {1}
    check_whole(tmp_path, whole)
    logs = [path.read_text() for path in (tmp_path / "local" / "runs").glob("*/*/log.txt")]
    assert not any("Traceback" in log for log in logs)


def test_given_again_it_starts_nothing_and_says_the_same(whole: Path) -> None:
    before = done(whole)
    answer = finished(sweep(whole, *TWELVE))
    assert answer.returncode == 0 and f"sweep: all {RUNS} runs are done" in answer.stdout
    assert done(whole) == before
    assert answer.stdout.index("recipe.lr") < answer.stdout.index("written to")


@linux
def test_a_job_that_raises_and_one_that_is_out_of_memory_stop_no_other(tmp_path: Path) -> None:
    """Of four jobs one has a batch that is too large, one an exception, and one is killed by the system."""
    package = tmp_path / "inserted"
    package.mkdir()
    (package / "sitecustomize.py").write_text(
        textwrap.dedent("""
            import os, signal, sys, threading

            class Broken:
                def find_spec(self, name, path=None, target=None):
                    if name == "lightning_modules.experiment":
                        raise RuntimeError("a job that raises")

            if "seed=1" in sys.orig_argv:
                sys.meta_path.insert(0, Broken())
            if "seed=2" in sys.orig_argv:
                threading.Timer(3, os.kill, (os.getpid(), signal.SIGKILL)).start()
        """),
        encoding="utf-8",
    )
    results = tmp_path / "results"
    answer = finished(sweep(results, *FEW, "logger=none", "seed=0,1,2,3", PYTHONPATH=str(package)), timeout=300)
    assert answer.returncode == 1
    lines = [line for line in answer.stderr.splitlines() if line.startswith("failed: ")]
    assert len(lines) == 2, answer.stderr
    assert any("seed 1: RuntimeError: a job that raises" in line for line in lines)
    assert any("seed 2: " in line and "SIGKILL: out of memory, or kill -9" in line for line in lines)
    assert sorted(record["provenance"]["seed"] for record in records(results).values()) == [0, 3]
    again = finished(sweep(results, *FEW, "logger=none", "seed=0,1,2,3"), timeout=300)
    assert again.returncode == 0 and "sweep: 2 of 4 runs to do" in again.stdout
    assert {record["result"]["status"] for record in records(results).values()} == {"done"}


@linux
def test_editing_conf_during_a_sweep_changes_nothing_in_it(tmp_path: Path) -> None:
    """A copy of the project, so that nobody else's conf/ is edited."""
    project, results = tmp_path / "project", tmp_path / "results"
    project.mkdir()
    for name in ("conf", "experiments", "lightning_modules"):
        shutil.copytree(ROOT / name, project / name)
    (project / "data").symlink_to(ROOT / "data")
    overrides = (*FEW, "logger=none", f"seed=range(0,{SEEDS})")
    command = [sys.executable, "-m", "experiments.run", "-m", *overrides, "hydra.launcher.jobs=1"]
    variables = environment(results, PYTHONPATH=str(project))
    process = started(["env", "-C", str(project), *command], variables)
    wait_until(lambda: of(results, "experiments.run"), process)
    for path, old, new in (
        ("recipe/proxy.yaml", "lr: 0.001", "lr: 0.5"),
        ("identity.yaml", "budget.train_images: null", "budget.train_images: 256"),
        ("budget/smoke.yaml", "val_images: 256", "val_images: [broken"),
    ):
        file = project / "conf" / path
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")
    answer = finished(process, timeout=300)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    found = records(results)
    assert len(found) == SEEDS and len({name.split("/")[0] for name in found}) == 1
    assert {record["config"]["recipe"]["lr"] for record in found.values()} == {0.001}


@linux
def test_stopped_it_stops_its_runs_and_says_how_to_go_on(tmp_path: Path) -> None:
    process = sweep(tmp_path, *TWELVE)
    wait_until(lambda: of(tmp_path, "experiments.run"), process)
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    answer = finished(process, timeout=20)
    assert time.monotonic() - began < 12
    assert answer.returncode == 143 and " -m experiments.run -m " in answer.stderr
    time.sleep(0.5)
    assert not of(tmp_path, "experiments.run")


def test_the_launcher_of_an_earlier_sweep_can_be_killed_with_everything(tmp_path: Path) -> None:
    process = sweep(tmp_path, *FEW, "logger=none", "seed=0,1")
    wait_until(lambda: list((tmp_path / "local" / "runs").glob("*/*/log.txt")), process)
    kill(process)
    assert finished(sweep(tmp_path, *FEW, "logger=none", "seed=0,1")).returncode == 0
    assert len(records(tmp_path)) == 2
