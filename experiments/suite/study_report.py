"""What a search has found: its best trial with the command that trains it fully, what mattered, a list and a figure."""

import csv
import io
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.suite.files import write_text
from experiments.suite.study import Search
from experiments.suite.study_trials import POINT

if TYPE_CHECKING:
    import optuna

PRUNED = "hopeless"
STATES = {"COMPLETE": "done", "PRUNED": PRUNED}
ENOUGH = 4  # trials, before it is said what mattered


@dataclass(frozen=True)
class Tried:
    """A trial: its point as overrides and as numbers, what validation said at its last epoch, in which it ended."""

    number: int
    point: tuple[str, ...]
    params: Mapping[str, Any]
    value: float | None
    state: str
    epochs: int


def tried(study: "optuna.Study") -> list[Tried]:
    """The trials that told something, in their order. One that diverged has no value."""
    found = []
    for trial in study.get_trials(deepcopy=False):
        if trial.state.name in STATES:
            last = max(trial.intermediate_values, default=0)
            value = trial.value if trial.state.name == "COMPLETE" else trial.intermediate_values.get(last)
            finite = value is not None and math.isfinite(value)
            state = STATES[trial.state.name] if finite else "diverged"
            point = tuple(trial.user_attrs.get(POINT, ()))
            found.append(Tried(trial.number, point, trial.params, value if finite else None, state, last))
    return found


def best(search: Search, trials: Sequence[Tried]) -> Tried | None:
    """Of those that came to their end."""
    whole = [trial for trial in trials if trial.state == "done" and trial.value is not None]
    return min(whole, key=lambda trial: -search.column.sign * (trial.value or 0.0), default=None)


def importances(study: "optuna.Study") -> dict[str, float]:
    """Each axis' share of what makes trials good: PED-ANOVA (Watanabe et al., 2023, arXiv:2304.10255).

    It compares the best trials with all, so that those that were hopeless or diverged count as what they are. Empty where
    there are too few trials, or all are alike.
    """
    import optuna

    known = {trial.number: trial for trial in study.get_trials(deepcopy=False)}
    trials = tried(study)
    values = [trial.value for trial in trials if trial.value is not None]
    if len(values) < ENOUGH or len(set(values)) == 1:
        return {}
    worst = max(values) if study.direction.name == "MINIMIZE" else min(values)
    whole = optuna.create_study(direction=study.direction)  # of these Optuna itself counts those that came to their end
    for trial in trials:
        value = worst if trial.value is None else trial.value
        distributions = known[trial.number].distributions
        whole.add_trial(optuna.trial.create_trial(params=dict(trial.params), distributions=distributions, value=value))
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    return dict(optuna.importance.get_param_importances(whole, evaluator=evaluator))


def command(search: Search, trial: Tried) -> str:
    """What trains the point fully, with the seeds of the grid."""
    seeds = f"seed={','.join(map(str, search.grid_seeds))}"
    overrides = [*search.overrides, *trial.point, seeds]
    return shlex.join([".venv/bin/python", "-m", "experiments.run", "-m", *overrides])


def lines(search: Search, trials: Sequence[Tried], shares: Mapping[str, float]) -> list[str]:
    """What is said at the end; ``shares``: what ``importances`` found."""
    top = best(search, trials)
    ended = {state: sum(trial.state == state for trial in trials) for state in ("done", PRUNED, "diverged")}
    counts = ", ".join(f"{count} {state}" for state, count in ended.items() if count)
    said = [f"{search.name}: {len(trials)} of {search.trials} trials{f' ({counts})' if counts else ''}"]
    if top is None or top.value is None:
        return [*said, "no trial has come to its end"]
    said += [f"best: {' '.join(top.point)}: {search.column.name} {search.column.text(top.value)} (trial {top.number})"]
    if shares:
        said += ["what mattered: " + ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares.items())]
    return [*said, f"to train it fully: {command(search, top)}"]


def ranked(search: Search, trials: Sequence[Tried]) -> list[Tried]:
    """The best first, those without a value last."""
    return sorted(trials, key=lambda trial: (trial.value is None, -search.column.sign * (trial.value or 0.0)))


def write_csv(search: Search, trials: Sequence[Tried], path: Path) -> Path:
    """A line a trial, the best first."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = [axis.name for axis in search.axes]
    writer.writerow(["trial", *names, search.column.name, "state", "epochs"])
    for trial in ranked(search, trials):
        point = [override.partition("=")[2] for override in trial.point]
        writer.writerow([trial.number, *point, trial.value, trial.state, trial.epochs])
    write_text(path, out.getvalue())
    return path
