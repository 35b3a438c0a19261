"""What the compressed file of a paper's own net takes: known without a run, from drawn weights.

    results/local/coded/<arch>-<compression>-<10 hex>.json        coded on this machine
    results/published/coded/<arch>-<compression>-<10 hex>.json    committed

The digits are those of the architecture, of the steps that compress it, without how they are trained, and of the
densities. The file also says of which code it is: when that has changed, it is stale, and is made anew the next time a
table asks for it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments.suite import fingerprint, kept
from experiments.suite.files import write_json
from experiments.suite.identity import identity
from experiments.suite.net_names import of_paper
from experiments.suite.paper_densities import Densities
from experiments.suite.paths import local, published
from experiments.suite.subjects import Subject

LAYOUT = {
    "arch": dict, "compression": dict, "densities": (dict, list), "coded": dict, "code": dict, "packages": dict,
}  # fmt: skip


@dataclass(frozen=True)
class Coded:
    """``arch``, ``compression`` and ``densities``: what was coded.

    ``coded``: what ``said`` says of the file: {"bytes", "parts", "coded", "fillers"}.
    """

    arch: Mapping[str, Any]
    compression: Mapping[str, Any]
    densities: Mapping[str, float] | list[float]
    coded: Mapping[str, Any]
    code: Mapping[str, str]
    packages: Mapping[str, str]

    @classmethod
    def of(cls, subject: Subject, sizes: Any, code: Mapping[str, str], packages: Mapping[str, str]) -> "Coded":
        """``sizes``: where the bytes of the subject's file go (``lightning_modules.compression.sizes.Sizes``)."""
        compression, densities = steps_of(subject.compression), _plain(subject.densities)
        return cls(of_paper(subject.arch), compression, densities, said(sizes), code, packages)

    @property
    def name(self) -> str:
        return _name(self.arch, self.compression, self.densities)

    @property
    def stale(self) -> str:
        """Why the file may no longer be what the code would write; empty where it is."""
        return fingerprint.staleness(self.code)

    def write(self, public: bool = False) -> None:
        write_json(path_of(self.name, public), asdict(self))


def said(sizes: Any) -> dict[str, Any]:
    """Where the bytes of a file go, and the entropy of each part that is coded beside its bits."""
    coded = {part: {"count": one.count, "bits": one.bits, "entropy": one.entropy} for part, one in sizes.coded.items()}
    return {"bytes": sizes.total, "parts": sizes.parts, "coded": coded, "fillers": sizes.fillers}


def steps_of(compression: Mapping[str, Any]) -> dict[str, Any]:
    """What of a conf/compression content counts here: nothing is trained, so neither what with nor how long does."""
    steps = [{field: value for field, value in step.items() if field != "retrain"} for step in compression["steps"]]
    return {"name": compression["name"], "steps": steps, "file": compression["file"]}


def name_of(subject: Subject) -> str:
    """``<arch>-<compression>-<10 hex digits>``. Options that change nothing, and the layout in memory, are no part of it."""
    return _name(of_paper(subject.arch), subject.compression, _plain(subject.densities))


def path_of(name: str, public: bool) -> Path:
    return (published() if public else local()) / "coded" / f"{name}.json"


def read(name: str, public: bool) -> Coded | None:
    """None where there is none. Raises CorruptFileError, naming the file, when it is not that of this name."""
    what, other = "what a net's file takes", "what the file of another net takes"
    return kept.read(path_of(name, public), Coded, LAYOUT, _problem, what, other)


def known(subjects: Mapping[str, Subject], public: bool) -> tuple[dict[str, Coded], list[str]]:
    """By row, of those that ask for it, what is known; and a line for each file that cannot be read."""
    asked = {row: name_of(subject) for row, subject in subjects.items() if subject.densities is not None}
    return kept.known(asked, lambda name: read(name, public))


def _problem(found: Coded) -> str:
    return "" if _adds_up(found.coded) else "its parts are no bytes that add up"


def _plain(densities: Densities | None) -> Mapping[str, float] | list[float]:
    """As JSON has them."""
    return list(densities) if isinstance(densities, tuple) else dict(densities or {})


def _name(arch: Mapping[str, Any], compression: Mapping[str, Any], densities: Mapping[str, float] | list[float]) -> str:
    kept = {key: value for key, value in arch.items() if key != "memory_format"}
    what = identity({"arch": kept, "compression": steps_of(compression)})
    # Of patterns the last that fits counts, so their order does.
    what["densities"] = [list(item) for item in densities.items()] if isinstance(densities, Mapping) else densities
    canonical = json.dumps(what, sort_keys=True, separators=(",", ":"), allow_nan=False)
    names = [each["name"].replace("-", "_") for each in (arch, compression)]
    return "-".join([*names, hashlib.sha256(canonical.encode()).hexdigest()[:10]])


def _adds_up(coded: Mapping[str, Any]) -> bool:
    parts, streams = coded.get("parts"), coded.get("coded")
    if not isinstance(parts, dict) or not isinstance(streams, dict):
        return False
    counts = [*parts.values(), coded.get("fillers")]
    if not all(type(count) is int and count >= 0 for count in counts):
        return False
    total = coded.get("bytes")
    return type(total) is int and total > 0 and total == sum(parts.values()) and all(map(_is_stream, streams.values()))


def _is_stream(one: Any) -> bool:
    fields = {"count": (int,), "bits": (int,), "entropy": (int, float)}
    return isinstance(one, dict) and all(type(one.get(field)) in kinds for field, kinds in fields.items())
