"""Rounds of measurements, and what is said of them: medians and ratios. Imports no torch."""

import statistics
from collections.abc import Callable, Mapping
from typing import Any

Side = Callable[[], float]


def repeated(
    one_round: Callable[[int], Mapping[str, float]], rounds: int, said: Callable[[str], None]
) -> dict[str, list[float]]:
    """Each side's measurements, one a round; ``one_round`` is told its number."""
    found: dict[str, list[float]] = {}
    for number in range(rounds):
        values = one_round(number)
        for name, value in values.items():
            found.setdefault(name, []).append(value)
        said(
            f"  round {number + 1} of {rounds}: " + ", ".join(f"{name} {value:,.4g}" for name, value in values.items())
        )
    return found


def interleaved(sides: Mapping[str, Side], rounds: int, said: Callable[[str], None]) -> dict[str, list[float]]:
    """All sides once, then all again, so that what disturbs the machine disturbs all."""

    def one_round(number: int) -> dict[str, float]:
        order = list(sides) if number % 2 == 0 else list(sides)[::-1]  # who is first has the cooler processor
        values = {name: sides[name]() for name in order}
        return {name: values[name] for name in sides}

    return repeated(one_round, rounds, said)


def ratio(above: list[float], below: list[float]) -> dict[str, Any]:
    """The median of the rounds' ratios, with the lowest and the highest."""
    ratios = [a / b for a, b in zip(above, below, strict=True)]
    return {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios)}


def spread(values: list[float]) -> dict[str, Any]:
    return {"median": statistics.median(values), "low": min(values), "high": max(values), "rounds": len(values)}
