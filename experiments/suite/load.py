"""How busy other processes keep this machine, which whoever measures speed must know."""

import os
import time
from pathlib import Path

BUSY = 0.2  # cores; from there on a measurement is disturbed
IDLE = (3, 4)  # fields of /proc/stat: idle, and waiting for a disk
STAT = Path("/proc/stat")


def busy_s() -> float | None:
    """Seconds that all cores together have worked since the machine started; None where the system does not tell."""
    try:
        fields = [int(field) for field in STAT.read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return None
    return sum(value for place, value in enumerate(fields) if place not in IDLE) / os.sysconf("SC_CLK_TCK")


class Meter:
    """Counts from when it is made."""

    def __init__(self) -> None:
        self._began, self._own, self._busy = time.monotonic(), time.process_time(), busy_s()

    def others(self) -> float | None:
        """How many cores the other processes have used since; None where the system does not tell."""
        now = busy_s()
        if now is None or self._busy is None:
            return None
        used = now - self._busy - (time.process_time() - self._own)
        return max(0.0, used / max(1e-9, time.monotonic() - self._began))
