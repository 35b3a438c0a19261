"""What a net is called that is counted or timed without a run: its architecture and a digest of its configuration."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from experiments.suite.identity import identity

AS_IN_PAPERS = {"stem": "paper", "narrow": 1}  # fields that fit a net to small images and little time


def of_paper(arch: Mapping[str, Any]) -> dict[str, Any]:
    """The architecture as its paper has it, whatever stem and share of its channels it is trained with."""
    return {**arch, **{name: value for name, value in AS_IN_PAPERS.items() if name in arch}}


def name_of(arch: Mapping[str, Any]) -> str:
    """``<arch>-<10 hex digits>``. Options that change nothing, and the layout in memory, are no part of it."""
    kept = {key: value for key, value in of_paper(arch).items() if key != "memory_format"}
    canonical = json.dumps(identity({"arch": kept}), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return f"{arch['name'].replace('-', '_')}-{hashlib.sha256(canonical.encode()).hexdigest()[:10]}"
