"""Made records by the hundred, so that a test of the report needs no training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.suite import contract
from experiments.suite.files import write_json
from experiments.suite.plan import rows_of
from experiments.suite.record import Record, pack_bits, pack_numbers

IMAGES, EPOCHS, LAYERS = 10_000, 12, 30
HOSTILE = '<script>alert("label")</script><img src=x onerror=alert(1)> </script> "\'&{{7*7}}'


def record(run_id: str, seed: int, error: float, label: str = "A net", images: int = IMAGES, **config: Any) -> Record:
    """A finished run with curves, layers and the answers to the test images; ``error`` in percent."""
    generator = np.random.default_rng([seed, round(error * 1000)])
    right = generator.random(images) >= error / 100
    curves = [
        {"epoch": epoch + 1, "lr": 0.01, "train/loss": 2 / (epoch + 1), "train/top1_err": 60 / (epoch + 1), "val/loss": 1.0,
         "val/top1_err": error + 30 / (epoch + 1) + generator.random()}
        for epoch in range(EPOCHS)
    ]  # fmt: skip
    layers = [
        {"layer": f"fire{index}", "params": 100 * index + 7, "macs": 9_000 * (LAYERS - index)}
        for index in range(LAYERS)
    ]
    cost = {
        "input": [3, 32, 32],
        "params": 45_000 - round(1000 * error),
        "macs": 4_000_000 - round(1000 * error),
        "by_layer": layers,
    }
    accuracy = float(100 * right.mean())
    metrics = {
        "test/top1_acc": accuracy,
        "test/top1_err": 100 - accuracy,
        "test/top5_acc": 99.0,
        "test/loss": 0.4,
        "val/top1_err": error,
    }
    return Record(
        result={"status": "done", "metrics": metrics, "curves": curves, "per_example": {"test/top1_acc": pack_bits(right, 100.0)}},
        cost={"paper": {**cost, "params": 1_248_424, "macs": 832_667_936 + round(1000 * error)}, "run": cost},
        config={
            "task": "classification", "label": label, "tags": [label], "seed": seed, "arch": {"name": "made", "net": "Made"},
            "data": {"name": "fashion_mnist", "classes": ["shirt", label]}, "budget": {"name": "proxy", "images_seen": 216_000},
            "recipe": {"name": "proxy", "lr": 0.01}, "compression": {"name": "none", "steps": []}, **config,
        },
        provenance={
            "run_id": run_id, "seed": seed, "label": label, "code": {}, "packages": {"python": "3.11"}, "threads": 1,
            "machine": {"cpu": "made"}, "started_at": "2026-01-02T03:04:05+00:00", "wall_s": 61.0, "attempts": 1,
            "wandb": "results/local/wandb/offline-run-made",
        },
    )  # fmt: skip


def write(results: Path, made: Record, public: bool = False) -> None:
    path = (
        f"published/records/{made.run_id}/{made.seed}.json"
        if public
        else f"local/runs/{made.run_id}/{made.seed}/record.json"
    )
    write_json(results / path, made.to_json(), durable=False)


def of_table(
    results: Path, table: str, seeds: Sequence[int], public: bool = False, label: str | None = None
) -> list[str]:
    """Records of all of a table's trained rows; returns their run ids. Each row is better than the one before it."""
    rows = rows_of(contract.load(table), contract.DEFAULT_BUDGET)
    for index, row in enumerate(rows):
        for seed in seeds:
            write(results, record(row.contract_id, seed, 14.0 - index, label or row.label), public)
    return [row.contract_id for row in rows]


def of_faces(results: Path, rows: Sequence[str], seeds: Sequence[int], faces: int = 60) -> None:
    """Records of these rows of table12, each better than the one before it: what is known of each test face, and its error."""
    plans = {row.row: row for row in rows_of(contract.load("table12"), contract.DEFAULT_BUDGET)}
    generator = np.random.default_rng(0)
    known = {
        "face/yaw": np.linspace(-60, 60, faces),
        "face/scale": np.linspace(0.05, 0.3, faces),
        "face/occlusion": np.zeros(faces),
    }
    for index, row in enumerate(rows):
        for seed in seeds:
            errors = 8 - index + generator.random(faces)
            made = record(plans[row].contract_id, seed, 9.0, plans[row].label, task="landmarks")
            per_face = {"test/nme": errors, **known}
            made.result.update(
                {
                    "metrics": {"test/nme": float(errors.mean())},
                    "per_example": {name: pack_numbers(values) for name, values in per_face.items()},
                    "test_points": pack_numbers(np.zeros((faces, 5, 2))) | {"shape": [faces, 5, 2]},
                }
            )
            write(results, made)


def hundreds(results: Path, count: int) -> None:
    """``count`` records, five seeds a run, the first of them of table3's and table4's rows."""
    ids = [run_id for table in ("table3", "table4") for run_id in of_table(results, table, range(5))]
    for number in range(len(set(ids)), count // 5):
        for seed in range(5):
            run_id = f"made-fashion_mnist-none-proxy-{number:010x}"
            write(
                results,
                record(
                    run_id,
                    seed,
                    8 + number % 10,
                    f"Made net {number}",
                    arch={"name": "made", "net": "Made", "width": number},
                ),
            )
