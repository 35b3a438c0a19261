"""How fast the nets of a table are on a machine: one file a table, measured in one go.

    results/local/timings/<table>.json         this machine's
    results/published/timings/<table>.json     committed

Each round takes one sample of every row and column, so that what disturbs the machine disturbs all rows alike, and rows
are compared round by round. All rounds are done in two complete repeats as a rule: what differs between these is noise
that the rounds of one do not show. Nets of other configurations than the contract's, and the few rounds of budget smoke,
have files of their own.
"""

import hashlib
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments.suite import fingerprint
from experiments.suite.files import read_json, write_json
from experiments.suite.paths import local, published, shown
from experiments.suite.subjects import Subject
from lightning_modules.errors import CorruptFileError
from lightning_modules.landmark_options import Options

SMOKE = "smoke"
LAYOUT = {"samples": dict, "nets": dict, "code": dict, "provenance": dict}
# Steps of conf/compression that change what is computed; the others change the weights.
STRUCTURAL = ("low_rank", "xnor")  # and quantize, where the net is to be computed in integers
Subjects = Mapping[str, Subject]  # by row


@dataclass(frozen=True)
class Timing:
    """``samples``: in the column's unit, {row: {column: one a round}}; ``nets`` and ``code``: of what, by row.

    A row need not have every column. ``provenance``: packages, machine, threads, commit, when, how busy others were
    (``others``, in cores), the cores it was ``pinned`` to, ``repeats``, how many rounds the machine ``drifted`` in, how
    many were ``redone`` for that, and the speed of the ``reference`` by which that was seen.
    """

    samples: Mapping[str, Mapping[str, Sequence[float]]]
    nets: Mapping[str, str]
    code: Mapping[str, Mapping[str, str]]
    provenance: Mapping[str, Any]

    def of(self, subjects: Subjects) -> "Timing":
        """What it says of these nets: a row that has another net since is left out."""
        kept = [row for row in self.samples if row in subjects and self.nets[row] == net_of(subjects[row])]
        return Timing(
            samples={row: self.samples[row] for row in kept},
            nets={row: self.nets[row] for row in kept},
            code={row: self.code[row] for row in kept},
            provenance=self.provenance,
        )

    def values(self, row: str, column: str) -> list[float]:
        return list(self.samples.get(row, {}).get(column, ()))

    def stale(self, row: str) -> str:
        """Why a row may no longer be as fast; empty where nothing has changed."""
        stale = fingerprint.staleness(self.code.get(row, {}))
        return f"speed is {stale}" if stale else ""

    @property
    def rounds(self) -> int:
        return max((len(values) for row in self.samples.values() for values in row.values()), default=0)

    @property
    def repeats(self) -> int:
        """The samples are those of the first repeat's rounds, then those of the next, of as many rounds each."""
        return self.provenance.get("repeats", 1)

    def disagreement(self, bases: Mapping[str, str], column: str) -> float | None:
        """By which share the repeats differ, at most, in how fast a row is relative to its base; ``bases``: {row: base}.

        Each repeat's ratio is the median of those of its rounds, which what slows all rows alike does not touch. None
        where there is a single repeat, or no row that was measured with its base.
        """
        found = []
        for row, base in bases.items():
            ratios = self._ratios(row, base, column)
            if row != base and len(ratios) > 1:
                found.append(max(ratios) / min(ratios) - 1)
        return max(found, default=None)

    def _ratios(self, row: str, base: str, column: str) -> list[float]:
        """One a repeat; none where one of the two has no such column."""
        by_round = [a / b for a, b in zip(self.values(row, column), self.values(base, column), strict=False)]
        rounds = len(by_round) // self.repeats
        return [statistics.median(by_round[start : start + rounds]) for start in range(0, len(by_round), rounds or 1)]

    def write(self, path: Path) -> None:
        write_json(path, asdict(self))


def net_of(subject: Subject) -> str:
    """What was measured, in a word: unlike for cost, its layout in memory matters, and what compression makes of it."""
    steps = structural(subject.compression)
    parts = [subject.net, subject.arch["memory_format"]]
    if subject.landmarks is not None:
        options = Options.of(subject.landmarks)
        parts += [f"{options.passes}x{options.size}", options.crop if options.passes > 1 else "whole"]
    return "-".join(parts + ([_digits(json.dumps(steps, sort_keys=True))] if steps else []))


def structural(compression: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The steps after which something else is computed, without how they are trained on."""
    return [
        {name: value for name, value in step.items() if name != "retrain"}
        for step in compression["steps"]
        if step["method"] in STRUCTURAL or (step["method"] == "quantize" and step.get("activations"))
    ]


def path_of(table: str, budget: str, subjects: Subjects, contract: Subjects, public: bool = False) -> Path:
    """``subjects`` are the nets that are asked for, ``contract`` those of the table's contract."""
    parts = [table] + [SMOKE] * (budget == SMOKE and not public)
    if (nets := _nets(subjects)) != _nets(contract) and not public:
        parts.append(_digits(nets))
    return (published() if public else local()) / "timings" / f"{'-'.join(parts)}.json"


def _nets(subjects: Subjects) -> str:
    return " ".join(f"{row}={net_of(subject)}" for row, subject in sorted(subjects.items()))


def _digits(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def read(path: Path) -> Timing | None:
    """None where there is none. Raises CorruptFileError, naming the file, when it does not hold timings."""
    try:
        value = read_json(path)
    except FileNotFoundError:
        return None
    problem = _problem(value)
    if problem:
        raise CorruptFileError(f"{shown(path)} does not hold the timings of a table: {problem}")
    return Timing(**{key: value[key] for key in LAYOUT})


def known(subjects: Subjects, path: Path | None) -> tuple[Timing | None, list[str]]:
    """What the file says of these nets; and a line where it cannot be read. ``path`` None: the table times nothing."""
    try:
        found = read(path) if path else None
    except CorruptFileError as error:
        return None, [str(error)]
    return found.of(subjects) if found else None, []


def _problem(value: Any) -> str | None:
    if not isinstance(value, dict):
        return "not an object"
    for key, kind in LAYOUT.items():
        if not isinstance(value.get(key), kind):
            return f"no {key}"
    rounds = set()
    for row, columns in value["samples"].items():
        if not isinstance(columns, dict) or not isinstance(value["nets"].get(row), str):
            return f"no net or no samples of {row}"
        if not isinstance(value["code"].get(row), dict):
            return f"no code of {row}"
        for column, samples in columns.items():
            if not isinstance(samples, list) or not all(map(_is_speed, samples)):
                return f"{row}, {column}: not a list of speeds"
            rounds.add(len(samples))
    if len(rounds) != 1 or 0 in rounds:
        return "its rows have different numbers of rounds"
    return _no_repeats(value["provenance"].get("repeats", 1), *rounds)


def _no_repeats(repeats: Any, rounds: int) -> str | None:
    """Files of before there were repeats do not say how many."""
    if type(repeats) is int and repeats > 0 and rounds % repeats == 0:
        return None
    return f"{rounds} rounds are not {repeats} repeats"


def _is_speed(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0
