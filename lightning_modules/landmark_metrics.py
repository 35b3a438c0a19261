"""How well points are found: the normalised mean error and what is said of many faces by it.

NME of a face: the mean distance of its points from the true ones, divided by a length of the face, in percent. Which
length, the literature differs in: ``LENGTHS`` has four. Shares of faces are in percent, too.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from lightning_modules.errors import UserError

# Of each markup, the points whose mean is the left and the right end of the length.
OUTER_CORNERS: Mapping[int, tuple[tuple[int, ...], tuple[int, ...]]] = MappingProxyType(
    {5: ((0,), (1,)), 68: ((36,), (45,)), 98: ((60,), (72,))}
)
PUPILS: Mapping[int, tuple[tuple[int, ...], tuple[int, ...]]] = MappingProxyType(
    {5: ((0,), (1,)), 68: (tuple(range(36, 42)), tuple(range(42, 48))), 98: ((96,), (97,))}
)
THRESHOLD = 10.0  # percent: NMEs above it are failures


def point_errors(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(N, K, 2) twice -> (N, K) float64: each point's distance from the true one, in pixels."""
    return np.linalg.norm(np.asarray(found, np.float64) - np.asarray(true, np.float64), axis=-1)


def nme(found: np.ndarray, true: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """(N,) percent: the mean distance of the points (N, K, 2) from the true ones, by ``lengths`` (N,) in pixels."""
    return 100 * point_errors(found, true).mean(-1) / lengths


def inter_ocular(true: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """(N,) pixels: between the outer corners of the eyes; of five points, between the eyes' centres."""
    return _between(true, OUTER_CORNERS)


def inter_pupil(true: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """(N,) pixels: between the pupils, or where there are none, between the means of the eyes' points."""
    return _between(true, PUPILS)


def box(true: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """(N,) pixels: the side of the square as large as the upright box around the points."""
    return np.sqrt(np.ptp(np.asarray(true, np.float64), axis=1).prod(-1))


def diagonal(true: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """(N,) pixels: the diagonal of the picture, whose ``sizes`` (N, 2) are width and height. The article's."""
    return np.linalg.norm(np.asarray(sizes, np.float64), axis=-1)


# By the end of the metric's name: test/nme is by the distance of the eyes.
LENGTHS: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = MappingProxyType(
    {"": inter_ocular, "_pupil": inter_pupil, "_box": box, "_diagonal": diagonal}
)


def failure_rate(errors: np.ndarray, threshold: float = THRESHOLD) -> float:
    """Percent of the faces whose NME (N,) is above ``threshold`` percent."""
    return float(100 * (errors > threshold).mean())


def ced(errors: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The cumulative error distribution: percent of the faces whose NME (N,) is at most each of ``at`` (M,), -> (M,)."""
    return 100 * np.searchsorted(np.sort(errors), at, side="right") / len(errors)


def auc(errors: np.ndarray, threshold: float = THRESHOLD) -> float:
    """The area under the CED from 0 to ``threshold``, in percent of the whole: 100 where no face has any error.

    The curve is a staircase, so the area is exact: each face counts by how far its error is below the threshold.
    """
    return float(100 * np.clip(1 - errors / threshold, 0, None).mean())


def summary(errors: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Of NMEs (N,) by the end of their name (``LENGTHS``): all that is reported, by name.

    ``nme``, ``nme_median``, ``fr10`` and ``auc10`` by the distance of the eyes, then mean and median by the others.
    """
    found = {
        "fr10": failure_rate(errors[""]),
        "auc10": auc(errors[""]),
        "auc8": auc(errors[""], 8.0),
    }
    for name, values in errors.items():
        found |= {f"nme{name}": float(values.mean()), f"nme{name}_median": float(np.median(values))}
    return found


def all_nmes(found: np.ndarray, true: np.ndarray, sizes: np.ndarray) -> dict[str, np.ndarray]:
    """The NMEs (N,) of points (N, K, 2) by each length: {"": ..., "_pupil": ..., "_box": ..., "_diagonal": ...}."""
    return {name: nme(found, true, length(true, sizes)) for name, length in LENGTHS.items()}


def _between(true: np.ndarray, ends: Mapping[int, tuple[tuple[int, ...], tuple[int, ...]]]) -> np.ndarray:
    points = true.shape[1]
    if points not in ends:
        raise UserError(
            f"faces with {points} points: nobody says which are the eyes; {', '.join(map(str, ends))} are known"
        )
    left, right = (np.asarray(true, np.float64)[:, list(end)].mean(1) for end in ends[points])
    return np.linalg.norm(right - left, axis=-1)
