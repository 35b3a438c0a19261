"""What W&B is told of a run besides its numbers: the axes of its curves, and online its files."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from experiments import tracking
from experiments.suite.store import Run
from tests.pages import made

NAME = "made-fashion_mnist-none-proxy-0123456789"


class Told:
    """A W&B run that remembers what it was told."""

    def __init__(self, offline: bool = False):
        self.offline, self.axes, self.artifacts = offline, {}, []

    def define_metric(self, name: str, **axis: Any) -> None:
        self.axes[name] = axis

    def log_artifact(self, artifact: Any) -> None:
        self.artifacts.append(artifact)


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run's folder with its record, checkpoints and compressed file."""
    monkeypatch.setenv("COMPACT_NETS_RESULTS", str(tmp_path))
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))
    made.write(tmp_path, made.record(NAME, 3, 9.0, "A net"))
    run = Run(NAME, 3)
    for name in ("epoch-0001-aaaa.ckpt", "epoch-0002-bbbb.ckpt", "model.cnz"):
        (run.folder / name).write_bytes(name.encode())
    return run


def log(run: Run, told: Told, onnx: Any = lambda: b"onnx") -> None:
    record = run.record()
    assert record is not None
    tracking.log_files(SimpleNamespace(experiment=told), record, onnx)  # type: ignore[arg-type]


def test_online_a_run_s_files_go_with_it(finished: Run) -> None:
    told = Told()
    log(finished, told)
    (artifact,) = told.artifacts
    assert artifact.name.startswith(f"{NAME}-3") and artifact.type == "run"
    assert set(artifact.manifest.entries) == {"record.json", "epoch-0002-bbbb.ckpt", "model.cnz", "model.onnx"}
    assert artifact.metadata["test/top1_err"] == pytest.approx(9, abs=1)


def test_offline_nothing_is_made(finished: Run) -> None:
    told = Told(offline=True)
    log(finished, told, onnx=lambda: pytest.fail("made for nobody"))
    assert not told.artifacts


def test_a_net_that_cannot_be_exported_costs_a_line_and_no_other_file(
    finished: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused() -> bytes:
        raise RuntimeError("no such operator")

    told = Told()
    log(finished, told, refused)
    (artifact,) = told.artifacts
    assert {"record.json", "model.cnz"} <= set(artifact.manifest.entries)
    assert "not all was logged to W&B (no such operator)" in capsys.readouterr().out


@pytest.mark.parametrize("steps", [[], [{"method": "prune"}]])
def test_curves_have_their_axes(steps: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told()
    monkeypatch.setattr(tracking, "_started", lambda logger, **about: told)
    monkeypatch.setattr(tracking, "Mirror", lambda experiment: experiment)
    groups = {group: {"name": group} for group in ("arch", "data", "budget", "logger")}
    config = {**groups, "compression": {"name": "c", "steps": steps}, "seed": 0, "tags": []}
    with tracking.tracked(config, NAME, 1, "A net"):
        pass
    assert told.axes["train/step_loss"] == {"step_metric": "trainer/global_step", "summary": "none"}
    assert told.axes["epoch"] == told.axes["trainer/global_step"] == {"hidden": True}
    # The epochs of a compressed run begin anew in each of its steps.
    assert ({"step_metric": "epoch"} in told.axes.values()) == (not steps)


def test_a_run_goes_to_the_account_that_was_asked_for_and_does_not_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def init(**about: Any) -> Told:
        asked.update(about)
        return Told()

    monkeypatch.setattr(tracking.wandb, "init", init)
    monkeypatch.setattr(tracking, "Mirror", lambda experiment: experiment)
    groups = {group: {"name": group} for group in ("arch", "data", "budget")}
    logger = {"name": "wandb", "project": "mine", "mode": "online", "entity": None}
    config = {**groups, "compression": {"name": "none", "steps": []}, "seed": 0, "tags": [], "logger": logger}
    with tracking.tracked(config, NAME, 1, "A net", "my-team"):
        pass
    assert (asked["project"], asked["entity"], asked["mode"]) == ("mine", "my-team", "online")
    assert asked["config"]["logger"]["entity"] is None
