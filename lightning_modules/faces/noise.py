"""Noise with the spectra of natural things, tabulated once and looked up afterwards."""

from functools import cache

import numpy as np

VOLUME = 64  # voxels a side
SHEET = 512  # pixels a side
ABOVE_0 = 256 * VOLUME  # voxels: brings places above 0, where cutting off digits rounds down


def smoothstep(low: float | np.ndarray, high: float | np.ndarray, x: np.ndarray) -> np.ndarray:
    """0 below ``low``, 1 above ``high``, without a kink between; falling where ``high`` is below ``low``."""
    t = np.clip((x - low) / (np.asarray(high) - low), 0.0, 1.0)
    return (t * t * (3.0 - 2.0 * t)).astype(np.float32)


@cache
def volume() -> np.ndarray:
    """(64, 64, 64) float32 of mean 0 and variance 1 whose amplitudes fall as 1/f; opposite sides fit together."""
    return _of_spectrum((VOLUME,) * 3, 1.5)


@cache
def sheet() -> np.ndarray:
    """(512, 512) float32 of mean 0 and variance 1 whose amplitudes fall as 1/f, as those of natural scenes do.

    Field, 1987, "Relations between the statistics of natural images and the response properties of cortical cells".
    """
    return _of_spectrum((SHEET,) * 2, 1.0)


@cache
def grain() -> np.ndarray:
    """(64, 64, 64) float32 of mean 0 and variance 1, white but for its neighbours' agreement."""
    return _of_spectrum((VOLUME,) * 3, 0.4)


def _of_spectrum(shape: tuple[int, ...], exponent: float) -> np.ndarray:
    white = np.random.default_rng(len(shape)).normal(size=shape)
    frequencies = np.meshgrid(*(np.fft.fftfreq(side) * side for side in shape), indexing="ij")
    radius = np.sqrt(sum(frequency**2 for frequency in frequencies))
    radius.flat[0] = np.inf
    found = np.fft.ifftn(np.fft.fftn(white) / radius**exponent).real
    return ((found - found.mean()) / found.std()).astype(np.float32)


def in_space(rng: np.random.Generator, points: np.ndarray, scale: float, table: np.ndarray | None = None) -> np.ndarray:
    """(n,) noise at points (n, 3), whose coarsest waves are ``1 / scale`` units long: the nearest voxel's."""
    table = volume() if table is None else table
    start = (rng.uniform(0, VOLUME, 3) + ABOVE_0).astype(np.float32)
    where = (points * np.float32(scale * VOLUME) + start).astype(np.int32)
    where &= VOLUME - 1
    return table[where[:, 0], where[:, 1], where[:, 2]]


def patch(rng: np.random.Generator, size: int, zoom: float = 1.0) -> np.ndarray:
    """(size, size) of the sheet from a place at random, ``zoom`` sheet pixels to one of the patch, mirrored at random."""
    step = np.arange(size, dtype=np.float32) * np.float32(zoom)
    row, column = ((step + rng.uniform(0, SHEET)).astype(np.int32) & (SHEET - 1) for _ in range(2))
    found = sheet()[row[:, None], column]
    found = found if rng.random() < 0.5 else found[:, ::-1]
    return found if rng.random() < 0.5 else found.T
