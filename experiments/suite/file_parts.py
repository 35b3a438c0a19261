"""Where the bytes of a table's compressed files go: of each row's runs, and of its file at the paper's scale."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.suite.evidence import Evidence
from experiments.suite.record import Record
from experiments.suite.row_contract import Row
from experiments.suite.samples import by_seed

File = Mapping[str, Any]  # as a record has it: {"bytes", "parts": {part: bytes}, "coded", "fillers"}


def of_rows(rows: Sequence[Row], sides: Mapping[str, Evidence]) -> list[dict[str, Any]]:
    """An entry for each row and scale that has a file: {"row", "label", "scale": "run" or "paper", and the sides}.

    Of a side, None or what `mean` says of its files, with "n": the number of seeds, None at the paper's scale.
    """
    entries = []
    for row in rows:
        files = {side: _of_runs(found.records.get(row.name, ())) for side, found in sides.items()}
        trained = {side: {**mean(each), "n": len(each)} if each else None for side, each in files.items()}
        coded = {side: found.coded.get(row.name) for side, found in sides.items()}
        papers = {side: {**mean([each.coded]), "n": None} if each else None for side, each in coded.items()}
        entries += [
            {"row": row.name, "label": row.label, "scale": scale, **known}
            for scale, known in (("run", trained), ("paper", papers))
            if any(known.values())
        ]
    return entries


def _of_runs(records: Sequence[Record]) -> list[File]:
    """Of one run a seed that came to its end, where it made a file."""
    done = [record for record in by_seed(records).values() if record.status == "done"]
    return [file for record in done if (file := (record.result.get("compression") or {}).get("file"))]


def mean(files: Sequence[File]) -> dict[str, Any]:
    """Of one or more files: "bytes", the "parts" that add up to it, the largest first, "coded" and "fillers".

    "coded", by part that is a stream of codes: the "count" of codes in a file, and the "bits" and "entropy" of a code.
    """
    totals: Counter[str] = Counter()
    for file in files:
        totals.update(file["parts"])
    parts = _shares(totals, len(files))
    fillers = round(sum(file["fillers"] for file in files) / len(files))
    return {"bytes": sum(parts.values()), "parts": parts, "coded": _coded(files), "fillers": fillers}


def _shares(totals: Mapping[str, int], files: int) -> dict[str, int]:
    """Whole bytes a file, which add up to the rounded mean of the files: those cut off most are rounded up."""
    missing = round(sum(totals.values()) / files) - sum(total // files for total in totals.values())
    up = sorted(totals, key=lambda part: (-(totals[part] % files), part))[:missing]
    ordered = sorted(totals, key=lambda part: (-totals[part], part))
    return {part: totals[part] // files + (part in up) for part in ordered}


def _coded(files: Sequence[File]) -> dict[str, dict[str, float]]:
    found = {}
    for part in sorted({part for file in files for part in file["coded"]}):
        streams = [file["coded"][part] for file in files if part in file["coded"]]
        count, bits, entropy = (sum(stream[key] for stream in streams) for key in ("count", "bits", "entropy"))
        if count:
            found[part] = {"count": round(count / len(files)), "bits": bits / count, "entropy": entropy / count}
    return found
