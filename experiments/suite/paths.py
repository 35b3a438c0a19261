"""Where things are."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = "COMPACT_NETS_RESULTS"
FROZEN_CONF = "COMPACT_NETS_CONF"  # set for the runs of a sweep: conf/ as it was when the sweep began
CONF = Path(os.environ.get(FROZEN_CONF) or ROOT / "conf").absolute()
DATA_CACHE = ROOT / "data"  # what was downloaded
COMPOSED = ROOT / ".cache" / "composed"  # configurations, whatever results folder they are for


def results() -> Path:
    """The results folder; the environment variable moves it, to a scratch disk or away from a test's user."""
    return Path(os.environ.get(RESULTS) or ROOT / "results").absolute()


def local() -> Path:
    return results() / "local"


def published() -> Path:
    return results() / "published"


def shown(path: Path) -> str:
    """``path`` as people and records should see it: relative to the project where it is inside."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
