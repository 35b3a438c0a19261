"""A search's trials: Optuna's study in a file, its next points run side by side, the hopeless among them ended early.

Each trial is a run like any other, with a checkpoint an epoch and a record at its end. One that is ended early keeps its
checkpoint and has no record. Several processes may work on one study; what a process that was killed was at is tried
again by the next one, and goes on from its last epoch.
"""

import itertools
import math
import sqlite3
import time
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import Timeout

from experiments.suite.compose import compose
from experiments.suite.identity import run_id
from experiments.suite.launch import ALL, Failures, Pool
from experiments.suite.paths import shown
from experiments.suite.plan import PlannedRun
from experiments.suite.progress import View
from experiments.suite.store import Run, locked
from experiments.suite.study import Axis, Search, ended, validation, validation_curve
from lightning_modules.errors import CorruptFileError, UserError

if TYPE_CHECKING:
    import optuna

STUDY = "study.db"
WAIT_S = 60.0  # for another process that writes the study
LOOK_EVERY_S = 5.0
POINT, PROCESS = "overrides", "process"  # what a trial of the study remembers: its run, and who is at it
RANDOM = 8  # trials before TPE has enough to go by
Curve = Callable[[Run], Sequence[float]]  # the metric of each epoch that has been finished


def opened(search: Search) -> "optuna.Study":
    """The study, in a file of its own, as it was left.

    Raises:
        CorruptFileError: the file is damaged.
        UserError: it cannot be used now, or its file system has no locks.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings(
        "ignore", category=optuna.exceptions.ExperimentalWarning
    )  # of which nothing is kept but the study
    search.folder.mkdir(parents=True, exist_ok=True)
    with locked(search.folder / "lock"):  # two processes would both make the tables
        _check(search.folder / STUDY)
        pruner = optuna.pruners.MedianPruner(search.after_trials, search.after_epochs)
        storage = optuna.storages.RDBStorage(
            f"sqlite:///{search.folder / STUDY}", engine_kwargs={"connect_args": {"timeout": WAIT_S}}
        )
        return optuna.create_study(
            storage=storage,
            study_name=search.name,
            direction=search.direction,
            pruner=pruner,
            load_if_exists=True,
        )


def _check(path: Path) -> None:
    """Raises CorruptFileError where the file is no whole database, UserError where that cannot be seen."""
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(path, timeout=WAIT_S)) as database:
            (said,) = database.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        raise UserError(f"{shown(path)} cannot be used ({error}); make it readable and writable") from error
    except sqlite3.DatabaseError as error:
        said = str(error)
    if said != "ok":
        raise CorruptFileError(f"{shown(path)} is damaged ({said}); move it away, its runs are kept")


@dataclass(kw_only=True)
class Trials(Pool):
    """Asks for points while a place is free, until the study has all its trials."""

    search: Search
    study: "optuna.Study"
    curve: Curve
    _open: dict[Run, list[Any]] = field(default_factory=dict)  # the trials of each run that waits or is going
    _told_epochs: dict[int, int] = field(default_factory=dict)  # of each trial
    _hopeless: set[Run] = field(default_factory=set)
    _name: str = field(default_factory=lambda: uuid.uuid4().hex)
    _looked: float = -LOOK_EVERY_S
    _waits: bool = False  # for others' trials: there is nothing more to ask for

    def run(self) -> Failures:
        with locked(self._path_of(self._name)):  # dropped by the system when this process dies
            try:
                return super().run()
            finally:
                with locked(self.search.folder / "lock"):  # or another process may take them over meanwhile
                    for trial in itertools.chain(*self._open.values()):  # stopped: for whoever goes on
                        self._put_back(trial.number, trial.params)
                    self._path_of(self._name).unlink(missing_ok=True)

    def _path_of(self, process: str) -> Path:
        return self.search.folder / f"{process}.process"

    def _put_back(self, number: int, params: Mapping[str, Any]) -> None:
        self.study.tell(number, state=_state("FAIL"))
        self.study.enqueue_trial(dict(params))

    def _take_over(self) -> None:
        """Puts back what processes were at that are no more."""
        for trial in self._trials("RUNNING"):
            process = trial.user_attrs.get(PROCESS, "")
            if process != self._name and self._is_gone(process):
                self._put_back(trial.number, trial.params)

    def _is_gone(self, process: str) -> bool:
        try:
            with locked(self._path_of(process), timeout=0):
                self._path_of(process).unlink(missing_ok=True)
                return True
        except Timeout:
            return False

    def _refill(self, waiting: list[PlannedRun]) -> bool:
        if not self._free or waiting or time.monotonic() - self._looked < (LOOK_EVERY_S if self._waits else 0.0):
            return True
        self._looked = time.monotonic()
        with locked(self.search.folder / "lock"):  # others ask, too, and all trials together are so many
            self._take_over()
            while len(waiting) < len(self._free) and self._count("RUNNING", "COMPLETE", "PRUNED") < self._wanted:
                waiting += self._asked()
        self._waits = not waiting
        return self._count("COMPLETE", "PRUNED") < self._wanted

    @property
    def _wanted(self) -> int:
        return self.search.trials - len(self._lost)

    def _trials(self, *states: str) -> list[Any]:
        return self.study.get_trials(deepcopy=False, states=tuple(map(_state, states)))

    def _count(self, *states: str) -> int:
        return len(self._trials(*states))

    def _asked(self) -> list[PlannedRun]:
        """The next point as a run; none where that run is going already, which then answers for both."""
        import optuna

        number = len(self.study.get_trials(deepcopy=False))  # so that a search begins the same way each time
        seed = int(np.random.SeedSequence([self.search.seed, number]).generate_state(1)[0])
        self.study.sampler = optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=RANDOM, multivariate=True, constant_liar=True
        )
        trial = self.study.ask()
        trial.set_user_attr(PROCESS, self._name)
        point = [axis.override(_suggested(trial, axis)) for axis in self.search.axes]
        overrides = (*self.search.of_trials, *point)
        run = Run(run_id(compose(overrides)), self.search.seed)
        trial.set_user_attr(POINT, point)
        self._open.setdefault(run, []).append(trial)
        label = f"{self.search.name} {trial.number}: {' '.join(point)}"
        known = len(self._open[run]) > 1
        return [] if known else [PlannedRun(run.run_id, label, overrides, run, "missing", "", None)]

    def _show(self, view: View, name: str, item: PlannedRun) -> None:
        super()._show(view, name, item)
        if item.run not in self._hopeless and item.run in self._processes:
            if self._is_hopeless(item.run):
                self._hopeless.add(item.run)
                self.starter.leave([self._processes[item.run][1]])

    def _is_hopeless(self, run: Run) -> bool:
        """Tells the study of the epochs that have been finished since; whether the trial is below the median."""
        first = self._open[run][0]
        told = self._told_epochs.get(first.number, 0)
        curve = self.curve(run) if _epochs_done(run) > told else ()
        self._tell(self._open[run], curve)
        return len(curve) > told and first.should_prune()

    def _tell(self, trials: Sequence[Any], curve: Sequence[float]) -> None:
        """Of the curve what is new to each."""
        for trial in trials:
            told = self._told_epochs.get(trial.number, 0)
            for epoch, value in list(enumerate(curve, 1))[told:]:
                trial.report(value, epoch)
            self._told_epochs[trial.number] = max(len(curve), told)

    def _last_word(self, name: str, item: PlannedRun, code: int, why: str) -> str:
        trials = self._open.pop(item.run)
        self._waits = False
        record = _record(item.run)
        if record is None or record.status == "failed":
            hopeless = item.run in self._hopeless
            self._hopeless.discard(item.run)  # its point may be asked for again
            if hopeless:
                self._tell(trials, self.curve(item.run))
            for trial in trials:
                self.study.tell(trial, state=_state("PRUNED" if hopeless else "FAIL"))
            if hopeless:
                return f"{name}: hopeless after epoch {self._told_epochs[trials[0].number]}, ended"
            return super()._last_word(name, item, code, why)
        self._tell(trials, validation_curve(record, self.search.column.name))
        metrics = validation(record)
        value = metrics.get(self.search.column.name)
        if record.status == "diverged":  # as bad as can be
            value = -self.search.column.sign * math.inf
        elif value is None:
            raise UserError(
                f"conf/search/{self.search.name}.yaml: metric: {self.search.column.name}: "
                f"no such metric of these runs; choose one of {', '.join(metrics)}"
            )
        for trial in trials:
            self.study.tell(trial, value)
        return f"{name}: {ended(self.search, record)}"

    def _show_total(self, view: View, waiting: Sequence[PlannedRun]) -> None:
        done = self._count("COMPLETE", "PRUNED")
        view.show(ALL, {"phase": "all", "step": done, "steps": self.search.trials, "seconds_left": None})


def _state(name: str) -> Any:
    from optuna.trial import TrialState

    return TrialState[name]


def _epochs_done(run: Run) -> int:
    return max((int(path.name.split("-")[1]) for path in run.folder.glob("epoch-*.ckpt")), default=0)


def _suggested(trial: Any, axis: Axis) -> Any:
    if axis.choices:
        return trial.suggest_categorical(axis.name, list(axis.choices))
    suggest = trial.suggest_int if axis.is_whole else trial.suggest_float
    return suggest(axis.name, axis.low, axis.high, log=axis.log)


def _record(run: Run) -> Any:
    try:
        return run.record()
    except CorruptFileError:
        return None
