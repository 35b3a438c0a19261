"""Faces that people make: weights of the 52 face units, and where they look."""

from dataclasses import dataclass, field

import numpy as np

from lightning_modules.faces.head import Head

# Moods, how often each comes, and the units that it moves, each between two weights. "*" stands for both sides.
MOODS: dict[str, tuple[float, dict[str, tuple[float, float]]]] = {
    "neutral": (0.24, {}),
    "smile": (0.22, {"mouthSmile*": (0.25, 1), "cheekSquint*": (0, 0.7), "eyeSquint*": (0, 0.5), "mouthUpperUp*": (0, 0.6),
                      "mouthLowerDown*": (0, 0.4), "mouthStretch*": (0, 0.3)}),
    "laugh": (0.16, {"mouthSmile*": (0.5, 1), "cheekSquint*": (0.2, 0.9), "eyeSquint*": (0.1, 0.7), "jawOpen": (0.03, 0.4),
                     "mouthUpperUp*": (0.4, 1), "mouthLowerDown*": (0.2, 0.8), "mouthStretch*": (0, 0.3)}),
    "surprise": (0.06, {"jawOpen": (0.15, 0.8), "browInnerUp": (0.3, 1), "browOuterUp*": (0.3, 1), "eyeWide*": (0.2, 1)}),
    "frown": (0.08, {"mouthFrown*": (0.2, 1), "browDown*": (0.2, 1), "noseSneer*": (0, 0.6), "eyeSquint*": (0, 0.7)}),
    "pucker": (0.05, {"mouthPucker": (0.3, 1), "mouthFunnel": (0, 0.5), "jawOpen": (0, 0.25)}),
    "talk": (0.12, {"jawOpen": (0.05, 0.4), "mouthStretch*": (0, 0.6), "mouthRollLower": (0, 0.5), "mouthUpperUp*": (0, 0.3),
                    "mouthFunnel": (0, 0.4)}),
    "mixed": (0.07, {}),
}  # fmt: skip
ANY_MOOD = {"browDown*": (0, 0.4), "browOuterUp*": (0, 0.5), "browInnerUp": (0, 0.4), "mouthPress*": (0, 0.5),
            "mouthLeft": (0, 0.4), "mouthRight": (0, 0.4), "jawLeft": (0, 0.4), "jawRight": (0, 0.4),
            "mouthShrugUpper": (0, 0.4), "cheekPuff": (0, 0.3), "mouthDimple*": (0, 0.6)}  # fmt: skip


@dataclass
class Expression:
    """``units``: weights of the morphs; ``gaze``: radians to the viewer's right and up; ``lids``: 1 where shut."""

    mood: str
    units: dict[str, float] = field(default_factory=dict)
    gaze: tuple[float, float] = (0.0, 0.0)
    lids: float = 0.0

    def add(self, unit: str, weight: float, rng: np.random.Generator, apart: float = 0.15) -> None:
        """Moves a unit; both sides of one that ends in ``*``, each a little on its own."""
        names = [unit[:-1] + side for side in ("Left", "Right")] if unit.endswith("*") else [unit]
        for name in names:
            own = weight * (1 + rng.normal(0, apart)) if len(names) == 2 else weight
            self.units[name] = min(max(self.units.get(name, 0.0) + own, 0.0), 1.0)


def draw_expression(head: Head, rng: np.random.Generator) -> Expression:
    moods = list(MOODS)
    mood = moods[rng.choice(len(moods), p=[MOODS[name][0] for name in moods])]
    found = Expression(mood, gaze=tuple(rng.normal(0, 0.2, 2) * (1, 0.6)))
    for unit, (low, high) in MOODS[mood][1].items():
        found.add(unit, rng.uniform(low, high), rng)
    if mood == "mixed":
        free = [name for name in head.morphs["expr"] if not name.startswith(("eye", "tongue", "mouthClose"))]
        for name in rng.choice(free, 5, replace=False):
            found.add(str(name), rng.uniform(0, 0.6), rng)
    for unit, (low, high) in ANY_MOOD.items():
        if rng.random() < 0.12:
            found.add(unit, rng.uniform(low, high), rng)
    found.lids = float(
        rng.choice([rng.uniform(0.85, 1), rng.uniform(0.1, 0.55), rng.uniform(0, 0.1)], p=[0.06, 0.3, 0.64])
    )
    found.add("eyeBlink*", found.lids, rng, apart=0.05)
    return found
