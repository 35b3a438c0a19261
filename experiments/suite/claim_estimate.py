"""The number that a claim is about, and the region in which it must lie for the claim to hold."""

import math
from dataclasses import replace

import numpy as np

from experiments.suite import statistics
from experiments.suite.claim_contract import Claim
from experiments.suite.columns import Column
from experiments.suite.contract import Table
from experiments.suite.samples import Samples
from experiments.suite.statistics import Estimate, Statistic


def of(table: Table, claim: Claim, column: Column, samples: Samples) -> Estimate | None:
    """The number that ``region`` is about, positive in the claim's way. Of a ratio its logarithm, or None."""
    weights = _weights(table, claim, column)
    values, images, statistic = samples.values, samples.images, column.statistic
    if claim.kind == "ratio":
        if any((row <= 0).any() for row in values):
            return None
        # The logarithm of a mean varies with its images as the mean does, divided by the mean.
        if images is not None and statistic is None:
            images = [kept / row[:, None] for kept, row in zip(images, values, strict=True)]
        if statistic is not None:
            statistic = _logarithm_of(statistic)
        values = [np.log(row) for row in values]
    if claim.kind == "absolute":
        values = [values[0] - _numbers(table, claim)[0]]
    return statistics.contrast(values, images if images is not None else [None] * len(values), weights, statistic)


def _logarithm_of(statistic: Statistic) -> Statistic:
    return lambda images: np.log(statistic(images))


def _weights(table: Table, claim: Claim, column: Column) -> list[float]:
    match claim.kind:
        case "ratio":
            return [1.0, -1.0]
        case "absolute":
            return [float(column.sign)]
        case "below":
            return [1.0]
        case "delta":
            first, second = _numbers(table, claim)
            return [1.0, -1.0] if first > second else [-1.0, 1.0]
        case "trend":
            steps = np.arange(len(claim.rows)) - (len(claim.rows) - 1) / 2
            slope = steps / (steps**2).sum()  # least squares: the change from one row to the next
            return [float(step) for step in (slope if claim.direction == "increasing" else -slope)]
        case "gap":  # a row in both leads has both weights
            return [column.sign * weight for weight in (1.0, -1.0, -1.0, 1.0)]
        case _:
            return [float(column.sign), -float(column.sign)]


def region(table: Table, claim: Claim) -> tuple[float, float]:
    """The open interval of estimates for which the claim holds."""
    match claim.kind:
        case "equivalent" | "absolute":
            return -claim.margin, claim.margin
        case "noninferior":
            return -claim.margin, math.inf
        case "below":
            return -math.inf, claim.margin
        case "ratio":
            first, second = _numbers(table, claim)
            ratio = first / second
            return math.log(ratio * (1 - claim.margin)), math.log(ratio * (1 + claim.margin))
        case _:
            return claim.margin, math.inf


def _numbers(table: Table, claim: Claim) -> list[float]:
    printed = [table.row(row).paper[claim.metric] for row in claim.rows]
    return [number for number in printed if number is not None]  # none is None: the contract is checked


def readable(claim: Claim, value: Estimate) -> Estimate:
    """A ratio as a ratio, not as its logarithm."""
    if claim.kind != "ratio":
        return value
    low, high = (None if end is None else math.exp(end) for end in (value.low, value.high))
    return replace(value, estimate=math.exp(value.estimate), low=low, high=high)


def printed(table: Table, claim: Claim) -> float | None:
    """The paper's own estimate of the claim, by its printed numbers; None where it prints no such numbers."""
    column = table.column(claim.metric)
    found = [table.row(row).paper[claim.metric] for row in claim.rows]
    numbers = [float(number) for number in found if number is not None]
    if len(numbers) < len(found):
        return None
    if claim.kind in ("exact", "absolute", "below"):
        return numbers[0]
    if claim.kind == "ratio":
        return numbers[0] / numbers[1]
    return sum(weight * number for weight, number in zip(_weights(table, claim, column), numbers, strict=True))
