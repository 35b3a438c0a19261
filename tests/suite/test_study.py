"""Searches: what conf/search says, what a search may see, what it does with what it sees. Runs are made, not trained."""

import dataclasses
import json
import math
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from experiments import search as experiments_search
from experiments.suite import compose as composing
from experiments.suite import composed, launch, paths, study, study_figure, study_report, study_trials
from experiments.suite.compose import compose
from experiments.suite.devices import Place
from experiments.suite.files import write_json
from experiments.suite.identity import run_id
from experiments.suite.paths import CONF
from experiments.suite.store import Run
from experiments.suite.study import Axis, Search, load, rounded
from experiments.suite.study_report import Tried
from experiments.suite.study_trials import Trials, opened
from lightning_modules.errors import CorruptFileError, UserError
from tests.suite.records import made

EXTRA = ("budget=smoke", "logger=none")
EPOCHS = 4


def error_of(overrides: Sequence[str]) -> float:
    """A made validation error, lowest at a rate of 0.002 and a decay of 0.01; the decay matters little."""
    values = dict(override.split("=", 1) for override in overrides)
    lr, decay = float(values["recipe.lr"]), float(values["recipe.weight_decay"])
    return 10 + 20 * math.log10(lr / 0.002) ** 2 + 0.1 * math.log10(decay / 0.01) ** 2


class Machine:
    """Processes that end a run after as many looks as it has epochs, as their validation error says."""

    def __init__(self, test_error: Callable[[float], float] = lambda value: value, diverges_at: float = math.inf):
        self.test_error, self.diverges_at = test_error, diverges_at
        self.started: list[tuple[str, ...]] = []
        self.stopped = 0
        self.dies_after: int | None = None

    def popen(self, command: Sequence[str], **_: Any) -> SimpleNamespace:
        overrides = [word for word in command[3:] if not word.startswith(("label=", "tags=", "seed=", "trainer."))]
        self.started.append(tuple(overrides))
        run = Run(run_id(compose(overrides)), 0)
        lr = float(dict(word.split("=", 1) for word in overrides)["recipe.lr"])
        state = {"epoch": 0, "code": None}

        def poll() -> int | None:
            if state["code"] is None:
                state["epoch"] += 1
                (run.folder / f"epoch-{state['epoch']:04d}-{'0' * 16}.ckpt").touch()
                if state["epoch"] == EPOCHS:
                    error = error_of(overrides)
                    metrics = {"val/top1_err": error, "test/top1_err": self.test_error(error)}
                    diverged = lr > self.diverges_at
                    record = made(
                        0, {} if diverged else metrics, run_id=run.run_id, status="diverged" if diverged else "done"
                    )
                    write_json(run.record_path, record.to_json())
                    state["code"] = 0
            return state["code"]

        def send_signal(number: int) -> None:
            self.stopped += 1
            state["code"] = -number

        return SimpleNamespace(poll=poll, send_signal=send_signal, wait=lambda timeout: 0, overrides=overrides)

    def curve(self, run: Run) -> list[float]:
        """As the checkpoints have it: the nearer to the end, the nearer to the error at the end."""
        done = max(int(path.name.split("-")[1]) for path in run.folder.glob("*.ckpt"))
        command = (run.folder / "log.txt").read_text(encoding="utf-8").split(" label=")[0]
        end = error_of([word for word in command.split() if word.startswith("recipe.")])
        return [end + 5 * (EPOCHS - epoch) for epoch in range(1, done + 1)]


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


def test_of_a_record_only_validation_is_told() -> None:
    record = made(0, {"val/top1_err": 8.0, "test/top1_err": 9.0, "before/top1_err": 7.0, "train/loss": 0.1})
    assert dict(study.validation(record)) == {"val/top1_err": 8.0}


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


def test_the_list_and_the_figure() -> None:
    search = load("lr_wd", EXTRA)
    trials = [
        Tried(number, (f"recipe.lr={lr}", "recipe.weight_decay=0.1"), {"recipe.lr": lr, "recipe.weight_decay": 0.1}, value,
              state, 3)
        for number, (lr, value, state) in enumerate(
            [(0.01, 20.0, "hopeless"), (0.002, 9.0, "done"), (0.001, 9.5, "done"), (0.02, None, "diverged")]
        )
    ]  # fmt: skip
    assert study_report.best(search, trials) == trials[1]
    lines = (
        study_report.write_csv(search, trials, search.folder / "trials.csv").read_text(encoding="utf-8").splitlines()
    )
    assert lines[0] == "trial,recipe.lr,recipe.weight_decay,val/top1_err,state,epochs"
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2", "0", "3"]
    drawn = study_figure.draw(search, trials, search.folder)
    assert [path.suffix for path in drawn] == [".png", ".svg"] and all(path.stat().st_size > 1000 for path in drawn)
    assert study_figure.draw(search, trials[3:], search.folder) == []


@pytest.mark.parametrize(
    ("value", "said"), [(0.00123456, 0.00123), (12345.0, 12300.0), (0.0, 0.0), (-0.0129951, -0.013), (1.0, 1.0)]
)
def test_numbers_are_as_people_type_them(value: float, said: float) -> None:
    assert rounded(value) == said


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path / "search"
    found.mkdir()
    monkeypatch.setattr(study, "FOLDER", found)
    return found


def contract(**more: Any) -> dict[str, Any]:
    content = yaml.safe_load((CONF / "search" / "lr_wd.yaml").read_text(encoding="utf-8"))
    return content | more


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (contract(metric="test/top1_err"), "metric: test/top1_err is not of validation"),
        (contract(metric="val/top1_er"), "did you mean"),
        (contract(axes={}), "axes: is empty"),
        (contract(axes={"recipe.lr": {"low": 1.0}}), "axes.recipe.lr: give low and high, or choices"),
        (contract(axes={"recipe.lr": {"low": 1.0, "high": 0.1}}), "axes.recipe.lr: low must be a number below high"),
        (contract(axes={"recipe.lr": {"low": 0, "high": 0.1, "log": True}}), "low must be above 0"),
        (contract(axes={"recipe.lrr": {"low": 0.01, "high": 0.1}}), "recipe.lrr: no such field"),
        (contract(trails=3), "did you mean trials"),
        (contract(title=3), "title: is 3, write a text"),
        (contract(overrides="arch=squeezenet"), "overrides: is 'arch=squeezenet', write a list"),
        (contract(cheaper=[1]), "cheaper: is 1, write a text"),
        (contract(metric=["val/top1_err"]), "metric: is .*, write a text"),
        (contract(metric="val/speed"), "metric: unknown metric 'val/speed'"),
        (contract(seed="0"), "seed: is '0', write a whole number from 0"),
        (contract(seed=-1), "seed: is -1, write a whole number from 0"),
        (contract(trials=0), "trials: is 0, write a whole number from 1"),
        (contract(trials=True), "trials: is True, write a whole number"),
        (contract(pruning=6), "pruning: is 6, write a mapping"),
        (contract(pruning={"after_trials": "x"}), "pruning.after_trials: is 'x', write a whole number"),
        (contract(pruning={"after": 1}), "pruning: unknown key 'after'"),
        (contract(grid_seeds=3), "grid_seeds: is 3, write a list"),
        (contract(grid_seeds=[0, "a"]), "grid_seeds: is 'a', write a whole number"),
        (contract(axes=["recipe.lr"]), "axes: is .*, write a mapping"),
        (contract(axes={"recipe.lr": {"low": "a", "high": 1}}), "axes.recipe.lr: low must be a number below high"),
        (contract(axes={"recipe.lr": {"low": 0.1, "high": float("inf")}}), "low must be a number below high"),
        (contract(axes={"recipe.lr": {"low": 0.1, "high": 1.0, "log": "yes"}}), "log: is 'yes', write true or false"),
        (contract(axes={"recipe.lr": {"low": 0.1, "high": 1.0, "grid": 0.2}}), "grid: is 0.2, write a list"),
        (contract(axes={"recipe.optimizer": {"choices": ["adamw", "sgdd"]}}), "axes.recipe.optimizer: .*sgdd"),
        (contract(axes={"recipe.lr": {"low": 0.1, "high": 1.0, "grid": [-1.0]}}), "axes.recipe.lr: recipe.lr=-1"),
        (contract(axes={"trainer.threads": {"choices": [1, 2]}}), "trainer.threads: changes nothing of a run's result"),
        (contract(axes={"recipe.lr": {"choices": "abc"}}), "choices: is 'abc', write a list"),
        (contract(axes={"recipe.lr": {"choices": [[1], [2]]}}), "choices: is .* write single values"),
    ],
)
def test_a_mistake_in_its_file_is_named(folder: Path, content: dict[str, Any], said: str) -> None:
    (folder / "mine.yaml").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UserError, match=said):
        load("mine", EXTRA)


def test_a_search_that_is_not_there(folder: Path) -> None:
    with pytest.raises(UserError, match="search: say which"):
        load(None)
    with pytest.raises(UserError, match="unknown search 'lr'"):
        load("lr")


def test_what_is_searched_for_is_not_set(folder: Path) -> None:
    (folder / "mine.yaml").write_text(json.dumps(contract()), encoding="utf-8")
    for override in ("recipe.lr=1", "+recipe.lr=1", "++recipe.lr=1"):
        with pytest.raises(UserError, match=rf"{re.escape(override)}: is searched for"):
            load("mine", [override])


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
    folder: Path, machine: Machine
) -> None:
    (folder / "lr_wd.yaml").write_text(json.dumps(contract(metric="val/nme")), encoding="utf-8")
    with pytest.raises(
        UserError, match=r"lr_wd.yaml: metric: val/nme: no such metric of these runs; choose one of val/"
    ):
        searched(machine, 3, jobs=1)
    assert len(machine.started) == 1


def test_other_runs_are_another_study() -> None:
    assert load("lr_wd").folder != load("lr_wd", ["recipe.batch_size=32"]).folder
    assert load("lr_wd").folder == load("lr_wd", ["logger=none"]).folder == load("lr_wd", trials=3).folder


def test_choices_and_whole_numbers_are_axes_too(folder: Path, machine: Machine) -> None:
    axes = {
        "arch.bypass": {"choices": ["none", "simple"]},
        "recipe.batch_size": {"low": 16, "high": 64, "log": True},
    }
    (folder / "lr_wd.yaml").write_text(json.dumps(contract(axes=axes)), encoding="utf-8")
    search = load("lr_wd", EXTRA)
    assert [axis.override(value) for axis, value in zip(search.axes, ("simple", 33), strict=True)] == [
        "arch.bypass=simple", "recipe.batch_size=33",
    ]  # fmt: skip
