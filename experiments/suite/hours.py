"""How long a row trains on GPUs, estimated from its multiply-adds, where no record tells. What it assumes stands here."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from experiments.suite import contract, costs, record
from experiments.suite.compose import compose
from experiments.suite.net_names import name_of
from experiments.suite.paths import published
from experiments.suite.plan import RowPlan, rows_of
from lightning_modules.errors import CorruptFileError
from lightning_modules.recipe import count_epochs

# Of one GPU, in the convolutions of a small net: a quarter of the 19.5 TFLOP/s that an NVIDIA A100 has in fp32. Wide nets
# reach half; narrow layers and maps of 13 pixels wait for memory.
SUSTAINED_FLOPS = 5e12
# By one worker (trainer.workers): decode, resize, crop. A server's core does 174 photos of 500 x 375 pixels.
DECODED_PER_S = 150.0
FLOPS_PER_MAC = 2
PASSES = 3  # a training step: forward, and backward for the weights and for the maps, each as long


@dataclass(frozen=True)
class Work:
    """What a run computes. ``trained`` and ``evaluated`` count images, repeats too; ``macs`` are of one image, forward."""

    macs: int
    epochs: int
    trained: int
    evaluated: int


@dataclass(frozen=True)
class Estimate:
    """``computed_per_s``: the training images that the GPUs could take; ``hours`` if the workers do not keep up, too."""

    hours: float
    computed_per_s: float


def estimate(work: Work, devices: int, workers: int) -> Estimate:
    """On ``devices`` GPUs with ``workers`` processes each, and a core for every one of those.

    They share the training images; each evaluates the whole validation split.
    """
    decoded = max(1, workers) * DECODED_PER_S
    evaluated = SUSTAINED_FLOPS / (FLOPS_PER_MAC * work.macs)
    trained = evaluated / PASSES
    seconds = work.trained / (devices * min(trained, decoded)) + work.evaluated / min(evaluated, decoded)
    return Estimate(seconds / 3600, devices * trained)


def work_of(config: Mapping[str, Any]) -> Work | None:
    """Of a run with this configuration; None where its images or its multiply-adds are not known without training it.

    Of a compressed run it is what its steps are trained on; its parent is a run of its own.
    """
    data, budget, arch = config["data"], config["budget"], config["arch"]
    macs = macs_of(arch)
    limits = [budget[f"{split}_images"] for split in ("train", "val", "test")]
    if macs is None or "share" not in data["validation"] or not data.get("images") or any(limits):
        return None
    if [data["channels"], data["size"], data["size"]] != list(arch["paper_input"]):
        return None
    held_out = round(data["validation"]["share"] * data["images"]["train"])
    train_images = data["images"]["train"] - held_out
    epochs = count_epochs(budget["images_seen"] or config["recipe"]["images_seen"], train_images)
    if config["compression"]["steps"]:
        epochs = _retrained(config["compression"]["steps"], epochs)
    return Work(macs, epochs, epochs * train_images, epochs * held_out + data["images"]["val"])


def _retrained(steps: Sequence[Mapping[str, Any]], plain: int) -> int:
    """Epochs of all steps and rounds, as lightning_modules/compression/pipeline.py trains them."""
    shares = [(step.get("rounds", 1), (step.get("retrain") or {}).get("images", 0)) for step in steps]
    return sum(rounds * max(1, round(share * plain)) for rounds, share in shares if share)


def macs_of(arch: Mapping[str, Any]) -> int | None:
    """Multiply-adds of this architecture at the paper's scale, as published: by a record of it, or counted alone."""
    for folder in sorted((published() / "records").glob(f"{arch['name']}-*")):
        for path in sorted(folder.glob("*.json"))[:1]:
            try:
                found = record.read(path)
            except (CorruptFileError, OSError):
                continue
            if all(arch.get(name) == value for name, value in found.config["arch"].items() if name != "stem"):
                return found.cost["paper"]["macs"]
    with suppress(CorruptFileError):
        if counted := costs.read(name_of(arch), public=True):
            return counted.cost["macs"]
    return None


def hours_of(config: Mapping[str, Any]) -> float | None:
    """What a run with this configuration takes on the GPUs that its trainer names; None on the CPU or where unknown."""
    trainer, work = config["trainer"], None
    if trainer["accelerator"] != "cpu":
        work = work_of(config)
    return estimate(work, trainer["devices"], trainer["workers"]).hours if work else None


HEAD = (
    "| table | row | multiply-adds, M | images seen, M | epochs | 1 GPU, hours | 8 GPUs, hours | images/s of 8 GPUs |\n"
    "| --- | --- | --: | --: | --: | --: | --: | --: |"
)


def markdown(budget: str) -> str:
    """Every implemented row of every table of classes at this budget, with a dash where nothing is known."""
    rows = [(table, row) for table in contract.names() for row in rows_of(contract.load(table), budget)]
    return "\n".join([HEAD, *(line for table, row in rows if (line := _line(table, row)))])


def _line(table: str, row: RowPlan) -> str | None:
    """None of a row that is not trained on several devices: the landmark cascade."""
    config = compose((*row.overrides, "trainer=ddp"))
    if config["task"] != "classification":
        return None
    work = work_of(config)
    cells = ["–"] * 6
    if work:
        one, eight = (estimate(work, devices, config["trainer"]["workers"]) for devices in (1, 8))
        cells = [
            f"{work.macs / 1e6:,.0f}",
            f"{work.trained / 1e6:.1f}",
            str(work.epochs),
            f"{one.hours:.0f}",
            f"{eight.hours:.1f}",
            f"{eight.computed_per_s:,.0f}",
        ]
    return f"| {table} | {row.label} | {' | '.join(cells)} |"
