"""All runs, to be sorted and searched."""

import statistics
from typing import Any

from experiments.pages import templating, words
from experiments.pages.gather import Report, Runs, group


def files(report: Report) -> dict[str, str]:
    entries = [_entry(each) for each in report.runs.values()]
    choices = {
        "net": sorted({each["net"] for each in entries if each["net"]}),
        "budget": sorted({each["budget"] for each in entries if each["budget"]}),
    }
    return {
        "runs.html": templating.page("runs.html", "", title="Runs", report=report, entries=entries, choices=choices)
    }


def _entry(runs: Runs) -> dict[str, Any]:
    errors = [record.metrics["test/top1_err"] for record in runs.done.values() if "test/top1_err" in record.metrics]
    seconds = sum(record.provenance.get("wall_s", 0) for record in runs.records.values())
    lost = [f"{record.status} (seed {seed})" for seed, record in runs.records.items() if record.status != "done"]
    return {
        "id": runs.run_id,
        "label": runs.label,
        "net": str(group(runs.first, "arch").get("net", "")),
        "data": str(group(runs.first, "data").get("name", "")),
        "compression": str(group(runs.first, "compression").get("name", "none")),
        "budget": str(group(runs.first, "budget").get("name", "")),
        "tables": sorted({table for table, *_ in runs.rows}),
        "seeds": len(runs.records),
        "error": statistics.mean(errors) if errors else None,
        "lost": ", ".join(lost),
        "seconds": seconds,
        "time": words.time_of(seconds),
        "last": max(str(record.provenance.get("started_at", ""))[:10] for record in runs.records.values()),
    }
