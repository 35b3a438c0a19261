"""Colours between what a screen shows (sRGB) and what light adds up in (linear)."""

from collections.abc import Sequence

import numpy as np

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)  # of linear red, green and blue (ITU-R BT.709)


def linear(colours: Sequence[Sequence[float]] | np.ndarray) -> np.ndarray:
    """sRGB from 0 to 255 -> linear from 0 to 1, float32 (gamma 2.2)."""
    return ((np.asarray(colours, np.float32) / 255) ** 2.2).astype(np.float32)


def luminance(colours: np.ndarray) -> np.ndarray:
    """(..., 3) linear -> (...,)."""
    return colours @ LUMINANCE


def draw_cast(rng: np.random.Generator, spread: float) -> np.ndarray:
    """The colour (3,) of a light between bluish and yellowish, of luminance near 1; a third as much green or purple."""
    warm, green = rng.normal(0, spread), rng.normal(0, spread / 3)
    return np.exp(np.array([warm - green / 2, green, -warm - green / 2])).astype(np.float32)


def draw_surface(rng: np.random.Generator) -> np.ndarray:
    """The linear colour (3,) of a thing that people make or wear: mostly dull, some vivid, a third black or white."""
    lightness = rng.beta(1.0, 1.6)
    if rng.random() < 0.35:
        lightness = rng.choice([rng.uniform(0.01, 0.06), rng.uniform(0.6, 0.85)], p=[0.6, 0.4])
    hue = rng.uniform(0, 2 * np.pi)
    chroma = rng.exponential(0.16) + (rng.uniform(0.2, 0.5) if rng.random() < 0.15 else 0)
    phases = hue + np.array([0, -2.09, 2.09])
    return np.clip(lightness * np.exp(2.2 * min(chroma, 0.75) * np.cos(phases)), 0.006, 0.9).astype(np.float32)
