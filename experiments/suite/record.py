"""The record: what one run did. A JSON file with four parts, written once, at the end.

    schema      version of this layout
    result      status, metrics, curves, per_example, weights_sha256. Bit-equal whether or not the run was interrupted
    cost        at the paper's scale and at the run's: input, params, macs, by_layer
    config      the resolved configuration
    provenance  run id, seed, label, code fingerprint, packages, machine, threads, commit, times, attempts, W&B path

Metrics are named ``split/name`` (``test/top1_acc``, percent). ``per_example`` holds one number for each example of the
test set, for paired tests: 0/1 as {"bits": base64, "n": count}, other numbers as {"float16": base64, "n": count} or
{"values": [...]}. Of faces, ``face/...`` is what is known of each, and ``result.test_points`` where they were found.
"""

import base64
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from experiments.suite.files import read_json
from experiments.suite.paths import shown
from lightning_modules.errors import CorruptFileError

SCHEMA = 1
Status = Literal["done", "diverged", "failed"]

# What each part must hold, and of which type.
LAYOUT: dict[str, dict[str, type | tuple[type, ...]]] = {
    "result": {"status": str, "metrics": dict, "curves": list, "per_example": dict},
    "cost": {},
    "config": {},
    "provenance": {"run_id": str, "seed": int},
}

# What may be missing, but must be of this type where it is there.
OPTIONAL: dict[str, type | tuple[type, ...]] = {
    "provenance.wall_s": (int, float),
    "provenance.training_s": (int, float),
    "provenance.code": dict,
    "config.data": dict,
    "config.budget": dict,
}


@dataclass(frozen=True)
class Record:
    result: dict[str, Any]
    cost: dict[str, Any]
    config: dict[str, Any]
    provenance: dict[str, Any]

    @property
    def run_id(self) -> str:
        return self.provenance["run_id"]

    @property
    def seed(self) -> int:
        return self.provenance["seed"]

    @property
    def status(self) -> Status:
        return self.result["status"]

    @property
    def metrics(self) -> dict[str, float]:
        return self.result["metrics"]

    def per_example(self, metric: str) -> np.ndarray | None:
        """(N,) float64 of the test set in its own order, in the metric's unit; None where the run kept none."""
        stored = self.result["per_example"]
        return unpack(stored[metric]) if metric in stored else None

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "result": self.result,
            "cost": self.cost,
            "config": self.config,
            "provenance": self.provenance,
        }


def outcome(record: Record) -> str:
    """How a run ended, in a few words."""
    if record.status == "failed":
        return f"failed: {record.result.get('reason', 'see its log')}"
    if record.status == "diverged":
        return f"diverged at epoch {record.metrics.get('train/diverged_epoch', '?')}"
    if "test/nme" in record.metrics:
        return f"NME {record.metrics['test/nme']:.2f} %"
    error = record.metrics.get("test/top1_err")
    return "done" if error is None else f"test error {error:.2f} %"


def pack_bits(values: np.ndarray, scale: float = 1.0) -> dict[str, Any]:
    """A 0/1 array as text: eight to a byte, base64; each one stands for ``scale`` (100 for percent)."""
    packed = np.packbits(values.astype(bool)).tobytes()
    return {"bits": base64.b64encode(packed).decode("ascii"), "n": int(values.size), "scale": scale}


def pack_numbers(values: np.ndarray) -> dict[str, Any]:
    """Numbers of any shape as text, with three digits: 16-bit floats, base64; larger ones than those are infinite."""
    with np.errstate(over="ignore"):
        packed = np.asarray(values).astype("<f2").tobytes()
    return {"float16": base64.b64encode(packed).decode("ascii"), "n": int(values.size)}


def unpack(stored: dict[str, Any]) -> np.ndarray:
    if "values" in stored:
        return np.asarray(stored["values"], dtype=np.float64)
    if "float16" in stored:
        numbers = np.frombuffer(base64.b64decode(stored["float16"], validate=True), dtype="<f2")
        if numbers.size != stored["n"]:
            raise ValueError(f"{numbers.size} numbers, not {stored['n']}")
        return numbers.astype(np.float64)
    packed = np.frombuffer(base64.b64decode(stored["bits"], validate=True), dtype=np.uint8)
    if packed.size != -(-stored["n"] // 8):
        raise ValueError(f"{packed.size} bytes for {stored['n']} bits")
    return np.unpackbits(packed, count=stored["n"]).astype(np.float64) * stored.get("scale", 1.0)


def read(path: Path) -> Record:
    """Raises CorruptFileError, naming the file and the place, when it is not a record of this suite."""
    value = read_json(path)
    problem = _problem(value)
    if problem:
        raise CorruptFileError(f"{shown(path)} is not a record of this suite: {problem}")
    value = migrate(value)
    return Record(value["result"], value["cost"], value["config"], value["provenance"])


def migrate(value: dict[str, Any]) -> dict[str, Any]:
    """An older layout brought to the current one. Schema 1 is the first, so there is nothing to change yet."""
    return value


def _problem(value: Any) -> str | None:
    if not isinstance(value, dict):
        return "not an object"
    schema = value.get("schema")
    if not isinstance(schema, int) or not 1 <= schema <= SCHEMA:
        return f"schema {schema!r}, this version reads 1 to {SCHEMA}"
    for part, fields in LAYOUT.items():
        if not isinstance(value.get(part), dict):
            return f"no {part}"
        for field, kind in fields.items():
            if not isinstance(value[part].get(field), kind):
                return f"no {part}.{field}"
    if value["result"]["status"] not in ("done", "diverged", "failed"):
        return f"result.status is {value['result']['status']!r}"
    if value["result"]["status"] == "done" and not value["result"]["metrics"]:
        return "result.metrics is empty"
    for place, kind in OPTIONAL.items():
        part, field = place.split(".")
        if field in value[part] and not isinstance(value[part][field], kind):
            return f"{place} is {value[part][field]!r}"
    if not all(isinstance(digest, str) for digest in value["provenance"].get("code", {}).values()):
        return "provenance.code holds what is no digest"
    for metric, number in value["result"]["metrics"].items():
        if not isinstance(number, (int, float)) or not math.isfinite(number):
            return f"result.metrics.{metric} is no number"
    for metric, stored in value["result"]["per_example"].items():
        try:
            unpack(stored)
        except (KeyError, TypeError, ValueError):
            return f"result.per_example.{metric} is damaged"
    return None
