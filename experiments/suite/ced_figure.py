"""The figure of a table's cumulative error distributions, from the table's data alone: <table>-ced.png and .svg."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

from experiments.suite import fingerprint
from experiments.suite.figure import DOTS_PER_INCH, METADATA, SETTINGS, STYLES, WIDTH
from experiments.suite.files import write_bytes
from experiments.suite.rendering import has_curves

HEIGHT = 3.6  # inches
EVERY = 8  # points of a curve between two markers


def draw(data: dict[str, Any], folder: Path) -> list[Path]:
    """Each file whole or absent; none where the table has no curves, or none of them is known.

    Of each row this machine's runs where there are any, else what is published. What is there of the same is not drawn again.
    """
    if not has_curves(data):
        return []
    found = data["ced"]
    paths = {suffix: folder / f"{data['table']}-ced.{suffix}" for suffix in ("png", "svg")}
    content = json.dumps(found, sort_keys=True) + fingerprint.of_file(Path(__file__))
    origin = f"data and code {hashlib.sha256(content.encode()).hexdigest()[:32]}"
    if paths["png"].is_file() and paths["svg"].is_file() and origin.encode() in paths["svg"].read_bytes():
        return list(paths.values())
    from matplotlib import rc_context  # takes half a second, and most commands draw nothing

    with rc_context(SETTINGS):
        drawn = _drawn(data)
        for suffix, path in paths.items():
            out = io.BytesIO()
            metadata = METADATA[suffix] | ({"Description": origin} if suffix == "svg" else {})
            drawn.savefig(out, format=suffix, metadata=metadata, dpi=DOTS_PER_INCH)
            write_bytes(path, out.getvalue())
    return list(paths.values())


def _drawn(data: dict[str, Any]) -> Any:
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    axes = drawn.subplots()
    found = data["ced"]
    for number, (row, (colour, marker, line)) in enumerate(zip(found["rows"], STYLES, strict=False)):
        if known := row["here"] or row["published"]:
            axes.plot(
                found["at"], known, color=colour, marker=marker, linestyle=line, linewidth=1, markersize=3,
                markevery=(number, EVERY), label=row["label"],
            )  # fmt: skip
    column = next(each for each in data["columns"] if each["name"] == found["metric"])
    axes.set(xlabel=column["header"], ylabel="Share of the faces, %", xlim=(0, found["at"][-1]), ylim=(0, 100))
    axes.grid(linewidth=0.3)
    drawn.legend(loc="outside upper left", fontsize=6.5, frameon=False)
    return drawn
