"""What a set of records says about some rows of a column, lined up by seed and by test image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.suite.columns import Column
from experiments.suite.record import Record

Records = Mapping[str, Sequence[Record]]


@dataclass(frozen=True)
class Samples:
    """For R rows the S seeds that all of them have; ``images`` is None where some run kept no per-example values."""

    seeds: tuple[int, ...]
    values: list[np.ndarray]  # R arrays (S,)
    images: list[np.ndarray] | None  # R arrays (S, N)


def by_seed(records: Sequence[Record]) -> dict[int, Record]:
    """One record a seed, in the order of seeds; of several the first by run id, so that the order given is nothing."""
    found: dict[int, Record] = {}
    for record in sorted(records, key=lambda record: (record.seed, record.run_id)):
        found.setdefault(record.seed, record)
    return found


def finished(column: Column, records: Sequence[Record]) -> dict[int, Record]:
    """By seed, the records that have the column's value."""
    return {seed: record for seed, record in by_seed(records).items() if column.value(record) is not None}


def aligned(column: Column, rows: Sequence[str], records: Records) -> Samples:
    """Raises ValueError when the runs were tested on different numbers of images."""
    usable = [finished(column, records.get(row, ())) for row in rows]
    seeds = tuple(sorted(set.intersection(*(set(found) for found in usable))))
    values = [np.array([column.value(found[seed]) for seed in seeds], dtype=np.float64) for found in usable]
    kept = [[column.per_example(found[seed]) for seed in seeds] for found in usable]
    present = [array for row in kept for array in row if array is not None]
    sizes = sorted({array.size for array in present})
    if len(sizes) > 1:
        raise ValueError(f"the runs were tested on different sets of images ({' and '.join(map(str, sizes))})")
    complete = len(present) == len(rows) * len(seeds) and bool(seeds) and sizes[0] > 0
    images = [np.stack([array for array in row if array is not None]) for row in kept] if complete else None
    return Samples(seeds, values, images)


def lost(records: Sequence[Record]) -> list[str]:
    """``diverged (seed 3)``, ``failed (seeds 1, 4)``: the runs that ended without a result."""
    words: list[str] = []
    for status in ("diverged", "failed"):
        seeds = [str(seed) for seed, record in by_seed(records).items() if record.status == status]
        if seeds:
            words.append(f"{status} (seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)})")
    return words
