"""What every test gets: results of its own, no network for W&B, one thread."""

import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is imported


@pytest.fixture(autouse=True)
def _on_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPACT_NETS_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("COMPACT_NETS_CONF", "")  # a sweep sets it for its process: not for the next test
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    monkeypatch.setenv("WANDB_MODE", "offline")
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
