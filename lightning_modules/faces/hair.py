"""Hair as ribbons of strands that grow from the scalp (or the beard), fall, and lie on head and shoulders."""

from dataclasses import dataclass, replace

import numpy as np

from lightning_modules.faces.camera import Pose
from lightning_modules.faces.head import Head, unit
from lightning_modules.faces.light import VIEW, Light
from lightning_modules.faces.mesh import Mesh, grid_triangles
from lightning_modules.faces.noise import smoothstep
from lightning_modules.faces.scalp import CENTRE, Reach, root_triangles, scalp
from lightning_modules.faces.skin import beard_area

STRANDS = 4096  # entries of the table of strands
_TABLE = np.random.default_rng(7).random(STRANDS).astype(np.float32)
_TABLE = (0.25 * np.roll(_TABLE, 1) + 0.5 * _TABLE + 0.25 * np.roll(_TABLE, -1)).astype(np.float32)
_TABLE = np.argsort(np.argsort(_TABLE)).astype(np.float32) / STRANDS  # evenly from 0 to 1


@dataclass(frozen=True)
class Hair:
    """``ribbons`` of ``length`` dm and ``width`` dm with ``steps`` joints.

    ``comb`` (3,): where it is combed, in the head's frame; ``part``: dm from the middle at which it is parted, None for
    none; ``lift``: how far it stands off the skin, 0 to 1; ``fall``: how much it gives way to its weight; ``curl`` dm,
    ``waves`` a dm; ``fringe``: whether the front hangs over the forehead; ``thin``: share of see-through strands.
    """

    style: str
    colour: np.ndarray
    length: float
    ribbons: int
    steps: int
    width: float
    comb: tuple[float, float, float]
    part: float | None
    lift: float
    fall: float
    curl: float
    waves: float
    fringe: bool
    thin: float
    recession: float
    crown: float
    forehead: float
    gloss: float
    streaks: float
    seed: int

    def on_scalp(self, place: np.ndarray) -> np.ndarray:
        return scalp(place, self.recession, self.crown, self.forehead)

    def mesh(
        self, head: Head, upright: np.ndarray, outward: np.ndarray, pose: Pose, weights: np.ndarray
    ) -> Mesh | None:
        """On a figure whose vertices stand at ``upright`` (V, 3) with normals ``outward``, then turned.

        ``weights`` (V,): how much grows where; None where nothing does.
        """
        rng = np.random.default_rng(self.seed)
        corners = root_triangles()
        corners = corners[weights[corners].min(1) > 0.25]
        if not len(corners):
            return None
        a, b, c = (upright[corners[:, corner]] for corner in range(3))
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
        chosen = corners[rng.choice(len(corners), self.ribbons, p=area / area.sum())]
        share = rng.dirichlet((1, 1, 1), self.ribbons)[..., None].astype(np.float32)
        roots = (upright[chosen] * share).sum(1)
        places = (head.mean[chosen] * share).sum(1)
        stand = unit((outward[chosen] * share).sum(1))
        paths = self._grow(roots, places, stand, pose, Reach(upright), rng)
        return self._ribbons(paths, pose, rng)

    def _combed(self, places: np.ndarray) -> np.ndarray:
        """Where hair rooted at places (n, 3) of the mean head is combed: (n, 3)."""
        comb = np.broadcast_to(np.array(self.comb, np.float32), places.shape).copy()
        front = _front(places)[:, None]
        if self.part is not None:
            aside = np.tanh((places[:, 0] - self.part) / 0.12)[:, None] * np.array([1.0, 0.15, 0], np.float32)
            comb = comb + aside * (0.4 + 0.6 * smoothstep(7.7, 8.2, places[:, 1])[:, None]) * 1.2
        if self.fringe:
            comb = comb * (1 - front) + front * np.array([0.25 * np.sign(self.part or 1.0), -0.35, 1.0], np.float32)
        highest = 8.3 if self.fall > 0.4 else 7.75  # from where on it is combed down, at the front aside
        down = smoothstep(highest, highest - 0.5, places[:, 1])[:, None]
        aside = np.sign(places[:, :1] - (self.part or 0.0)) * np.array([0.7, 0, 0], np.float32)
        front = front * (not self.fringe)
        lower = (1 - front) * np.array([0, -1.0, -0.2], np.float32) + front * (
            aside - np.array([0, 0.2, 0.9], np.float32)
        )
        return unit(comb) * (1 - down) + down * lower

    def _grow(
        self,
        roots: np.ndarray,
        places: np.ndarray,
        outward: np.ndarray,
        pose: Pose,
        reach: Reach,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Paths (n, steps + 1, 3) in the frame of the upright figure."""
        down = np.array([0, -1, 0], np.float32) @ pose.head()
        count = len(roots)
        lengths = self.length * rng.uniform(0.7, 1.1, count)
        if self.fringe:
            lengths = lengths + _front(places) * (np.minimum(lengths, rng.uniform(0.35, 0.6)) - lengths)
        step = (lengths / self.steps)[:, None].astype(np.float32)
        comb = self._combed(places) + rng.normal(0, 0.13, (count, 3))
        comb = unit(comb - (comb * outward).sum(1, keepdims=True) * outward)
        heading = unit(comb * (1 - self.lift) + outward * self.lift)
        layer = rng.uniform(0.02, 0.05 + 0.28 * self.lift, count)  # how far above the skin the ribbon lies
        curls = rng.uniform(0, 2 * np.pi, count)
        held = 1.0 if self.fringe else 1 - 0.4 * _front(places)[:, None]  # at the front until it is beside the face
        path = [roots - 0.01 * outward]
        for joint in range(self.steps):
            weight = self.fall * (0.3 + joint / self.steps) * (held if joint < 0.35 * self.steps else 1.0)
            heading = heading + down * weight + rng.normal(0, 0.05, (count, 3))
            if self.curl:
                phase = curls + self.waves * (joint + 1) * step[:, 0]
                sideways = np.cross(heading, outward)
                heading = heading + self.curl * (np.cos(phase)[:, None] * sideways + np.sin(phase)[:, None] * outward)
            heading = unit(heading)
            moved = path[-1] + heading * step
            moved = reach.pushed_out(moved, layer)
            heading = unit(0.5 * heading + 0.5 * unit(moved - path[-1]))
            path.append(moved)
        return np.stack(path, 1).astype(np.float32)

    def _ribbons(self, paths: np.ndarray, pose: Pose, rng: np.random.Generator) -> Mesh:
        count, joints = paths.shape[:2]
        along = unit(np.gradient(paths, axis=1))
        outward = unit(paths - CENTRE)
        across = unit(np.cross(along, outward))
        way = np.linspace(0, 1, joints)
        half = 0.5 * self.width * (1 - 0.55 * way**2)[None, :, None] * rng.uniform(0.6, 1.4, count)[:, None, None]
        edges = np.stack([paths - across * half, paths + across * half], 2).reshape(-1, 3)
        sheet = grid_triangles(joints, 2)
        triangles = (np.arange(count)[:, None, None] * (2 * joints) + sheet).reshape(-1, 3)
        turned = pose.posed(edges)
        tangents = unit(pose.posed(edges + 0.05 * np.repeat(along, 2, axis=1).reshape(-1, 3)) - turned)
        facing = unit(pose.posed(edges + 0.05 * np.repeat(outward, 2, axis=1).reshape(-1, 3)) - turned)
        u = np.tile(np.array([0, 1], np.float32), count * joints)
        v = np.tile(np.repeat(way, 2), count)
        each = np.repeat(rng.random(count), 2 * joints)
        values = np.concatenate([np.stack([u, v, each], 1), tangents], 1)
        return Mesh(turned.astype(np.float32), triangles.astype(np.int32), facing.astype(np.float32),
                    values.astype(np.float32), self.shade, True, self._strands)  # fmt: skip

    def _strands(self, values: np.ndarray) -> np.ndarray:
        """Where a ribbon has a strand: fewer at its sides and towards its end."""
        u, v, each = values.T
        gaps = self.thin + 0.75 * smoothstep(0.55, 1.0, v) + 0.7 * np.square(np.square(2 * u - 1))
        return _strand(u, each, 0) > gaps

    def shade(self, values: np.ndarray, normals: np.ndarray, lit: np.ndarray, light: Light) -> np.ndarray:
        """After Kajiya and Kay, 1989, "Rendering fur with three dimensional textures"."""
        tangent, u, v, each = unit(values[:, 3:]), values[:, 0], values[:, 1], values[:, 2]
        strand = _strand(u, each, 1)
        tone = (0.55 + 0.9 * strand) * (1 + self.streaks * (each - 0.5)) * (0.55 + 0.45 * smoothstep(0, 0.35, v))
        facing = np.where(normals[:, 2:] < -0.2, -normals, normals)
        along_light = tangent @ light.direction
        matt = np.sqrt(np.clip(1 - along_light**2, 0, 1))
        open_sky = (0.35 + 0.5 * smoothstep(0, 0.5, v)) * (0.8 + 0.4 * strand)
        soft = light.diffuse(facing, lit * (0.35 + 0.65 * matt), open_sky, 0.35)
        half = unit(light.direction + VIEW)
        shine = np.clip(1 - (tangent @ half + 0.1 * (strand - 0.5)) ** 2, 0, 1) ** 30
        shine = shine * np.clip(facing @ light.direction + 0.3, 0, 1) * lit * (0.3 + strand) * self.gloss
        return self.colour * tone[:, None] * soft + (0.05 * shine)[:, None] * light.key * (0.4 + self.colour)


def _strand(u: np.ndarray, each: np.ndarray, which: int) -> np.ndarray:
    """A number (n,) from 0 to 1 for the strand at ``u`` of the ribbon ``each``."""
    place = (each * 977.0 + u * 9.0 + 131.0 * which) * 4.0
    return _TABLE[place.astype(np.int32) % STRANDS]


def _front(places: np.ndarray) -> np.ndarray:
    """(n,): 1 for hair that grows above the forehead."""
    return smoothstep(0.55, 1.0, places[:, 2]) * smoothstep(7.6, 7.85, places[:, 1])


def beard_weights(head: Head) -> np.ndarray:
    jaw, moustache = beard_area(head.mean)
    return np.maximum(jaw, moustache)


def draw_hair(colour: np.ndarray, male: bool, age: float, straight: bool, rng: np.random.Generator) -> Hair:
    """A haircut at random; ``straight``: whether ancestry makes tight curls rare."""
    men = {"short": 0.34, "crop": 0.22, "side": 0.18, "back": 0.1, "medium": 0.05, "curls": 0.06, "bald": 0.05}
    women = {"long": 0.38, "bob": 0.16, "fringe": 0.14, "back": 0.16, "curls": 0.1, "short": 0.05, "wavy": 0.01}
    shares = dict(men if male else women)
    if not straight:
        shares = {"crop": 0.5, "bald": 0.15, "afro": 0.2, "short": 0.1, "curls": 0.05} if male else {
            "afro": 0.2, "curls": 0.2, "back": 0.3, "long": 0.2, "bob": 0.1}  # fmt: skip
    style = str(rng.choice(list(shares), p=np.array(list(shares.values())) / sum(shares.values())))
    u = rng.uniform
    recession = float(
        np.clip(rng.normal(0.02, 0.05) + 0.22 * age * u(0, 1.3), -0.05, 0.4) if male else rng.normal(-0.04, 0.03)
    )
    crown = float(u(0.3, 0.65)) if male and rng.random() < 0.5 * age else 0.0
    plain = Hair(
        style=style, colour=colour.astype(np.float32), length=0.3, ribbons=300, steps=4, width=0.16, comb=(0, 0.2, -1),
        part=None, lift=0.3, fall=0.1, curl=0.0, waves=0.0, fringe=False, thin=0.06, recession=recession, crown=crown,
        forehead=float(rng.normal(0, 0.04)), gloss=float(u(0.3, 1.6)), streaks=float(u(0.2, 0.9)), seed=int(rng.integers(2**31)),
    )  # fmt: skip
    aside = float(rng.choice([-1, 1]) * u(0.12, 0.3))
    wavy = {"curl": u(0.15, 0.5), "waves": u(4, 12)} if rng.random() < 0.45 else {}
    return {
        "short": lambda: replace(plain, length=u(0.25, 0.5), comb=(aside, 0.1, u(-0.6, 0.8)), lift=u(0.08, 0.4), fringe=rng.random() < 0.3,
                                 ribbons=420, width=0.12, fall=u(0, 0.3)),
        "crop": lambda: replace(plain, length=u(0.06, 0.18), comb=(aside, -0.1, 0.6), lift=u(0.3, 0.7), ribbons=520, steps=2, width=0.11, fall=0.0),
        "side": lambda: replace(plain, length=u(0.4, 0.8), comb=(0, 0.1, u(-0.7, 0.3)), part=aside, lift=u(0.08, 0.35), fall=u(0.1, 0.4), steps=5,
                                width=0.18),
        "back": lambda: replace(plain, length=u(0.5, 1.1), comb=(0, 0.25, -1), lift=u(0.05, 0.25), fall=0.05, steps=5, width=0.18, ribbons=360),
        "medium": lambda: replace(plain, length=u(0.9, 1.6), part=aside * rng.choice([0, 1]), comb=(0, 0, -0.3), lift=0.2, fall=u(0.5, 1), steps=7,
                                  ribbons=280, width=0.22, **wavy),
        "bob": lambda: replace(plain, length=u(1.2, 1.9), part=aside * rng.choice([0, 1]), comb=(0, 0, -0.2), lift=u(0.08, 0.25), fall=u(0.8, 1.4),
                               steps=7, ribbons=300, width=0.24, fringe=rng.random() < 0.35, **wavy),
        "long": lambda: replace(plain, length=u(2.2, 4.2), part=aside * rng.choice([0, 0, 1]), comb=(0, 0, -0.25), lift=u(0.05, 0.22), fall=u(0.9, 1.6),
                                steps=10, ribbons=300, width=0.26, **wavy),
        "wavy": lambda: replace(plain, length=u(2, 3.4), part=aside, lift=0.2, fall=1.0, steps=10, ribbons=300, width=0.25, curl=0.5, waves=8.0),
        "fringe": lambda: replace(plain, length=u(1.2, 3.6), part=None, comb=(0, 0.1, -0.5), lift=u(0.05, 0.2), fall=u(0.9, 1.5), steps=9, ribbons=320,
                                  width=0.24, fringe=True, **wavy),
        "curls": lambda: replace(plain, length=u(0.5, 2.4), lift=0.35, fall=u(0.3, 0.7), steps=8, ribbons=320, width=0.2, curl=u(0.7, 1.2),
                                 waves=u(12, 26), part=aside, thin=0.2),
        "afro": lambda: replace(plain, length=u(0.25, 0.9), lift=0.95, fall=0.02, steps=6, ribbons=440, width=0.22, curl=u(0.8, 1.4),
                                waves=u(20, 40), thin=0.3),
        "bald": lambda: replace(plain, length=u(0.04, 0.12), lift=0.6, steps=2, ribbons=160, crown=2.0, recession=0.4, thin=0.4, width=0.12),
    }[style]()  # fmt: skip


def draw_beard(colour: np.ndarray, rng: np.random.Generator) -> Hair:
    """A full beard of up to half a decimetre."""
    return Hair(
        style="beard", colour=(colour * rng.uniform(0.8, 1.1)).astype(np.float32), length=float(rng.choice([rng.uniform(0.06, 0.14), rng.uniform(0.14, 0.45)])),
        ribbons=900, steps=2, width=0.05, comb=(0, -1, 0.2), part=None, lift=0.15, fall=0.4, curl=float(rng.uniform(0, 0.4)), waves=14.0,
        fringe=False, thin=0.3, recession=0, crown=0, forehead=0, gloss=float(rng.uniform(0.2, 0.8)), streaks=0.6, seed=int(rng.integers(2**31)),
    )  # fmt: skip
