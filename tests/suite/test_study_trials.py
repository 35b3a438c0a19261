"""What a search does with what it sees, and what it may see. Runs are made, not trained."""

import dataclasses
import json
import math
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from experiments import search as experiments_search
from experiments.suite import compose as composing
from experiments.suite import composed, launch, paths, study, study_report, study_trials
from experiments.suite.compose import compose
from experiments.suite.devices import Place
from experiments.suite.identity import run_id
from experiments.suite.paths import CONF
from experiments.suite.store import Run
from experiments.suite.study import Axis, Search, load
from experiments.suite.study_trials import Trials, opened
from lightning_modules.errors import CorruptFileError, UserError
from tests.suite.searches import EPOCHS, EXTRA, Machine, contract


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    here = Machine()
    monkeypatch.setattr(launch, "POLL_S", 0.0)
    monkeypatch.setattr(study_trials, "LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(launch, "frozen", lambda: CONF)
    monkeypatch.setattr(launch.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(
        launch,
        "subprocess",
        SimpleNamespace(Popen=here.popen, DEVNULL=None, TimeoutExpired=subprocess.TimeoutExpired),
    )
    yield here


def searched(machine: Machine, trials: int, jobs: int = 2, **about: Any) -> tuple[Search, Any, Any]:
    search = load("lr_wd", EXTRA, trials)
    found = opened(search)
    pool = Trials([], [Place()] * jobs, search=search, study=found, curve=about.get("curve", machine.curve))
    return search, found, pool.run()


@pytest.mark.slow
def test_it_finds_the_best_and_what_mattered_and_ends_the_hopeless(machine: Machine) -> None:
    search, found, failures = searched(machine, 24)
    trials = study_report.tried(found)
    top = study_report.best(search, trials)
    assert not failures and len(trials) == 24
    assert top and top.value is not None and top.value < 10.6
    assert top.value == min(trial.value for trial in trials if trial.state == "done" and trial.value is not None)
    hopeless = [trial for trial in trials if trial.state == "hopeless"]
    assert len(hopeless) == machine.stopped > 0
    assert all(trial.epochs < EPOCHS for trial in hopeless)
    assert all(trial.number >= search.after_trials for trial in hopeless)
    shares = study_report.importances(found)
    assert shares["recipe.lr"] > 0.8 and sum(shares.values()) == pytest.approx(1)


def test_a_trial_is_a_run_and_the_command_at_the_end_trains_its_point_fully(machine: Machine) -> None:
    search, found, _ = searched(machine, 6)
    top = study_report.best(search, study_report.tried(found))
    assert top
    run = Run(run_id(compose([*search.of_trials, *top.point])), search.seed)
    record = run.record()
    assert record and record.metrics["val/top1_err"] == top.value
    command = study_report.command(search, top)
    assert command.endswith(f"{' '.join(search.overrides)} {' '.join(top.point)} seed=0,1,2")
    assert "-m experiments.run -m arch=squeezenet" in command and "proxy_images" not in command
    (said,) = [
        line
        for line in study_report.lines(search, study_report.tried(found), study_report.importances(found))
        if line.startswith("to train it fully: ")
    ]
    assert said.endswith(command)


@pytest.mark.slow
@pytest.mark.parametrize("test_error", [lambda value: 100.0 - value, lambda value: math.pi], ids=["worse", "same"])
def test_what_the_test_split_says_changes_nothing(
    machine: Machine, test_error: Callable[[float], float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    told = []
    for number, of_test in enumerate((lambda value: value, test_error)):
        monkeypatch.setenv("COMPACT_NETS_RESULTS", str(tmp_path / str(number)))
        machine.test_error = of_test
        search, found, _ = searched(machine, 12, jobs=1)
        told.append(
            (
                study_report.tried(found),
                study_report.lines(search, study_report.tried(found), study_report.importances(found)),
            )
        )
        assert "test" not in capsys.readouterr().out.replace("latest", "")
    assert told[0] == told[1]


@pytest.mark.slow
def test_the_same_command_goes_on_and_begins_the_same_way(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched(machine, 5, jobs=1)
    first = list(machine.started)
    searched(machine, 5, jobs=1)
    assert machine.started == first, "a finished study asks for nothing"
    searched(machine, 9, jobs=1)
    assert len(machine.started) == 9 and len(set(machine.started)) == 9
    monkeypatch.setenv("COMPACT_NETS_RESULTS", str(tmp_path / "elsewhere"))
    machine.started.clear()
    searched(machine, 5, jobs=1)
    assert machine.started == first


def test_stopped_in_the_middle_its_points_are_tried_again(machine: Machine) -> None:
    class Stop(BaseException): ...

    looks = iter(range(100))

    def curve(run: Run) -> list[float]:
        if next(looks) == 6:
            raise Stop
        return machine.curve(run)

    with pytest.raises(Stop):
        searched(machine, 6, curve=curve)
    begun = set(machine.started)
    _, found, _ = searched(machine, 6)
    assert len(study_report.tried(found)) == 6
    counts = [machine.started.count(each) for each in begun]
    assert max(counts) == 2, "what was going was not tried again"
    assert len(set(machine.started)) == 6


@pytest.mark.slow
def test_a_point_that_is_tried_again_is_told_what_the_run_has_come_to(machine: Machine) -> None:
    rates = Axis("recipe.lr", None, None, False, (0.0002, 0.002, 0.02), ())
    decays = Axis("recipe.weight_decay", None, None, False, (0.01,), ())
    search = dataclasses.replace(load("lr_wd", EXTRA, 14), axes=(rates, decays))
    found = opened(search)
    assert not Trials([], [Place()] * 2, search=search, study=found, curve=machine.curve).run()
    trials = study_report.tried(found)
    assert len(trials) == 14 and {trial.state for trial in trials} <= {"done", "hopeless"}
    hopeless = [trial for trial in trials if trial.state == "hopeless"]
    assert hopeless and all(trial.epochs and trial.value is not None for trial in hopeless)


@pytest.mark.slow
def test_a_study_that_is_damaged_while_it_runs_is_one_line(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    path = load("lr_wd", EXTRA, 6).folder / "study.db"

    def damages(run: Run) -> list[float]:
        path.write_bytes(b"this is no database" * 1000)
        return machine.curve(run)

    monkeypatch.setattr(experiments_search, "curve", lambda run, metric: damages(run))
    monkeypatch.setattr(experiments_search, "frozen", lambda: CONF)
    with pytest.raises(UserError, match=r"study\.db cannot be used \(.*\); give the command again; if it is damaged"):
        experiments_search.tpe(load("lr_wd", EXTRA, 6), 1)


@pytest.mark.slow
def test_a_run_that_is_done_already_is_not_started(machine: Machine) -> None:
    searched(machine, 4, jobs=1)
    started = len(machine.started)
    search = load("lr_wd", EXTRA, 4)
    (search.folder / "study.db").unlink()
    _, found, _ = searched(machine, 4, jobs=1)
    assert len(machine.started) == started
    assert len(study_report.tried(found)) == 4


@pytest.mark.slow
def test_a_diverged_trial_is_the_worst_and_has_no_value(machine: Machine) -> None:
    machine.diverges_at = 0.003
    search, found, failures = searched(machine, 10, jobs=1)
    diverged = [trial for trial in study_report.tried(found) if trial.state == "diverged"]
    assert diverged and not failures
    assert all(trial.value is None and trial.params["recipe.lr"] > 0.0029 for trial in diverged)
    assert "diverged" in study_report.lines(search, study_report.tried(found), study_report.importances(found))[0]
    assert sum(study_report.importances(found).values()) == pytest.approx(1)


@pytest.mark.slow
def test_a_trial_that_fails_is_listed_and_ends_nothing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    real = machine.popen

    def popen(command: Sequence[str], **about: Any) -> SimpleNamespace:
        process = real(command, **about)
        if len(machine.started) == 2:
            process.poll = lambda: 1
        return process

    monkeypatch.setattr(launch.subprocess, "Popen", popen)
    _, found, failures = searched(machine, 5, jobs=1)
    assert sum(len(names) for names in failures.values()) == 1
    assert len(study_report.tried(found)) == 4


@pytest.mark.slow
def test_editing_conf_during_a_search_changes_nothing_in_it(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """conf/ is broken after the first look at a trial; every point of a later trial is composed after that."""
    conf = tmp_path / "conf"
    shutil.copytree(CONF, conf)
    monkeypatch.setattr(paths, "CONF", conf)
    monkeypatch.setattr(launch, "frozen", composing.frozen)
    composed.contents.cache_clear()

    def curve(run: Run) -> list[float]:
        (conf / "recipe" / "proxy.yaml").write_text("lr: [broken", encoding="utf-8")
        return machine.curve(run)

    try:
        _, found, failures = searched(machine, 4, jobs=1, curve=curve)
    finally:
        composed.contents.cache_clear()
    assert not failures and len(study_report.tried(found)) == 4
    assert "broken" in (conf / "recipe" / "proxy.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("damage", [b"this is no database, and long enough to be seen as none" * 20, None])
def test_a_damaged_study_is_named(damage: bytes | None) -> None:
    search = load("lr_wd", EXTRA)
    path = search.folder / "study.db"
    if damage is None:  # cut off in its middle
        opened(search)
        damage = path.read_bytes()[:20_000]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(damage)
    with pytest.raises(CorruptFileError, match=rf"^{path} is damaged \(.*\); move it away, its runs are kept$"):
        opened(search)
    path.unlink()
    assert study_report.tried(opened(search)) == []


def test_a_metric_that_the_runs_lack_ends_the_search_and_is_not_taken_for_divergence(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "FOLDER", tmp_path)
    (tmp_path / "lr_wd.yaml").write_text(json.dumps(contract(metric="val/nme")), encoding="utf-8")
    with pytest.raises(
        UserError, match=r"lr_wd.yaml: metric: val/nme: no such metric of these runs; choose one of val/"
    ):
        searched(machine, 3, jobs=1)
    assert len(machine.started) == 1
