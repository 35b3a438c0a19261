"""The article's picture of a landmark table: test faces with the true points (green), level_1's (red) and level_2's (blue).

python -m experiments.landmark_figures table=table12 published=false

The faces that level_2 found best, those in the middle and those that it found worst. Drawn from the records of the table's
rows and the data set, which is rendered where it is missing: <table>-faces.png beside the table. ``published=true``: of what
is published.
"""

import io
from functools import partial
from typing import Any

import numpy as np

from experiments.suite import cli
from experiments.suite.figure import DOTS_PER_INCH, METADATA, SETTINGS
from experiments.suite.files import write_bytes
from experiments.suite.paths import DATA_CACHE, local, published, shown
from experiments.suite.plan import RowPlan
from experiments.suite.progress import View, print_line
from experiments.suite.record import Record, unpack
from experiments.suite.regenerate import Request, published_request
from experiments.suite.store import Run
from experiments.suite.verb import parse
from lightning_modules.errors import UserError

OWN = {"table": "table12", "published": False}
FIRST = "level_1"  # the row of the red points
EACH = 4  # faces of a line
LINES = ("best", "median", "worst")
WIDTH, GREEN, RED, BLUE = 6.9, "#2ca02c", "#d62728", "#1f4ed8"  # inches; two columns of a paper


def main(arguments: list[str]) -> int:
    own, _ = parse(arguments, OWN)
    request = published_request(own["table"])
    if request.table.weights is None:
        raise UserError(f"table={own['table']}: is no table of landmarks; table12 is")
    records = _records(request, (FIRST, request.table.weights), own["published"])
    folder = (published() if own["published"] else local()) / "tables"
    path = folder / f"{request.table.name}-faces.png"
    write_bytes(path, drawn(*records))
    print_line(f"written to {shown(path)}")
    return 0


def _records(request: Request, names: tuple[str, str], public: bool) -> tuple[Record, Record]:
    """Of these two rows, of the first seed that both have."""
    rows = {row.row: row for row in request.rows}
    for seed in request.table.seeds:
        both = [_record(rows[name], seed, public) for name in names]
        if all(record is not None and "test_points" in record.result for record in both):
            return both[0], both[1]  # type: ignore[return-value]
    raise UserError(f"table={request.table.name}: no seed of {' and '.join(names)} is done; run it first")


def _record(row: RowPlan, seed: int, public: bool) -> Record | None:
    run = Run(row.contract_id, seed)
    return run.published_record() if public else run.record()


def drawn(first: Record, second: Record) -> bytes:
    """The picture as a PNG file."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    faces = _test_faces(second)
    errors = second.per_example("test/nme")
    found = [points_of(record, faces) for record in (first, second)]
    assert errors is not None
    with rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, WIDTH * len(LINES) / EACH), layout="constrained")
        axes = figure.subplots(len(LINES), EACH)
        for line, name in enumerate(LINES):
            for place, index in enumerate(chosen(errors, name)):
                each = axes[line][place]
                each.imshow(faces.images[index], interpolation="bilinear")
                for points, colour in (
                    (faces.points[index].numpy(), GREEN),
                    (found[0][index], RED),
                    (found[1][index], BLUE),
                ):
                    each.scatter(points[:, 0], points[:, 1], s=9, c=colour, edgecolors="white", linewidths=0.4)
                height, width = faces.images[index].shape[:2]
                each.set(xticks=[], yticks=[], xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
                each.set_title(f"{name}, NME {errors[index]:.1f} %", fontsize=7)
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=DOTS_PER_INCH // 2, metadata=METADATA["png"])
    return out.getvalue()


def chosen(errors: np.ndarray, line: str) -> list[int]:
    """The indices of the ``EACH`` faces with the smallest, the middle or the largest errors (N,), in their order."""
    order = np.argsort(errors, kind="stable")
    start = {"best": 0, "median": max(0, len(order) // 2 - EACH // 2), "worst": max(0, len(order) - EACH)}[line]
    return order[start : start + EACH].tolist()


def points_of(record: Record, faces: Any) -> np.ndarray:
    """Where the run found the points of the test faces, (N, K, 2) in pixels."""
    import torch

    from lightning_modules.crops import to_picture, whole

    kept = record.result["test_points"]
    points = torch.from_numpy(unpack(kept).reshape(kept["shape"]).astype(np.float32))
    return to_picture(points, whole(faces.sizes)).numpy()


def _test_faces(record: Record) -> Any:
    from lightning_modules.landmark_data import read

    data, budget = record.config["data"], record.config["budget"]
    with View() as view:
        return read(data, budget, DATA_CACHE, partial(view.show, data["name"]), ("test",))["test"]


if __name__ == "__main__":
    cli.call(main)
