"""Made records, so that a test of tables needs no training."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.suite.paths import CONF
from experiments.suite.record import Record, Status, pack_bits

COST = {
    "vanilla": {"params": 1_248_424, "macs": 832_667_936},
    "simple_bypass": {"params": 1_248_424, "macs": 832_667_936},
    "complex_bypass": {"params": 1_589_672, "macs": 1_000_000_000},
}


def made(
    seed: int,
    metrics: Mapping[str, float] | None = None,
    *,
    run_id: str = "net-data-none-proxy-0123456789",
    status: Status = "done",
    per_example: Mapping[str, np.ndarray] | None = None,
    cost: Mapping[str, Any] | None = None,
    budget: str = "proxy",
) -> Record:
    """One record. ``per_example`` (N,): 0/1 arrays are stored as bits that stand for 100 each, others as they are."""
    stored = {}
    for metric, values in (per_example or {}).items():
        bits = values.dtype == np.bool_
        stored[metric] = pack_bits(values, 100.0) if bits else {"values": values.tolist()}
    return Record(
        result={"status": status, "metrics": dict(metrics or {}), "curves": [], "per_example": stored},
        cost={"paper": dict(cost or COST["vanilla"])},
        config={"data": {"name": "fashion_mnist"}, "budget": {"name": budget, "images_seen": 216_000}},
        provenance={"run_id": run_id, "seed": seed},
    )


def row(
    name: str, top1: Sequence[float | None], images: int = 0, generator: np.random.Generator | None = None
) -> list[Record]:
    """A record a seed, from 0 on, with that top-1 accuracy in percent; None: the run diverged.

    With ``images`` the accuracy is that of as many right and wrong answers, drawn by ``generator``.
    """
    records = []
    for seed, accuracy in enumerate(top1):
        run_id = f"{name}-fashion_mnist-none-proxy-0123456789"
        cost = COST.get(name, COST["vanilla"])
        if accuracy is None:
            records.append(made(seed, run_id=run_id, status="diverged", cost=cost))
            continue
        metrics, kept = {"test/top1_acc": accuracy, "test/top5_acc": 99.0}, None
        if images:
            right = (generator or np.random.default_rng(seed)).random(images) < accuracy / 100
            kept = {"test/top1_acc": right}
            metrics["test/top1_acc"] = float(right.mean() * 100)
        records.append(made(seed, metrics, run_id=run_id, per_example=kept, cost=cost))
    return records


def contract(folder: Path, claims: str = "[]", rows: str | None = None, head: str = "") -> Path:
    """A conf folder with one table, ``made``, on the real conf/paper; ``claims`` and ``rows`` as YAML flow text.

    Its columns are params, model_mb, test/top1_acc, test/top1_err and val/latency_ms; its rows a, b, c have the
    numbers of SqueezeNet's Table 3, in its order.
    """
    rows = rows or (
        "{a: {label: Net A, paper: vanilla}, b: {label: Net B, paper: simple_bypass}, "
        "c: {label: Net C, paper: complex_bypass}}"
    )
    (folder / "table").mkdir(parents=True, exist_ok=True)
    if not (folder / "paper").exists():
        (folder / "paper").symlink_to(CONF / "paper")
    (folder / "experiment" / "made").mkdir(parents=True, exist_ok=True)
    for name in "abc":
        if f"{name}: {{" in rows:  # a file that is no row of the contract would be an extra one
            (folder / "experiment" / "made" / f"{name}.yaml").touch()
    default = "\n".join(
        (
            "title: A made table",
            "paper: squeezenet.table3_bypass",
            "seeds: [0, 1, 2, 3, 4]",
            "columns: [params, model_mb, test/top1_acc, test/top1_err, val/latency_ms]",
        )
    )
    text = f"{head or default}\nrows: {rows}\nclaims: {claims}\n"
    (folder / "table" / "made.yaml").write_text(text, encoding="utf-8")
    return folder
