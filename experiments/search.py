"""A search: conf/search/<search>.yaml by Optuna (method=tpe), or its grid with all seeds (method=grid).

python -m experiments.search search=lr_wd method=tpe trials=0 jobs=0 budget=proxy

Looks at validation and nothing else. The same command goes on where it was stopped, and works beside itself.
"""

from contextlib import suppress

from experiments.suite import aggregate_view, cli, study, study_figure, study_report, sweep
from experiments.suite.compose import compose, frozen
from experiments.suite.composed import remember
from experiments.suite.devices import places
from experiments.suite.launch import say_failures
from experiments.suite.paths import shown
from experiments.suite.progress import print_line
from experiments.suite.store import Run
from experiments.suite.study import Search
from experiments.suite.study_trials import STUDY, Trials, opened
from experiments.suite.sweep_launchers import chosen
from experiments.suite.verb import parse
from lightning_modules.errors import UserError, check_choice

OWN = {"search": None, "method": "tpe", "trials": 0, "jobs": 0}
METHODS = ("tpe", "grid")


def main(arguments: list[str]) -> int:
    own, extra = parse(arguments, OWN, passes_on=True)
    check_choice("method", own["method"], METHODS)
    launcher, extra = chosen(extra, jobs=own["jobs"])
    for override in extra:
        if override.lstrip("+").startswith(("seed=", "label=", "tags=")):
            raise UserError(f"{override}: a search chooses that itself (conf/search)")
    search = study.load(own["search"], extra, own["trials"])
    if own["method"] == "grid":
        return grid(search, launcher)
    if not launcher.is_here:
        raise UserError("hydra/launcher=slurm: a search runs on one machine; method=grid runs on a cluster")
    return tpe(search, launcher.jobs)


def grid(search: Search, launcher: sweep.Launcher) -> int:
    """Every point of the grid with every seed: a plain sweep, ranked by validation."""
    for axis in search.axes:
        if not axis.grid:
            raise UserError(f"conf/search/{search.name}.yaml: axes.{axis.name}: no grid, add one")
    points = [f"{axis.name}={','.join(map(study.typed, axis.grid))}" for axis in search.axes]
    seeds = f"seed={','.join(map(str, search.grid_seeds))}"
    found = sweep.planned([*search.overrides, *points, seeds])
    code = sweep.done(found, launcher, told=lambda record: study.ended(search, record))
    records = sweep.records_of(found)
    if records:
        aggregate_view.of_runs(records, [axis.name for axis in search.axes], search.column.name, f"{search.name}-grid")
    return code


def tpe(search: Search, jobs: int) -> int:
    """Tries points until the study has all its trials, and says what was found."""
    frozen()
    print_line(f"{search.title}: {search.trials} trials, {search.column.name}, in {shown(search.folder)}/study.db")
    import torch  # noqa: F401  # takes seconds: before trials wait for their first look
    from optuna.exceptions import StorageInternalError

    where = places(compose(search.of_trials)["trainer"], jobs, shared=True)
    try:
        opened_study = opened(search)
        remember()
        trials = Trials(
            [],
            where,
            [search.name],
            search=search,
            study=opened_study,
            curve=lambda run: curve(run, search.column.name),
        )
        failures = trials.run()
        found, shares = study_report.tried(opened_study), study_report.importances(opened_study)
    except StorageInternalError as error:
        problem = str(error.__cause__ or error).splitlines()[0]
        again = "give the command again; if it is damaged, move it away, its runs are kept"
        raise UserError(f"{shown(search.folder / STUDY)} cannot be used ({problem}); {again}") from error
    for line in study_report.lines(search, found, shares):
        print_line(line)
    paths = [study_report.write_csv(search, found, search.folder / "trials.csv")]
    paths += study_figure.draw(search, found, search.folder)
    print_line(f"written to {', '.join(shown(path) for path in paths)}")
    say_failures(failures)
    return 1 if failures else 0


def curve(run: Run, metric: str) -> list[float]:
    """The metric of validation at the end of each epoch so far, from the run's newest checkpoint."""
    import torch

    from lightning_modules.callbacks.checkpoint import latest

    with suppress(OSError):  # gone since: there is a newer one
        path, _ = latest(run.folder)
        content = torch.load(path, map_location="cpu", weights_only=True) if path else {"callbacks": {}}
        epochs = content["callbacks"].get("History", {}).get("epochs", ())
        return [epoch[metric] for epoch in epochs if metric in epoch]
    return []


if __name__ == "__main__":
    cli.call(main)
