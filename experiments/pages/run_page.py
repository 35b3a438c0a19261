"""A run: its results seed by seed, its curves, what each layer costs, its configuration and where it was made.

What it is compared with is in runs/<id>.js, a script that a page can load from a folder, too: that of each run has its
configuration, its curves and which test images it got right.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments.pages import templating
from experiments.pages.charts import Axis, Chart, Panel, Point, Series, as_csv
from experiments.pages.figures import learning_curves
from experiments.pages.gather import Report, Runs
from experiments.pages.table_page import shown_figure
from experiments.suite.progress import duration
from experiments.suite.record import Record, outcome

PAIRED = ("test/top1_acc", "test/nme", "test/top5_acc")  # what two runs are compared by, the first that both have
OF_A_SEED = (
    "run_id",
    "seed",
    "label",
    "code",
    "started_at",
    "attempts",
    "training_s",
    "wall_s",
    "wandb",
    "parent",
    "teacher",
)
COLUMNS = ("test/top1_err", "test/top5_err", "test/nme", "test/loss", "val/top1_err", "val/best_top1_err", "file/bytes")


def files(report: Report) -> dict[str, str]:
    found = {"runs/index.js": f"report.index({templating.script([_brief(each) for each in report.runs.values()])});\n"}
    for runs in report.runs.values():
        found |= _files(report, runs)
    return found


def _brief(runs: Runs) -> dict[str, Any]:
    return {"id": runs.run_id, "label": runs.label, "task": runs.task, "seeds": sorted(runs.done)}


def _files(report: Report, runs: Runs) -> dict[str, str]:
    drawn, layers = _curves(runs), _layers(runs)
    name = runs.run_id
    scales = list(layers)
    found = {
        f"runs/{name}.js": f"report.run({templating.script(_compared(runs))});\n",
        f"runs/{name}.html": templating.page(
            "run.html",
            "../",
            title=f"Run {runs.label}",
            report=report,
            runs=runs,
            seeds=[_seed(report, runs, seed, record) for seed, record in runs.records.items()],
            metrics=[metric for metric in COLUMNS if any(metric in each.metrics for each in runs.records.values())],
            figure=shown_figure(drawn) if drawn else None,
            layers=_layer_rows(layers),
            scales=[(scale, _scale_text(runs, scale)) for scale in scales],
            totals={scale: _cost(runs)[scale] for scale in scales},
            config=_grouped(runs.first.config),
            environment=_environment(runs),
            commands=[
                f".venv/bin/python -m experiments.run experiment={table}/{row} budget={budget} seed={runs.first.seed}"
                for table, row, budget in runs.rows
            ],
            tags=[str(tag) for tag in runs.first.config.get("tags") or ()],
        ),
    }
    if drawn:
        found[f"runs/{drawn.name}.csv"] = drawn.csv()
    if layers:
        lines = [
            (scale, each["layer"], each["params"], each["macs"]) for scale, rows in layers.items() for each in rows
        ]
        found[f"runs/{name}-layers.csv"] = as_csv(("scale", "layer", "params", "macs"), lines)
    return found


def _seed(report: Report, runs: Runs, seed: int, record: Record) -> dict[str, Any]:
    made = record.provenance
    begun = [
        (role, made[role]["run_id"], made[role]["run_id"] in report.runs)
        for role in ("parent", "teacher")
        if made.get(role)
    ]
    return {
        "seed": seed,
        "status": record.status,
        "outcome": outcome(record),
        "metrics": {metric: _metric(metric, record.metrics.get(metric)) for metric in COLUMNS},
        "published": seed in runs.published,
        "started": str(made.get("started_at", ""))[:16].replace("T", " "),
        "seconds": made.get("wall_s", ""),
        "time": duration(made["wall_s"]) if "wall_s" in made else "",
        "wandb": made.get("wandb"),
        "parents": begun,
    }


def _metric(name: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if name.endswith("bytes") else f"{value:.3f}" if name.endswith("loss") else f"{value:.2f}"


def _curves(runs: Runs) -> Chart | None:
    """A thin line for each seed."""
    records = list(runs.records.values())
    metric = learning_curves.metric_of(records)
    if metric is None:
        return None
    rest = metric.partition("/")[2]
    panels = []
    for name, title in (
        (metric, learning_curves.METRICS[metric]),
        (f"train/{rest}", learning_curves.METRICS[metric].replace("Validation", "Training")),
        ("train/loss", "Training loss"),
    ):
        series = [
            Series(
                f"seed {seed}", tuple(Point(index + 1, value) for index, value in enumerate(found)), number, marks=False
            )
            for number, (seed, record) in enumerate(runs.records.items())
            if (found := learning_curves.curve(record, name))
        ]
        if series and all(panel.title != title for panel in panels):
            panels.append(Panel(title, Axis("Epoch"), Axis(name), tuple(series)))
    return (
        Chart(f"{runs.run_id}-curves", "Curves", "After each epoch, a line for each seed.", tuple(panels))
        if panels
        else None
    )


def _cost(runs: Runs) -> Mapping[str, Any]:
    return next((record.cost for record in runs.records.values() if record.cost), {})


def _layers(runs: Runs) -> dict[str, list[dict[str, Any]]]:
    """By scale; the run's own first."""
    cost = _cost(runs)
    kept = {scale: cost[scale].get("by_layer") for scale in ("run", "paper") if isinstance(cost.get(scale), dict)}
    return {
        scale: rows
        for scale, rows in kept.items()
        if rows and all({"layer", "params", "macs"} <= set(row) for row in rows)
    }


def _layer_rows(layers: Mapping[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """A line a layer with both scales, and its share of the most that a layer has."""
    names = list(dict.fromkeys(each["layer"] for rows in layers.values() for each in rows))
    most = {
        (scale, what): max(each[what] for each in rows) or 1
        for scale, rows in layers.items()
        for what in ("params", "macs")
    }
    found = {scale: {each["layer"]: each for each in rows} for scale, rows in layers.items()}
    return [
        {
            "layer": name,
            "numbers": [
                (f"{each[what]:,}", round(each[what] / most[scale, what], 3)) if (each := rows.get(name)) else ("", 0)
                for scale, rows in found.items()
                for what in ("params", "macs")
            ],
        }
        for name in names
    ]


def _scale_text(runs: Runs, scale: str) -> str:
    size = _cost(runs)[scale].get("input")
    where = "as trained" if scale == "run" else "at the paper's scale"
    return f"{where}, {' x '.join(map(str, size))}" if size else where


def _grouped(config: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """By group of conf/, each field on a line; those of no group first."""
    found: dict[str, list[tuple[str, str]]] = {"": []}
    for key, value in config.items():
        if isinstance(value, Mapping):
            found[key] = list(flat(value).items())
        else:
            found[""].append((key, text_of(value)))
    return {group: fields for group, fields in found.items() if fields}


def flat(value: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """``{"augment.flip": "true"}``."""
    found: dict[str, str] = {}
    for key, item in value.items():
        if isinstance(item, Mapping) and item:
            found |= flat(item, f"{before}{key}.")
        else:
            found[f"{before}{key}"] = text_of(item)
    return found


def text_of(value: Any) -> str:
    """As a user types it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{', '.join(map(text_of, value))}]"
    return str(value)


def _environment(runs: Runs) -> list[tuple[str, str]]:
    """Where and of what it was made; what differs between seeds says which."""
    found: dict[str, dict[str, list[int]]] = {}
    for seed, record in runs.records.items():
        made = {key: value for key, value in record.provenance.items() if key not in OF_A_SEED}
        for key, text in flat(made).items():
            found.setdefault(key, {}).setdefault(text, []).append(seed)
    return [
        (
            key,
            next(iter(texts))
            if len(texts) == 1
            else "; ".join(f"{text} (seeds {', '.join(map(str, seeds))})" for text, seeds in texts.items()),
        )
        for key, texts in found.items()
    ]


def _compared(runs: Runs) -> dict[str, Any]:
    records = list(runs.records.values())
    metric = learning_curves.metric_of(records)
    paired = next((name for name in PAIRED if any(name in record.result["per_example"] for record in records)), None)
    return {
        "id": runs.run_id,
        "label": runs.label,
        "config": flat(
            {key: value for key, value in runs.first.config.items() if key not in ("seed", "tags", "label", "logger")}
        ),
        "metric": metric,
        "curve": [
            [round(p.x), _short(p.y), _short(p.low), _short(p.high)]
            for p in learning_curves.mean_curve(records, metric)
        ]
        if metric
        else [],
        "paired": paired,
        "seeds": {
            str(seed): {"value": record.metrics.get(paired), "images": images_of(record, paired)}
            for seed, record in runs.done.items()
            if paired
        },
    }


def images_of(record: Record, metric: str) -> dict[str, Any] | None:
    """A number for each test image: bits as they are stored, others as a list. None where one of them is not finite."""
    values = record.per_example(metric)
    if values is None or not np.isfinite(values).all():
        return None
    stored = record.result["per_example"][metric]
    return stored if "bits" in stored else {"values": [round(value, 3) for value in values.tolist()]}


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
