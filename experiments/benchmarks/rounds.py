"""Rounds of measurements, and what is said of them: medians and ratios. Imports no torch."""

import statistics
from collections.abc import Callable, Mapping
from typing import Any

Side = Callable[[], float]


def interleaved(sides: Mapping[str, Side], rounds: int, said: Callable[[str], None]) -> dict[str, list[float]]:
    """Each side's measurements: all sides once, then all again, so that what disturbs the machine disturbs all."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        order = list(sides) if number % 2 == 0 else list(sides)[::-1]  # who is first has the cooler processor
        for name in order:
            found[name].append(sides[name]())
        said(f"  round {number + 1} of {rounds}: " + ", ".join(f"{name} {found[name][-1]:,.4g}" for name in sides))
    return found


def ratio(above: list[float], below: list[float]) -> dict[str, Any]:
    """The median of the rounds' ratios, with the lowest and the highest."""
    ratios = [a / b for a, b in zip(above, below, strict=True)]
    return {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios)}


def spread(values: list[float]) -> dict[str, Any]:
    return {"median": statistics.median(values), "low": min(values), "high": max(values), "rounds": len(values)}
