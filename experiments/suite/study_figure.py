"""The figure of a search: the best so far trial by trial, and what each axis' values came to."""

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.suite import fingerprint
from experiments.suite.aggregate_figure import logarithmic, save
from experiments.suite.figure import ROOMY, STYLES, WIDTH
from experiments.suite.study import Axis, Search
from experiments.suite.study_report import PRUNED, Tried

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOOKS = {"done": STYLES[0][:2], PRUNED: STYLES[1][:2]}  # colour and marker


def draw(search: Search, trials: Sequence[Tried], folder: Path) -> list[Path]:
    """<folder>/<search>.png and .svg; none where no trial has a value."""
    shown = [trial for trial in trials if trial.value is not None]
    if not shown:
        return []
    of = [
        search.column.name,
        *map(str, search.axes),
        fingerprint.of_file(Path(__file__)),
        *([trial.number, trial.point, trial.value, trial.state] for trial in shown),
    ]
    return save(lambda: _drawn(search, shown), folder, search.name, of)


def _drawn(search: Search, shown: Sequence[Tried]) -> "Figure":
    from matplotlib.figure import Figure

    panels = 1 + len(search.axes)
    drawn = Figure(figsize=(WIDTH, 0.4 + ROOMY.height * panels), layout="constrained")
    axes = list(drawn.subplots(panels, sharey=True, squeeze=False)[:, 0])
    _history(axes[0], search, shown)
    for each, axis in zip(axes[1:], search.axes, strict=True):
        _of_axis(each, axis, shown)
    for each in axes:
        each.set_ylabel(search.column.header)
        each.grid(linewidth=0.3)
    drawn.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", frameon=False, ncols=3)
    return drawn


def _history(axes: "Axes", search: Search, trials: Sequence[Tried]) -> None:
    _points(axes, [trial.number for trial in trials], trials)
    whole = [trial for trial in trials if trial.state == "done"]
    better = min if search.column.better == "lower" else max
    so_far = list(accumulate((trial.value or 0.0 for trial in whole), better))
    numbers = [trial.number for trial in whole]
    axes.plot(numbers, so_far, color="0.5", linewidth=1, drawstyle="steps-post", label="best so far", zorder=1)
    axes.set_xlabel("trial")


def _of_axis(axes: "Axes", axis: Axis, trials: Sequence[Tried]) -> None:
    values: list[Any] = [trial.params[axis.name] for trial in trials]
    if axis.choices:
        values = [axis.choices.index(value) for value in values]
        axes.set_xticks(range(len(axis.choices)), list(map(str, axis.choices)))
    elif axis.log:
        logarithmic(axes, max(values) / min(values))
    _points(axes, values, trials)
    axes.set_xlabel(axis.name)


def _points(axes: "Axes", across: Sequence[float], trials: Sequence[Tried]) -> None:
    for state, (colour, marker) in LOOKS.items():
        chosen = [(x, trial.value) for x, trial in zip(across, trials, strict=True) if trial.state == state]
        if chosen:
            axes.plot(
                *zip(*chosen, strict=True), color=colour, marker=marker, markersize=4, linestyle="none", label=state
            )
