"""Which faces the article's picture shows."""

import numpy as np

from experiments.landmark_figures import EACH, chosen

ERRORS = np.array([5.0, 1.0, 9.0, 3.0, 7.0, 2.0, 8.0, 4.0, 6.0, 0.0])


def test_best_median_worst() -> None:
    found = {line: ERRORS[chosen(ERRORS, line)].tolist() for line in ("best", "median", "worst")}
    assert found == {"best": [0, 1, 2, 3], "median": [3, 4, 5, 6], "worst": [6, 7, 8, 9]}


def test_few_faces() -> None:
    assert all(len(chosen(ERRORS[:3], line)) == 3 <= EACH for line in ("best", "worst"))
