"""Keeping the machine still while speeds are measured: a core of one's own, and nobody else at work. Imports no torch."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from experiments.suite.load import BUSY, Meter

LOOK_S = 0.5  # for so long one looks at how busy others are


def wait_until_quiet(patience: float, said: Callable[[str], None]) -> None:
    """Returns as soon as other processes keep fewer than ``load.BUSY`` cores busy, or after ``patience`` seconds."""
    until, waiting = time.monotonic() + patience, False
    while time.monotonic() < until:
        meter = Meter()
        time.sleep(LOOK_S)
        others = meter.others()
        if others is None or others <= BUSY:
            return
        if not waiting:
            said(f"waiting {patience:.0f} s at most: other processes keep {others:.1f} cores busy")
        waiting = True
    if waiting:
        said("warning: the machine does not become idle; measuring all the same")


@contextmanager
def pinned() -> Iterator[list[int]]:
    """Keeps this thread, and those that it starts meanwhile, on one core: yields which; none where the system won't."""
    if sys.platform != "linux":
        yield []
        return
    allowed = os.sched_getaffinity(0)
    core = max(allowed)  # the first ones serve the devices
    try:
        os.sched_setaffinity(0, {core})
    except OSError:  # as sandboxes have it
        yield []
        return
    try:
        yield [core]
    finally:
        os.sched_setaffinity(0, allowed)
