"""Things held before a face: a hand, a microphone, a cup, a telephone; solid, in the same light."""

import numpy as np

from lightning_modules.faces.colour import draw_surface
from lightning_modules.faces.head import unit
from lightning_modules.faces.light import Light
from lightning_modules.faces.mesh import Mesh, tube


def draw_occluder(rng: np.random.Generator, face: np.ndarray, skin: np.ndarray) -> list[Mesh]:
    """In the camera's frame, before one of the face's points (n, 3) or beside it; ``skin``: the person's colour."""
    target = face[rng.integers(len(face))] + np.append(rng.normal(0, 0.25, 2), 0)
    front = face[:, 2].max()
    sort = rng.choice(["hand", "fist", "microphone", "thing"], p=[0.4, 0.2, 0.15, 0.25])
    if sort in ("hand", "fist"):
        colour = skin * rng.uniform(0.75, 1.1) if rng.random() < 0.9 else draw_surface(rng)
        return _hand(rng, target, front, colour, bent=sort == "fist")
    if sort == "microphone":
        mouth = face[-20:].mean(0)
        return _microphone(rng, mouth + np.append(rng.normal(0, 0.12, 2) - [0, 0.18], 0), front)
    return [_thing(rng, target, front)]


def _plain(parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]], colour: np.ndarray, shine: float) -> Mesh:
    starts = np.cumsum([0] + [len(points) for points, _, _ in parts])
    triangles = np.concatenate([part[1] + start for part, start in zip(parts, starts, strict=False)])
    points = np.concatenate([part[0] for part in parts]).astype(np.float32)

    def shade(values: np.ndarray, normals: np.ndarray, lit: np.ndarray, light: Light) -> np.ndarray:
        soft = light.diffuse(normals, lit, values[:, 0], 0.2)
        return colour * soft + light.gloss(normals, lit, 20.0) * shine

    outward = np.concatenate([part[2] for part in parts]).astype(np.float32)
    return Mesh(points, triangles.astype(np.int32), outward, np.full((len(points), 1), 0.85, np.float32), shade, True)


def _rounded(path: np.ndarray, radius: float, ends: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A tube with hemispheres at both ends, squeezed to points."""
    way = np.linspace(0, 1, 9)
    joints = np.linspace(0, 1, len(path))
    dense = np.stack([np.interp(way, joints, path[:, axis]) for axis in range(3)], 1)
    first, last = unit(dense[0] - dense[1]), unit(dense[-1] - dense[-2])
    angle = np.linspace(np.pi / 2, 0, ends + 1)[:-1]
    tip = dense[-1] + np.outer(np.cos(angle), last) * radius
    start = dense[0] + np.outer(np.cos(angle), first) * radius
    full = np.concatenate([start, dense, tip[::-1]])
    round_off = np.sin(angle)
    radii = np.concatenate([round_off * radius, np.full(9, radius), round_off[::-1] * radius])
    order = np.argsort(-angle)  # both ends from the tip inwards
    full[: len(angle)] = start[order[::-1]]
    radii[: len(angle)] = (round_off * radius)[order[::-1]]
    return tube(full, radii, sides=8)


def _hand(rng: np.random.Generator, target: np.ndarray, front: float, colour: np.ndarray, bent: bool) -> list[Mesh]:
    """Palm, four fingers and a thumb; the finger tips are at ``target``."""
    angle = rng.uniform(-1.2, 1.2) + (np.pi if rng.random() < 0.1 else 0)
    along = np.array([np.sin(angle), np.cos(angle), 0.15])
    across = np.array([np.cos(angle), -np.sin(angle), 0.1]) * rng.choice([-1, 1])
    size = rng.uniform(0.85, 1.15)
    width, length = 0.095 * size, 0.75 * size
    depth = front + rng.uniform(0.12, 0.35)
    knuckles = np.array([target[0], target[1], depth]) - along * length * (0.35 if bent else 0.8)
    spread = rng.uniform(1.0, 1.35)
    parts = []
    for finger, share in enumerate((0.88, 1.0, 0.96, 0.78)):
        base = knuckles + across * (finger - 1.5) * 2 * width * spread
        if bent:
            path = np.stack([base - along * 0.1, base + along * 0.22 * size, base + along * 0.12 * size + [0, 0, -0.2]])
        else:
            turned = along + across * (finger - 1.5) * 0.08 * (spread - 0.9) * 4
            droop = np.array([0, 0, -rng.uniform(0, 0.15)])
            path = np.stack([base, base + turned * length * 0.5 * share, base + turned * length * share + droop])
        parts.append(_rounded(path, width))
    palm = np.stack([knuckles - along * 0.05, knuckles - along * 0.5 * size, knuckles - along * 1.0 * size])
    for shift in (-0.2, 0.0, 0.2):
        parts.append(_rounded(palm + across * shift * size, 0.16 * size))
    parts.append(_rounded(np.stack([palm[1] - along * 0.3, palm[1] - along * 9.0]), 0.27 * size))
    thumb = palm[1] - across * 0.3 * size
    parts.append(
        _rounded(np.stack([thumb, thumb - across * 0.15 + along * 0.25, thumb - across * 0.2 + along * 0.5]), width)
    )
    return [_plain(parts, colour.astype(np.float32), 0.02)]


def _microphone(rng: np.random.Generator, target: np.ndarray, front: float) -> list[Mesh]:
    away = unit(np.array([rng.normal(0, 0.5), -1.0, 0.6]))
    top = np.array([target[0], target[1], front + rng.uniform(0.05, 0.3)])
    head = _rounded(np.stack([top, top + away * 0.12]), rng.uniform(0.18, 0.28))
    grip = tube(np.stack([top, top + away * 2.2]), np.array([0.14, 0.1]), sides=8)
    dark = np.full(3, rng.choice([0.01, 0.02, 0.25]), np.float32)
    return [_plain([head], dark, 0.05), _plain([grip], np.full(3, 0.02, np.float32), 0.05)]


def _thing(rng: np.random.Generator, target: np.ndarray, front: float) -> Mesh:
    """A cup, a bottle or a flat box such as a telephone."""
    middle = np.array([target[0], target[1], front + rng.uniform(0.1, 0.5)])
    lean = unit(np.array([rng.normal(0, 0.4), 1.0, rng.normal(0, 0.3)]))
    if rng.random() < 0.5:
        part = tube(middle + np.outer(np.linspace(-0.5, 0.5, 4), lean), np.full(4, rng.uniform(0.15, 0.4)), sides=12)
        return _plain([part], draw_surface(rng), 0.05)
    half = np.array([rng.uniform(0.3, 0.8), rng.uniform(0.4, 1.0)])
    across = unit(np.cross(lean, [0.1, 0.2, 1.0]))
    corners = np.stack(
        [middle + across * x * half[0] + lean * y * half[1] for x, y in ((-1, -1), (1, -1), (-1, 1), (1, 1))]
    )
    facing = unit(np.cross(across, lean))
    facing = facing * np.sign(facing[2] + 1e-6)
    return _plain([(corners, np.array([[0, 1, 2], [1, 3, 2]]), np.tile(facing, (4, 1)))], draw_surface(rng), 0.05)
