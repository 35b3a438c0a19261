"""Where things are."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = "COMPACT_NETS_RESULTS"
FROZEN_CONF = "COMPACT_NETS_CONF"  # a copy of conf/, set for a sweep and its runs (compose.frozen)
CONF = Path(os.environ.get(FROZEN_CONF) or ROOT / "conf").absolute()  # as this process began
DATA_CACHE = ROOT / "data"  # what was downloaded
COMPOSED = ROOT / ".cache" / "composed"  # configurations, whatever results folder they are for


def conf() -> Path:
    """What configurations are composed from: conf/, or the copy of it that this command has made for itself."""
    return Path(os.environ.get(FROZEN_CONF) or CONF)


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
