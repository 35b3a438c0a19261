"""A sweep: every combination of what a command line lists, planned, run where it is missing, and summed up.

The grammar is Hydra's (``a,b``, ``range(1,4)``, ``glob(*)``); who does the runs is conf/hydra/launcher. All of it is
composed before the first run starts, and what is finished is not started at all.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from experiments.suite import aggregate_view, contract
from experiments.suite.compose import compose, explain, frozen
from experiments.suite.composed import remember
from experiments.suite.identity import run_id
from experiments.suite.launch import Failures, Pool, say_failures
from experiments.suite.overrides import check_command
from experiments.suite.parents import parents
from experiments.suite.paths import conf
from experiments.suite.plan import PlannedRun, RowPlan, longest_first, minutes_left, plan
from experiments.suite.progress import duration, print_line
from experiments.suite.record import Record, outcome
from experiments.suite.sweep_launchers import Launcher, chosen
from lightning_modules.errors import CorruptFileError, UserError

OPTIONS = ("-m", "--multirun")
NO_JOB = "the sweep has no job; the rows of a table are '+experiment/table3=glob(*)'"
EXPERIMENT = "experiment/"
METRICS, NAME = (
    ("val/top1_err", "val/nme"),
    "sweep",
)  # a sweep ends with its runs by one of these, in files of that name
UNNAMED = ("seed=", "label=", "tags=")  # what a run is called by is not among these


@dataclass
class Sweep:
    """``runs``: each once, whatever their state. ``wrong``: by mistake, the jobs that cannot be composed."""

    runs: list[PlannedRun] = field(default_factory=list)
    trainers: list[Mapping[str, Any]] = field(default_factory=list)
    wrong: Failures = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @property
    def missing(self) -> list[PlannedRun]:
        return [run for run in self.runs if run.to_do]

    @property
    def trainer(self) -> Mapping[str, Any]:
        """The conf/trainer that asks for most, for which there must be room."""
        return max(self.trainers, key=lambda trainer: trainer["devices"])


def is_sweep(arguments: Sequence[str]) -> bool:
    """Whether the command asks for one, and not to be shown something."""
    options = [argument for argument in arguments if argument.startswith("-")]
    return bool(options) and all(option in OPTIONS for option in options)


def main(arguments: Sequence[str]) -> int:
    """Does what is missing of the sweep. 0: all is done; 1: some runs came to nothing, which the end of it lists.

    Raises:
        UserError: the sweep has no job, or none that can be composed.
    """
    check_command(arguments)
    launcher, overrides = chosen([argument for argument in arguments if argument not in OPTIONS])
    sweep = planned(overrides)
    code = done(sweep, launcher)
    records = records_of(sweep)
    if metric := next((name for name in METRICS if any(name in record.metrics for record in records)), None):
        aggregate_view.of_runs(records, (), metric, NAME)
    return code


def done(sweep: Sweep, launcher: Launcher, told: Callable[[Record], str] = outcome) -> int:
    """Does what is missing of a planned sweep, and says how it ended."""
    if sweep.left_out:
        print_line(f"only measured (trained: false), so left out: {', '.join(sweep.left_out)}")
    missing = sweep.missing
    places = launcher.places(sweep.trainer, len(missing)) if missing else []
    print_line(outlook(sweep, launcher.at_a_time(places)))
    if missing:
        frozen()
    remember()
    failures = dict(sweep.wrong)
    if missing:
        failures |= Pool(longest_first(missing), places, starter=launcher.starter(sweep.trainer), told=told).run()
    say_failures(failures)
    return 1 if failures else 0


def records_of(sweep: Sweep) -> list[Record]:
    """Of its runs that have one by now."""
    found = []
    for planned_run in sweep.runs:
        with suppress(CorruptFileError):
            found.append(planned_run.run.record())
    return [record for record in found if record]


def planned(overrides: Sequence[str]) -> Sweep:
    """Raises UserError where there is no job, or none that can be composed."""
    jobs, left_out = split(overrides)
    if not jobs:
        raise UserError(NO_JOB)
    varied = [index for index, values in enumerate(zip(*jobs, strict=True)) if len(set(values)) > 1]
    sweep = Sweep(left_out=left_out)
    rows: dict[str, tuple[RowPlan, dict[int, None]]] = {}
    first: UserError | None = None
    for job in jobs:
        try:
            config = compose(job)
            row = _row(job, config, [job[index] for index in varied])
        except UserError as error:
            first = first or error
            sweep.wrong.setdefault((str(error), 1), []).append(" ".join(job[index] for index in varied) or "the run")
            continue
        rows.setdefault(row.run_id, (row, {}))[1][config["seed"]] = None
        if config["trainer"] not in sweep.trainers:
            sweep.trainers.append(config["trainer"])
    if first and not rows:
        raise first
    sweep.runs = [run for row, seeds in rows.values() for run in plan([row], list(seeds))]
    return sweep


def _row(job: Sequence[str], config: Mapping[str, Any], varied: Sequence[str]) -> RowPlan:
    """What the jobs of one configuration have in common, whatever their seeds."""
    name = run_id(config)
    words = [override.lstrip("+") for override in varied if not override.lstrip("+").startswith(UNNAMED)]
    return RowPlan(
        row=name,
        label=" ".join([config["label"], *words] if config["label"] else words) or name,
        overrides=tuple(override for override in job if not override.lstrip("+").startswith("seed=")),
        run_id=name,
        contract_id=name,
        proxy_id=name,
        share=None,
        parents=tuple(run_id(ancestor) for ancestor in parents(config).values()),
    )


def split(overrides: Sequence[str]) -> tuple[list[list[str]], list[str]]:
    """The overrides of each job, in Hydra's order, and the rows of tables that a glob named but nobody trains.

    Raises:
        UserError: not in Hydra's grammar, or what has no end of values: an interval, a range whose step is 0 or whose end is infinite.
    """
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        with initialize_config_dir(str(conf()), version_base="1.3", job_name="run"):
            parser = OverridesParser.create(GlobalHydra.instance().config_loader())
            found = {override.get_key_element(): override for override in parser.parse_overrides(list(overrides))}
            values = {key: list(_values(override)) for key, override in found.items()}
    except HydraException as error:
        raise UserError(explain(error)) from error
    left_out = []
    for key, override in found.items():
        if _is_a(override, "Glob") and (untrained := _untrained(key)):
            left_out += [f"{key.lstrip('+')}={value}" for value in values[key] if value in untrained]
            values[key] = [value for value in values[key] if value not in untrained]
    choices = [[f"{key}={value}" for value in each] for key, each in values.items()]
    return [list(job) for job in itertools.product(*choices)], left_out


def _values(override: Any) -> Iterator[str]:
    if not override.is_sweep_override():
        yield override.get_value_element_as_str()
    elif not override.is_discrete_sweep() or (_is_a(override, "RangeSweep") and not _ends(override.value())):
        raise UserError(
            f"{override.input_line}: has no end of values; list them (a,b), use range(), or search (docs/sweeps.md)"
        )
    elif _is_a(override, "RangeSweep"):
        yield from (_plain(text) for text in override.sweep_string_iterator())
    else:
        yield from override.sweep_string_iterator()


def _ends(values: Any) -> bool:
    return values.step != 0 and all(map(math.isfinite, (values.start, values.stop, values.step)))


def _is_a(override: Any, kind: str) -> bool:
    return type(override.value()).__name__ == kind


def _plain(number: str) -> str:
    """range(0.1,0.4,step=0.1) has 0.3 in it, not 0.30000000000000004, which would be another run."""
    return number if number.lstrip("-").isdigit() else f"{float(number):.12g}"


def _untrained(key: str) -> set[str]:
    """The rows whose contract says that they are measured and not trained, where ``key`` chooses a table's rows."""
    table = key.lstrip("+").removeprefix(EXPERIMENT)
    if not key.lstrip("+").startswith(EXPERIMENT) or table not in contract.names():
        return set()
    return {row.name for row in contract.load(table).rows if not row.trained}


def outlook(sweep: Sweep, jobs: int) -> str:
    """What is about to happen, in one line."""
    total, missing = len(sweep.runs), sweep.missing
    if not missing:
        return f"sweep: all {total} runs are done"
    minutes = minutes_left(longest_first(missing), jobs)
    time = "time unknown" if minutes is None else f"about {duration(60 * minutes)}"
    return f"sweep: {len(missing)} of {total} runs to do, {min(jobs, len(missing))} at a time, {time}"
