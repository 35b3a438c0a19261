"""What skin looks like from place to place: lips, cheeks, brows, lashes, stubble, wrinkles, moles."""

from dataclasses import dataclass

import numpy as np

from lightning_modules.faces.colour import linear
from lightning_modules.faces.head import INNER_MOUTH, LIPS, Head, unit
from lightning_modules.faces.light import Light
from lightning_modules.faces.noise import grain, in_space, smoothstep
from lightning_modules.faces.person import Person

# The middle of the brow of the mean face, from its inner to its outer end: distance from the middle of the face, height.
BROW = np.array([[0.08, 7.452], [0.2, 7.49], [0.33, 7.525], [0.45, 7.532], [0.58, 7.49], [0.66, 7.455]], np.float32)
EYE = (0.30, 7.343)  # the middle of the eye's opening
OPENING = np.array(
    [[0.175, 7.325], [0.21, 7.36], [0.26, 7.383], [0.31, 7.388], [0.36, 7.38], [0.425, 7.345]], np.float32
)


@dataclass(frozen=True)
class Complexion:
    """Amounts, most from 0 to 1, of what is on a person's skin; colours are linear."""

    skin: np.ndarray
    lips: np.ndarray
    hair: np.ndarray
    flush: float
    mottle: float
    brow_height: float
    brow_thickness: float
    brow_strength: float
    lashes: float
    shadow: np.ndarray
    shadow_strength: float
    under_eyes: float
    stubble: float
    moustache: float
    freckles: float
    wrinkles: float
    gloss: float
    shine: float
    seed: int

    def values(self, head: Head, hair: np.ndarray) -> np.ndarray:
        """(V, 8): place on the mean face (3), openness to light, lips, inside of the mouth, mottle, ``hair`` (V,)."""
        mottle = in_space(np.random.default_rng(self.seed), head.mean, 0.35)
        columns = (head.open_sky, head.masks[:, LIPS], head.masks[:, INNER_MOUTH], mottle, hair)
        return np.concatenate([head.mean, np.stack(columns, 1)], 1).astype(np.float32)

    def shade(self, values: np.ndarray, normals: np.ndarray, lit: np.ndarray, light: Light) -> np.ndarray:
        """Linear colours (n, 3) of skin at ``values`` (n, 8)."""
        place, open_sky, lips, inner, mottle, hair = values[:, :3], *values[:, 3:].T
        side, height = np.abs(place[:, 0]), place[:, 1]
        rng = np.random.default_rng(self.seed)
        fine = in_space(rng, place, 2.2, grain())
        albedo = self.skin * (1 + 0.05 * self.mottle * mottle + 0.05 * self.mottle * fine)[:, None]
        flush = np.exp(-(((side - 0.38) / 0.17) ** 2) - ((height - 6.99) / 0.2) ** 2)
        flush += np.exp(-((side / 0.13) ** 2) - ((height - 7.02) / 0.13) ** 2)
        albedo *= 1 - (self.flush * flush * (1 + 0.3 * mottle))[:, None] * np.array([0.02, 0.24, 0.22], np.float32)
        if self.freckles:
            spots = smoothstep(1.1, 1.9, in_space(rng, place, 1.4, grain())) * np.exp(-(((height - 7.1) / 0.25) ** 2))
            albedo *= 1 - (self.freckles * spots)[:, None] * np.array([0.3, 0.45, 0.5], np.float32)
        albedo *= (1 - self._creases(place, side, height) - self.under_eyes * _near_eye(side, height, 0.06))[:, None]
        lids = (
            smoothstep(7.37, 7.40, height)
            * smoothstep(7.49, 7.43, height)
            * smoothstep(0.17, 0.12, np.abs(side - EYE[0]))
        )
        albedo = _mixed(albedo, self.shadow, self.shadow_strength * lids)
        albedo = _mixed(albedo, self.lips, np.clip(lips * 1.4, 0, 1) * 0.85)
        albedo = _mixed(albedo, self.hair * 0.6, self.lashes * self._lash_line(place, side, height))
        albedo = _mixed(albedo, self.hair, self._brow(place, side, height, rng))
        albedo = _mixed(albedo, self.hair * 0.8 + self.skin * 0.12, self._beard(place, side, height, lips, inner, fine))
        albedo = _mixed(albedo, self.hair * 0.7, hair * (0.85 + 0.1 * fine))
        albedo = _mixed(albedo, np.array([0.10, 0.02, 0.02], np.float32), 0.85 * inner)
        soft = np.array([0.32, 0.18, 0.14], np.float32)  # light creeps farther in red
        rough = unit(normals + 0.03 * fine[:, None] * np.array([0.6, 1, 0.3], np.float32))
        colours = albedo * np.stack(
            [light.diffuse(rough, lit, open_sky, float(wrap))[:, channel] for channel, wrap in enumerate(soft)], 1
        )
        oily = self.shine * (0.6 + np.exp(-((side / 0.25) ** 2)) + 1.5 * lips) * (1 - inner)
        return colours + light.gloss(rough, lit, self.gloss) * (0.04 * oily * open_sky)[:, None]

    def _brow(self, place: np.ndarray, side: np.ndarray, height: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        middle = np.interp(side, BROW[:, 0], BROW[:, 1]) + self.brow_height
        thick = self.brow_thickness * np.interp(side, [0.08, 0.16, 0.45, 0.6, 0.68], [0.8, 1.1, 0.85, 0.5, 0.2])
        ends = smoothstep(0.06, 0.12, side) * smoothstep(0.67, 0.56, side) * (place[:, 2] > 0.7)
        hairs = 1 + 0.35 * in_space(rng, place * np.array([1, 3, 1], np.float32), 1.3, grain())
        return np.clip(np.exp(-(np.abs((height - middle) / thick) ** 2.5)) * ends * hairs * self.brow_strength, 0, 1)

    def _lash_line(self, place: np.ndarray, side: np.ndarray, height: np.ndarray) -> np.ndarray:
        """The edge of the upper lid, and fainter that of the lower."""
        edge = np.interp(side, OPENING[:, 0], OPENING[:, 1])
        within = smoothstep(0.15, 0.19, side) * smoothstep(0.47, 0.42, side) * (place[:, 2] > 1.05)
        lower = np.exp(-(((height - 7.30 + 0.3 * (side - 0.3) ** 2) / 0.012) ** 2))
        return within * np.clip(np.exp(-(((height - edge) / 0.016) ** 2)) + 0.3 * lower, 0, 1)

    def _creases(self, place: np.ndarray, side: np.ndarray, height: np.ndarray) -> np.ndarray:
        """How much darker folds are: across the forehead, beside nose and mouth, at the eyes' outer corners."""
        if self.wrinkles < 0.05:
            return np.zeros(len(side), np.float32)
        lines = np.clip(np.sin(62 * height + 2.5 * np.sin(3 * place[:, 0] + self.seed % 7)), 0, 1) ** 4
        forehead = lines * smoothstep(7.58, 7.65, height) * smoothstep(0.5, 0.3, side)
        fold = np.exp(-(((side - np.interp(height, [6.6, 6.75, 6.98], [0.30, 0.29, 0.17])) / 0.018) ** 2))
        fold *= smoothstep(6.6, 6.7, height) * smoothstep(7.0, 6.94, height)
        feet = np.clip(np.sin(90 * (height - 7.33) + 20 * (side - 0.5) * np.sign(height - 7.33)), 0, 1) ** 3
        feet *= np.exp(-(((side - 0.52) / 0.05) ** 2) - ((height - 7.33) / 0.09) ** 2)
        return self.wrinkles * (0.12 * forehead + 0.34 * fold + 0.2 * feet) * (place[:, 2] > 0.5)

    def _beard(
        self, place: np.ndarray, side: np.ndarray, height: np.ndarray, lips: np.ndarray, inner: np.ndarray, fine: np.ndarray
    ) -> np.ndarray:  # fmt: skip
        if not (self.stubble or self.moustache):
            return np.zeros(len(side), np.float32)
        jaw, lip = beard_area(place)
        amount = self.stubble * jaw + self.moustache * lip
        return np.clip(amount * (1 + 0.25 * fine), 0, 0.95) * np.clip(1 - 1.6 * lips - inner, 0, 1)


def beard_area(place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where on the mean face a beard (jaw, chin, throat) and a moustache grow: (n,) each, from 0 to 1."""
    side, height = np.abs(place[:, 0]), place[:, 1]
    upper = 6.66 + 0.62 * smoothstep(0.28, 0.6, side)  # higher towards the ears
    jaw = smoothstep(0.05, -0.12, height - upper) * smoothstep(5.98, 6.2, height) * smoothstep(0.05, 0.4, place[:, 2])
    below_lip = np.exp(-(((height - 6.5) / 0.05) ** 2) - ((side - 0.16) / 0.08) ** 2)  # bare beside the chin's tuft
    moustache = np.exp(-(((height - 6.835 + 0.25 * side**1.3) / 0.06) ** 2)) * smoothstep(0.34, 0.2, side)
    corner = np.exp(-(((side - 0.27) / 0.06) ** 2)) * smoothstep(6.86, 6.75, height) * smoothstep(6.4, 6.6, height)
    return jaw * (1 - 0.7 * below_lip), np.clip(moustache + corner, 0, 1) * (place[:, 2] > 0.9)


def _near_eye(side: np.ndarray, height: np.ndarray, below: float) -> np.ndarray:
    return np.exp(-(((side - EYE[0] + 0.03) / 0.13) ** 2) - ((height - EYE[1] + below) / 0.06) ** 2)


def _mixed(colours: np.ndarray, other: np.ndarray, share: np.ndarray) -> np.ndarray:
    return colours + (other - colours) * share[:, None].astype(np.float32)


def draw_complexion(person: Person, rng: np.random.Generator) -> Complexion:
    woman = person.male < 0.5
    made_up = woman and rng.random() < 0.5
    lips = person.skin * linear([(250, rng.uniform(185, 215), rng.uniform(185, 212))])[0] * rng.uniform(0.75, 1.05)
    if made_up and rng.random() < 0.7:
        painted = linear([(rng.uniform(120, 215), rng.uniform(30, 110), rng.uniform(40, 120))])[0]
        lips = lips + (painted - lips) * rng.uniform(0.3, 0.95)
    stubble = moustache = 0.0
    if not woman and rng.random() < 0.65:
        stubble = rng.choice([rng.uniform(0.08, 0.3), rng.uniform(0.3, 0.95)])
        moustache = stubble * rng.uniform(0.6, 1.2)
        if rng.random() < 0.15:
            stubble *= 0.15
    return Complexion(
        skin=person.skin.astype(np.float32),
        lips=lips.astype(np.float32),
        hair=person.hair.astype(np.float32),
        flush=rng.uniform(0, 1.1),
        mottle=rng.uniform(0.1, 1.1) * (1 - 0.5 * made_up),
        brow_height=rng.normal(0, 0.008),
        brow_thickness=rng.uniform(0.022, 0.045) * (0.9 + 0.3 * person.male),
        brow_strength=rng.uniform(0.35, 0.95),
        lashes=rng.uniform(0.6, 1.0) if made_up else rng.uniform(0.3, 0.75),
        shadow=(person.skin * linear([rng.choice([(170, 140, 130), (120, 110, 120), (150, 120, 90), (110, 90, 80)])])[0]),
        shadow_strength=rng.uniform(0.2, 0.7) if made_up else 0.0,
        under_eyes=rng.uniform(0, 0.3) * (0.5 + person.age),
        stubble=float(stubble),
        moustache=float(moustache),
        freckles=rng.uniform(0.2, 0.7) if rng.random() < 0.12 else 0.0,
        wrinkles=float(np.clip(person.age * rng.uniform(0.5, 1.3), 0, 1)),
        gloss=rng.uniform(10, 40),
        shine=float(np.clip(rng.exponential(0.6), 0.1, 2.2)) * (0.6 if made_up else 1),
        seed=int(rng.integers(2**31)),
    )  # fmt: skip
