"""One run: compose, train (or find it trained), test, count, record.

python -m experiments.run arch=squeezenet arch.bypass=simple data=fashion_mnist budget=proxy seed=0
"""

import math
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from experiments.suite import cli, fingerprint, online, provenance, sweep
from experiments.suite.coded_sizes import said
from experiments.suite.compose import compose
from experiments.suite.devices import hide_gpus
from experiments.suite.identity import run_id
from experiments.suite.net_names import of_paper
from experiments.suite.overrides import check_command
from experiments.suite.paths import DATA_CACHE, shown
from experiments.suite.plan import FINISHED
from experiments.suite.progress import TABLE_PROCESS, Reporter, WorkerReporter, print_line
from experiments.suite.record import Record, pack_bits
from experiments.suite.record import outcome as ended
from experiments.suite.store import Busy, Run
from experiments.suite.timings import structural
from lightning_modules.errors import CorruptFileError, UserError

LANDMARKS = "landmarks"  # the task whose parts of a run are in experiments/landmark_run.py
FIRST_PROCESS = "COMPACT_NETS_FIRST_PROCESS"  # set for the processes that a run of several starts: its process id
LAUNCHER = ("hydra/launcher", "hydra.launcher")  # what only a sweep has
# What a plain run has no part in, though checking its fields, or a compressed run that begins with it, loads it.
COMPRESSION = (
    "lightning_modules/compression/",
    "lightning_modules/onnx_files.py",
    "lightning_modules/landmark_compression.py",
)


def run(config: dict[str, Any]) -> Record:
    """The run's record: the one that exists, or a new one.

    Raises:
        UserError: something about the configuration or the data; nothing is written.
        Busy: another process is at this run.
    """
    name = Run(run_id(config), config["seed"])
    with suppress(CorruptFileError):  # one that cannot be read is dealt with below, by the owner of the run
        found = name.record()
        if found and found.status in FINISHED:
            print_line(f"done before: {describe(found)} ({shown(name.record_path)})")
            return found
    if name.is_busy():
        raise Busy(name.owner())
    config = {**config, "logger": online.reachable(config["logger"])}
    built = build(config)
    origin = _origin(config, built)
    with name.claimed():
        return _finished(name) or _recorded(config, name, built, origin)


def build(config: dict[str, Any]) -> Any:
    """The experiment, built and checked, with nothing written. Raises UserError."""
    if config["task"] == LANDMARKS:
        from experiments import landmark_run

        return landmark_run.build(config)
    from lightning_modules import experiment  # imports torch, which takes seconds

    built = experiment.build(config, DATA_CACHE)
    if config["compression"]["steps"]:
        from lightning_modules.compression import pipeline  # a plain run neither needs nor fingerprints it

        pipeline.check(built, config["compression"])
    return built


def _origin(config: dict[str, Any], built: Any) -> Any:
    """What a compressed run begins with, trained before that run is claimed, timed or logged; None of a plain run."""
    if config["task"] == LANDMARKS:
        from experiments import landmark_run

        return landmark_run.origin_of(config, built, run)
    if not config["compression"]["steps"]:
        return None
    from experiments.origin import origin_of

    return origin_of(config, built, run)


def follow(config: dict[str, Any]) -> None:
    """The part of one of several processes (DDP) but the first, which started this one, has claimed the run and ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal; the first says so, once
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    first = int(os.environ.get(FIRST_PROCESS, os.getppid()))  # which may be gone by now
    threading.Thread(target=_end_with, args=(first,), daemon=True).start()
    from lightning_modules import experiment

    built = experiment.build(config, DATA_CACHE)
    with suppress(experiment.Follower):
        experiment.run(built, Run(run_id(config), config["seed"]).folder, None, lambda progress: None)


def _end_with(first: int) -> None:
    """Ends this process soon after the first, which may have been killed while this one waits for it."""
    while os.getppid() == first:
        time.sleep(1)
    os._exit(1)


def _finished(name: Run) -> Record | None:
    """The run's record if it counts. One that cannot be read is set aside, with a line that says so."""
    try:
        found = name.record()
    except CorruptFileError as error:
        name.set_aside()
        print_line(f"{error}; kept as {name.record_path.name}.damaged, the run is done again")
        return None
    return found if found and found.status in FINISHED else None


def _recorded(config: dict[str, Any], name: Run, built: Any, origin: Any) -> Record:
    """The run, done and recorded. What goes wrong in it is recorded, too, and raised."""
    code = _code(config)
    begins_with = {role: of["weights_sha256"] for role, of in origin.of.items()} if origin else {}
    if not name.same_code(code | begins_with):
        print_line("its checkpoints are of other code than this, or of another parent; it starts over")
        name.start_over()
        name.same_code(code | begins_with)
    attempt, number = name.begin_attempt()
    made_of = {
        "run_id": name.run_id,
        "seed": name.seed,
        "label": config["label"],
        "code": code,
        "packages": provenance.packages(),
        "machine": {**provenance.machine(), "accelerator": config["trainer"]["accelerator"]},
        "threads": built.where.threads or max(1, provenance.cores() // built.where.devices),
        **provenance.commit(),
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "attempts": attempt,
    }
    try:
        return _train(config, name, built, origin, made_of, number)
    except UserError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        result = {"status": "failed", "reason": reason, "metrics": {}, "curves": [], "per_example": {}}
        name.write(Record(result, {}, _without_places(config), made_of))
        raise


def _code(config: dict[str, Any]) -> dict[str, str]:
    """The fingerprint."""
    found = fingerprint.of_modules(sys.modules)
    if config["compression"]["steps"]:
        return found
    return {path: digest for path, digest in found.items() if not path.startswith(COMPRESSION)}


def _without_places(config: dict[str, Any]) -> dict[str, Any]:
    """Where the data lay and whose account it was is nobody's business."""
    data = {**config["data"], "root": None, "mirrors": None}
    return {**config, "data": data, "logger": {**config["logger"], "entity": None}}


def _train(config: dict[str, Any], name: Run, built: Any, origin: Any, made_of: dict[str, Any], number: int) -> Record:
    from experiments.tracking import log_result, tracked, wandb_path

    if config["task"] == LANDMARKS:
        from experiments.landmark_run import log_result

    began = time.monotonic()
    label = config["label"] or name.run_id
    entity, config = config["logger"]["entity"], _without_places(config)
    with tracked(config, name.run_id, number, label, entity) as logger, _reporter(name, label) as report:
        done = _done(config, name, built, origin, logger, report)
        for path in done.damaged:
            went_on = f"went on from epoch {done.resumed_after}" if done.resumed_after else "started over"
            print_line(f"warning: {shown(path)} is damaged and was not used; {went_on}")
        record = Record(
            result=done.result,
            cost=done.cost,
            config=config,
            provenance={
                **made_of,
                **done.of,
                "training_s": round(done.training_s, 1),
                "wall_s": round(max(time.monotonic() - began, done.training_s), 1),
                "wandb": wandb_path(logger),
            },
        )
        name.write(record)
        log_result(logger, record, done.module, built.data)
    print_line(f"{describe(record)} ({shown(name.record_path)})")
    return record


@dataclass
class Done:
    """What goes into the record of a run that was plain or compressed; ``of``: the runs that it began with."""

    result: dict[str, Any]
    cost: dict[str, Any]
    module: Any
    training_s: float
    resumed_after: int
    damaged: list[Path]
    of: dict[str, Any] = field(default_factory=dict)


def _done(config: dict[str, Any], name: Run, built: Any, origin: Any, logger: Any, report: Any) -> Done:
    if config["task"] == LANDMARKS:
        from experiments import landmark_run

        return Done(**landmark_run.done(config, name, built, origin, logger, report))
    from lightning_modules import experiment

    if origin is not None:
        return _compressed(config, name, built, origin, logger, report)
    outcome = experiment.run(built, name.folder, logger, report)
    result = _result(outcome, built.module)
    cost = _cost(config, built)
    return Done(result, cost, built.module, outcome.training_s, outcome.resumed_after, outcome.damaged)


def _compressed(config: dict[str, Any], name: Run, built: Any, origin: Any, logger: Any, report: Any) -> Done:
    from lightning_modules.complexity import measure
    from lightning_modules.compression import pipeline

    found = pipeline.run(built, config, origin.begins_with, name.folder, logger, report)
    result = _result(found, found.module) | {
        "compression": {"stages": found.stages, "file": said(found.sizes) if found.sizes else None}
    }
    result["metrics"] |= origin.before
    result["compression"] |= {"arithmetic": found.arithmetic} if found.arithmetic else {}
    if found.arithmetic.get("float32"):
        print_line(f"warning: of its products {found.arithmetic['float32']} are computed in float32, not in int8")
    cost = _cost(config, built)
    cost["run"] = measure(found.net.cpu(), tuple(cost["run"]["input"]))
    if structural(config["compression"]):
        cost = _with_layers_as_compressed(cost, config)
    return Done(result, cost, found.module, found.training_s, found.resumed_after, found.damaged, origin.of)


def _with_layers_as_compressed(cost: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """Of the paper's net, too; without that where the new layers depend on trained weights."""
    from lightning_modules.complexity import measure
    from lightning_modules.compression.structure import restructure
    from lightning_modules.nets.build import build_net
    from lightning_modules.paper_cost import CLASSES

    net = build_net(of_paper(config["arch"]), CLASSES, config["arch"]["paper_input"][0])
    try:
        restructure(net, config["compression"])
    except UserError:
        return {"run": cost["run"]}
    return {**cost, "paper": measure(net, tuple(config["arch"]["paper_input"]))}


def _cost(config: dict[str, Any], built: Any) -> dict[str, Any]:
    from lightning_modules import experiment

    return experiment.cost({**config, "arch": of_paper(config["arch"])}, built)


def _result(outcome: Any, module: Any) -> dict[str, Any]:
    status, metrics, per_example = outcome.status, outcome.metrics, {}
    if status == "done" and not all(math.isfinite(value) for value in metrics.values()):
        status, metrics = "diverged", {"train/diverged_epoch": len(outcome.curves)}
    if status == "done":
        per_example = {
            "test/top1_acc": pack_bits(module.top1_correct.numpy(), scale=100.0),
            "test/top5_acc": pack_bits(module.top5_correct.numpy(), scale=100.0),
        }
    return {
        "status": status,
        "metrics": metrics,
        "curves": outcome.curves,
        "per_example": per_example,
        "weights_sha256": outcome.weights_sha256,
    }


def describe(record: Record) -> str:
    """The run in a few words: its label, its seed and how it ended."""
    return f"{record.provenance.get('label') or record.run_id}, seed {record.seed}: {ended(record)}"


def _reporter(name: Run, label: str) -> Any:
    table = os.environ.get(TABLE_PROCESS)
    return WorkerReporter(name.progress_path, int(table)) if table else Reporter(f"{label}, seed {name.seed}")


def main(arguments: list[str]) -> int:
    if sweep.is_sweep(arguments):
        return sweep.main(arguments)
    if any(argument.startswith("-") for argument in arguments):
        return _through_hydra(arguments)
    if launchers := [argument for argument in arguments if argument.lstrip("+").startswith(LAUNCHER)]:
        raise UserError(f"{launchers[0]}: is for sweeps; add -m, or leave it out")
    config = compose(arguments)
    if config["trainer"]["accelerator"] == "cpu":
        hide_gpus()
    if config["trainer"]["devices"] > 1 and int(os.environ.get("LOCAL_RANK", 0)) > 0:
        follow(config)
    else:
        if config["trainer"]["devices"] > 1:
            os.environ[FIRST_PROCESS] = str(os.getpid())
        run(config)
    return 0


def _through_hydra(arguments: list[str]) -> int:
    """Hydra's own ways to show: --cfg and --help."""
    check_command(arguments)
    cli.hydra_main("run", lambda composed: None, arguments)
    return 0


if __name__ == "__main__":
    cli.call(main)
