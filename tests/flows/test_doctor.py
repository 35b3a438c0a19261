"""The doctor: a healthy project is well, a sick one is told line by line what to do."""

import socket
import sys
from pathlib import Path

import pytest

from experiments import doctor
from experiments.suite import health_here
from tests.flows.commands import make, verb
from tests.suite.test_health_python import ANSWER

SECRET = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs the doctor in this process, without the seconds of the import of torch: (exit code, what it said)."""
    monkeypatch.setattr(health_here, "_probe", lambda: (0, ANSWER, "", 1.0))

    def call() -> tuple[int, str]:
        health_here._survey.cache_clear()
        return doctor.main([]), capsys.readouterr().out

    return call


def level(said: str, name: str) -> str:
    return next(line for line in said.splitlines() if line[6:21].rstrip() == name).split()[0]


def test_a_healthy_project_is_well(tmp_path: Path) -> None:
    answer = make(tmp_path, "doctor")
    assert answer.returncode == 0, answer.stdout
    assert answer.stderr == ""
    lines = [line for line in answer.stdout.splitlines() if line[:6].strip() in ("ok", "warn", "FAIL")]
    assert [line[6:21].strip() for line in lines] == list(doctor.CHECKS)
    assert not [line for line in lines if line.startswith("FAIL")], answer.stdout
    assert "work together" in answer.stdout and "\x1b" not in answer.stdout


def test_a_broken_environment_and_a_file_as_results_are_told_without_a_traceback(tmp_path: Path) -> None:
    for name in ("yaml", "rich", "torch"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('no {name}')", encoding="utf-8")
    results = tmp_path / "file"
    results.touch()
    answer = verb(results, "doctor", PYTHONPATH=str(tmp_path))
    assert answer.returncode == 1 and answer.stderr == ""
    assert f"{results} cannot be written (it is a file)" in answer.stdout
    assert "do not import together: ImportError: no torch" in answer.stdout
    failed = {line[6:21].strip() for line in answer.stdout.splitlines() if line.startswith("FAIL")}
    assert failed >= {"torch", "results folder", "data", "tables", "W&B"}
    assert level(answer.stdout, "Python") == level(answer.stdout, "memory") == "ok"


def test_a_doctor_takes_no_arguments(tmp_path: Path) -> None:
    answer = verb(tmp_path, "doctor", "fix=true")
    assert answer.returncode == 2 and answer.stderr.startswith("error: fix: no such argument")


def test_each_leftover_is_a_line_and_a_command(run, tmp_path: Path) -> None:
    folder = tmp_path / "results" / "local" / "runs" / "net-data-none-proxy-0123456789" / "0"
    folder.mkdir(parents=True)
    (folder / "record.json").write_text("{", encoding="utf-8")
    (folder / ".epoch-1.tmp").touch()
    code, said = run()
    assert code == 1
    assert (level(said, "records"), level(said, "leftovers"), level(said, "runs")) == ("FAIL", "warn", "ok")
    assert f"rm -r {folder}/record.json\n" in said and f"rm {folder}/.epoch-1.tmp\n" in said
    for path in folder.iterdir():
        path.unlink()
    code, said = run()
    assert code == 0 and level(said, "records") == "ok", said


def test_a_warning_is_no_failure(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1000")
    code, said = run()
    assert code == 0 and level(said, "cores") == "warn"
    assert "0 failed, " in said.splitlines()[-1]


def test_no_line_tells_a_key(run, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("WANDB_API_KEY", SECRET)
    monkeypatch.setenv("WANDB_BASE_URL", f"http://user:{SECRET}@127.0.0.1:{port}/{SECRET}")
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    code, said = run()
    assert code == 0 and level(said, "W&B server") == "warn"
    assert f"127.0.0.1:{port}: Connection refused" in said and SECRET not in said


def test_a_check_that_breaks_stops_no_other(run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("two\nlines \x1b[31m")

    monkeypatch.setitem(doctor.CHECKS, "memory", broken)  # pyright: ignore[reportArgumentType]
    code, said = run()
    assert code == 1 and level(said, "published") == "ok"
    assert "FAIL  memory         not checked: RuntimeError: two lines ?[31m\n" in said


def test_data_that_is_not_here_yet_is_not_fetched(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lightning_modules.data import fashion_mnist

    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", tmp_path / "debian")
    monkeypatch.setattr(doctor, "DATA_CACHE", tmp_path / "cache")
    code, said = run()
    assert code == 0 and level(said, "data") == "warn"
    assert not (tmp_path / "cache").exists() and not (tmp_path / "debian").exists()
    (tmp_path / "cache" / "fashion_mnist").mkdir(parents=True)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (tmp_path / "cache" / "fashion_mnist" / f"{name}-ubyte").write_bytes(b"something else")
    code, said = run()
    assert code == 1 and level(said, "data") == "FAIL"


@pytest.mark.parametrize("terminal", [True, False])
def test_colour_in_a_terminal_alone(run, terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    assert ("\x1b[" in run()[1]) is terminal
