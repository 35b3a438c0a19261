"""Who a face belongs to: shape, sex, age, colours of skin, hair and eyes, drawn at random."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from lightning_modules.faces.colour import linear, luminance
from lightning_modules.faces.head import Head

ANCESTRIES = ("african", "asian", "caucasian")
# Names of morphs that undo each other end so.
OPPOSITES = (("decr", "incr"), ("down", "up"), ("in", "out"), ("backward", "forward"), ("concave", "convex"),
             ("compress", "uncompress"))  # fmt: skip
# How far features vary, as a share of their morphs, by what their names hold; the first that fits.
SPREADS = (
    ("neck", 0.15),
    ("measure", 0.15),
    ("asym", 0.2),
    ("trans", 0.22),
    ("scale", 0.36),
    ("width", 0.36),
    ("", 0.34),
)
SKIN_TONES = linear([(246, 217, 202), (232, 192, 169), (211, 165, 137), (178, 128, 99), (137, 93, 69), (94, 62, 46),
                     (60, 41, 33)])  # fmt: skip
HAIR_TONES = linear([(14, 12, 12), (32, 24, 20), (58, 40, 29), (96, 66, 43), (150, 112, 70), (200, 165, 112),
                     (130, 62, 34), (140, 136, 132), (215, 212, 206)])  # fmt: skip
YOUNG_HAIR = {"african": (62, 25, 8, 2, 1, 0.5, 0.5, 0.5, 0), "asian": (60, 25, 8, 3, 1, 1, 1, 0.5, 0),
              "caucasian": (9, 20, 25, 20, 12, 9, 4, 1, 0)}  # fmt: skip
IRIS_TONES = linear([(58, 34, 20), (84, 54, 30), (110, 84, 48), (100, 112, 84), (92, 120, 150), (130, 146, 160)])


@dataclass(frozen=True)
class Person:
    """Shape as weights of the head's morphs; ``male``, ``age`` from 0 (20 years) to 1 (80), colours as linear light."""

    macro: dict[str, float]
    features: dict[str, float]
    male: float
    age: float
    weight: float
    skin: np.ndarray
    hair: np.ndarray
    iris: np.ndarray


def draw_person(head: Head, rng: np.random.Generator) -> Person:
    ancestry: dict[str, float] = dict(zip(ANCESTRIES, rng.dirichlet((0.3, 0.3, 0.45)), strict=True))
    male = float(rng.beta(0.35, 0.35))
    age = float(rng.uniform(0, 0.3) if rng.random() < 0.5 else rng.uniform(0.2, 1.0))
    weight = float(np.clip(rng.normal(0.05, 0.45), -1, 1))
    tone = 0.1 + 0.75 * ancestry["african"] + 0.18 * ancestry["asian"] + rng.normal(0, 0.12)
    return Person(
        macro=_macro(ancestry, male, age, weight),
        features=_features(head, rng),
        male=male,
        age=age,
        weight=weight,
        skin=_duller(along(SKIN_TONES, tone), rng.uniform(0.75, 1.1)) * np.exp(rng.normal(0, (0.05, 0.03, 0.06))),
        hair=_hair(ancestry, age, rng),
        iris=_iris(ancestry, rng) * rng.uniform(0.7, 1.3),
    )


def along(colours: np.ndarray, where: float) -> np.ndarray:
    """The colour at ``where``, from 0 to 1 along ``colours`` (n, 3)."""
    place = float(np.clip(where, 0, 1)) * (len(colours) - 1)
    low = min(int(place), len(colours) - 2)
    return colours[low] + (colours[low + 1] - colours[low]) * (place - low)


def _duller(colour: np.ndarray, saturation: float) -> np.ndarray:
    grey = luminance(colour)
    return grey + (colour - grey) * saturation


def _macro(ancestry: dict[str, float], male: float, age: float, weight: float) -> dict[str, float]:
    sexes, ages = {"female": 1 - male, "male": male}, {"young": 1 - age, "old": age}
    weights = {"min": max(-weight, 0.0), "max": max(weight, 0.0)}
    found = {}
    for sex, of_sex in sexes.items():
        for years, of_years in ages.items():
            for name, share in ancestry.items():
                found[f"{name}-{sex}-{years}"] = share * of_sex * of_years
            for name, share in weights.items():
                found[f"universal-{sex}-{years}-averagemuscle-{name}weight"] = share * of_sex * of_years
    return found


def _features(head: Head, rng: np.random.Generator) -> dict[str, float]:
    """Weights of single features, the same on both sides of the face but for a little."""
    found: dict[str, float] = {}
    of_both: dict[str, float] = {}
    for low, high, stem, spread in _opposites(tuple(head.morphs["local"])):
        if stem not in of_both:
            of_both[stem] = rng.normal(0, spread) * (rng.random() < 0.5)
        weight = of_both[stem] + (rng.normal(0, 0.04) if stem != high else 0.0)
        weight = min(max(weight, -1.0), 1.0)
        if not low:
            found[high] = 0.8 * abs(weight)
        else:
            found[high if weight >= 0 else low] = abs(weight)
    return {name: weight for name, weight in found.items() if weight > 0.01}


@cache
def _opposites(names: tuple[str, ...]) -> tuple[tuple[str, str, str, float], ...]:
    """Pairs of morphs that undo each other ("" and the name where there is no such pair), the name that both sides of the
    face share, and how far the feature varies."""
    found, seen = [], set()
    for name in sorted(names):
        if name in seen:
            continue
        other = next(
            (name.removesuffix(low) + high for low, high in OPPOSITES
             if name.endswith(f"-{low}") and name.removesuffix(low) + high in names), None
        )  # fmt: skip
        seen |= {name, other}
        low, high = (name, other) if other else ("", name)
        if not high.startswith("head-trans"):  # which would move the whole head
            stem = high[2:] if high[:2] in ("l-", "r-") else high
            found.append((low, high, stem, next(spread for part, spread in SPREADS if part in high)))
    return tuple(found)


def _hair(ancestry: dict[str, float], age: float, rng: np.random.Generator) -> np.ndarray:
    shares = np.sum([np.array(YOUNG_HAIR[name]) * share for name, share in ancestry.items()], axis=0)
    shares = shares / shares.sum()
    colour = HAIR_TONES[rng.choice(len(HAIR_TONES), p=shares)]
    if rng.random() < 0.04:  # dyed
        colour = linear([rng.choice([(150, 30, 40), (90, 40, 110), (190, 150, 90), (30, 60, 110), (190, 90, 110)])])[0]
    grey = np.clip((age - rng.uniform(0.25, 0.9)) * 3, 0, 1)
    return (colour + (along(HAIR_TONES[7:], rng.random()) - colour) * grey) * rng.uniform(0.75, 1.3)


def _iris(ancestry: dict[str, float], rng: np.random.Generator) -> np.ndarray:
    dark = rng.random() > 0.75 * ancestry["caucasian"]
    return along(IRIS_TONES, rng.uniform(0, 0.3) if dark else rng.uniform(0.2, 1))
