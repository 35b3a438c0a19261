"""What an architecture costs at its paper's scale: exact, the same on every machine, and known without a run.

    results/local/costs/<arch>-<10 hex>.json        counted on this machine
    results/published/costs/<arch>-<10 hex>.json    committed

The digits are those of the architecture's configuration. The file also says of which code it is: when that has changed,
the cost is stale, and is counted anew the next time a table asks for it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments.suite import fingerprint, kept
from experiments.suite.files import write_json
from experiments.suite.net_names import name_of
from experiments.suite.paths import local, published
from experiments.suite.record import Record
from experiments.suite.subjects import Subject

LAYOUT = {"arch": dict, "cost": dict, "code": dict, "packages": dict}
COUNTS = ("params", "macs")


@dataclass(frozen=True)
class Cost:
    """``arch``: what was counted; ``cost``: {"input", "params", "macs", "access"} at the paper's input with 1000 classes."""

    arch: Mapping[str, Any]
    cost: Mapping[str, Any]
    code: Mapping[str, str]
    packages: Mapping[str, str]

    @property
    def name(self) -> str:
        return name_of(self.arch)

    @property
    def stale(self) -> str:
        """Why it may no longer be what the code would count; empty where it is."""
        return fingerprint.staleness(self.code)

    def as_record(self) -> Record:
        """As a run that has come to nothing but its cost, for who asks records."""
        result = {"status": "done", "metrics": {}, "curves": [], "per_example": {}}
        return Record(result, {"paper": dict(self.cost)}, {}, {"run_id": self.name, "seed": 0})

    def write(self, public: bool = False) -> None:
        write_json(path_of(self.name, public), asdict(self))


def path_of(name: str, public: bool) -> Path:
    return (published() if public else local()) / "costs" / f"{name}.json"


def read(name: str, public: bool) -> Cost | None:
    """None where there is none. Raises CorruptFileError, naming the file, when it is not the cost of that name."""
    what, other = "the cost of a net", "the cost of another net"
    return kept.read(path_of(name, public), Cost, LAYOUT, _problem, what, other)


def known(subjects: Mapping[str, Subject], public: bool) -> tuple[dict[str, Cost], list[str]]:
    """By row, what is known of these nets; and a line for each file that cannot be read."""
    return kept.known({row: subject.net for row, subject in subjects.items()}, lambda name: read(name, public))


def _problem(found: Cost) -> str:
    counted = all(type(found.cost.get(key)) is int and found.cost[key] > 0 for key in COUNTS)
    return "" if counted else f"no {' and '.join(COUNTS)}"
