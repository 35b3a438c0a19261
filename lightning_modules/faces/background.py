"""What is behind a person: rooms, walls, trees, streets, skies, lights, other people, mostly out of focus.

Shapes are painted flat and given the texture of the 1/f sheet; colours are dull, as those of real scenes.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from lightning_modules.faces.colour import draw_cast, draw_surface, linear, luminance
from lightning_modules.faces.noise import patch, smoothstep
from lightning_modules.faces.person import HAIR_TONES, SKIN_TONES, along

Painter = Callable[[np.random.Generator, int], np.ndarray]


def draw_background(rng: np.random.Generator, size: int) -> np.ndarray:
    """(size, size, 3) float32 linear light, of luminance about 0.2."""
    painters: tuple[tuple[float, Painter], ...] = (
        (0.17, _backdrop), (0.24, _room), (0.17, _foliage), (0.12, _street), (0.07, _sky), (0.07, _lights), (0.06, _banner), (0.10, _texture),
    )  # fmt: skip
    side = size // 2
    which = rng.choice(len(painters), p=[share for share, _ in painters])
    image = painters[which][1](rng, side)
    if rng.random() < 0.3:
        image = _people(rng, image)
    focus = float(rng.choice([0.0, rng.uniform(0.3, 1.5), rng.uniform(1.5, 6)], p=[0.25, 0.4, 0.35])) * side / 128
    image = _resized(_blurred(image, focus), size)
    if focus < 0.6:
        image = image * np.exp(0.10 * patch(rng, size, 1.0)[..., None])
    image = _duller(image, rng.uniform(0.4, 1.25)) * draw_cast(rng, 0.06)
    level = np.exp(rng.normal(np.log(0.22), 0.75))
    return (image * (level / (luminance(image).mean() + 1e-3))).astype(np.float32)


def _duller(image: np.ndarray, saturation: float) -> np.ndarray:
    grey = luminance(image)[..., None]
    return np.maximum(grey + (image - grey) * saturation, 0)


def _blurred(image: np.ndarray, radius: float) -> np.ndarray:
    """Three passes of a box, which together are close to a Gaussian; edges continue."""
    reach = round(radius * 1.1)
    if reach < 1:
        return image
    for axis in (0, 1):
        for _ in range(3):
            padded = np.concatenate([np.repeat(np.take(image, [0], axis), reach + 1, axis), image,
                                     np.repeat(np.take(image, [-1], axis), reach, axis)], axis)  # fmt: skip
            total = np.cumsum(padded, axis, dtype=np.float64)
            count = image.shape[axis]
            high = np.take(total, np.arange(2 * reach + 1, 2 * reach + 1 + count), axis)
            image = ((high - np.take(total, np.arange(count), axis)) / (2 * reach + 1)).astype(np.float32)
    return image


def _resized(image: np.ndarray, size: int) -> np.ndarray:
    """Bilinear, each channel on its own, without losing its range."""
    return np.stack([np.asarray(Image.fromarray(image[..., channel]).resize((size, size), Image.Resampling.BILINEAR))
                     for channel in range(3)], -1)  # fmt: skip


def _painted(image: np.ndarray, paint: Callable[[ImageDraw.ImageDraw], None]) -> np.ndarray:
    """The linear image after Pillow has drawn on it."""
    shown = Image.fromarray((np.clip(image, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8))
    paint(ImageDraw.Draw(shown))
    return linear(np.asarray(shown))


def _ink(colour: np.ndarray) -> tuple[int, ...]:
    return tuple(int(value) for value in np.clip(colour, 0, 1) ** (1 / 2.2) * 255)


def _slope(rng: np.random.Generator, side: int) -> np.ndarray:
    """(side, side) from 0 to 1 in some direction."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side
    angle = rng.uniform(0, 2 * np.pi)
    found = np.cos(angle) * x + np.sin(angle) * y
    return (found - found.min()) / np.ptp(found)


def _textured(rng: np.random.Generator, image: np.ndarray, amount: float, zoom: float = 1.0) -> np.ndarray:
    return image * np.exp(amount * patch(rng, len(image), zoom)[..., None])


def _backdrop(rng: np.random.Generator, side: int) -> np.ndarray:
    """A studio's cloth, brighter where a lamp shines on it."""
    colour = draw_surface(rng)
    colour = colour + (luminance(colour) - colour) * 0.5
    image = colour * (0.4 + _slope(rng, side)[..., None] * rng.uniform(0, 1.2))
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side
    spot = np.exp(-(((x - rng.uniform(0.2, 0.8)) ** 2 + (y - rng.uniform(0.2, 0.8)) ** 2) / rng.uniform(0.1, 0.6)))
    return _textured(rng, image * (0.6 + rng.uniform(0, 1.5) * spot[..., None]), rng.uniform(0, 0.2), 0.5)


def _room(rng: np.random.Generator, side: int) -> np.ndarray:
    """A wall with window, door, pictures, shelves, curtains, lamps, and edges of furniture."""
    wall = draw_surface(rng)
    wall = 0.3 * wall + 0.35 * luminance(wall) + rng.uniform(0.02, 0.3)
    image = np.ones((side, side, 3), np.float32) * wall * (0.6 + 0.7 * _slope(rng, side)[..., None])
    lean = rng.normal(0, 0.06)

    def paint(pen: ImageDraw.ImageDraw) -> None:
        def slab(x: float, y: float, wide: float, high: float, colour: np.ndarray) -> None:
            corners = [(x, y), (x + wide, y), (x + wide, y + high), (x, y + high)]
            pen.polygon([((u + lean * v) * side, (v - lean * u) * side) for u, v in corners], fill=_ink(colour))

        if rng.random() < 0.4:
            slab(-0.2, rng.uniform(0.55, 0.9), 1.5, 1, draw_surface(rng) * 0.7)
        for _ in range(int(rng.integers(1, 9))):
            x, y, wide, high = rng.uniform(-0.2, 1), rng.uniform(-0.2, 0.9), rng.exponential(0.22), rng.exponential(0.3)
            sort = rng.random()
            if sort < 0.2:  # window
                slab(x, y, wide + 0.1, high + 0.15, np.full(3, 0.75) * draw_cast(rng, 0.1))
                for share in rng.uniform(0, 1, int(rng.integers(0, 4))):
                    slab(x + share * wide, y, 0.015, high + 0.15, wall * 0.8)
            elif sort < 0.4:  # shelf of books
                slab(x, y, wide + 0.2, high + 0.1, np.full(3, 0.05))
                left = x
                while left < x + wide + 0.2:
                    thick = rng.uniform(0.012, 0.04)
                    tall = (high + 0.1) * rng.uniform(0.6, 0.95)
                    slab(left, y + high + 0.1 - tall, thick, tall, draw_surface(rng))
                    left += thick
            elif sort < 0.6:  # picture
                slab(x, y, wide + 0.05, high * 0.6 + 0.05, draw_surface(rng) * 0.5)
                slab(x + 0.02, y + 0.02, wide + 0.01, high * 0.6 + 0.01, draw_surface(rng))
            elif sort < 0.75:  # curtain
                for k in range(6):
                    slab(x + k * 0.05, -0.2, 0.05, 1.5, wall * rng.uniform(0.5, 1.2))
            else:  # furniture
                slab(x, y + 0.3, wide + 0.1, high + 0.1, draw_surface(rng) * rng.uniform(0.3, 1))

    return _textured(rng, _painted(image, paint), rng.uniform(0.03, 0.25))


def _foliage(rng: np.random.Generator, side: int) -> np.ndarray:
    """Leaves, light between them, perhaps sky above and grass below."""
    zoom = rng.uniform(0.5, 3)
    shape = patch(rng, side, zoom) + 0.5 * patch(rng, side, zoom * 2.7)
    leaf = linear([(rng.uniform(50, 120), rng.uniform(80, 130), rng.uniform(25, 70))])[0]
    if rng.random() < 0.25:
        leaf = linear([(rng.uniform(110, 170), rng.uniform(80, 120), rng.uniform(30, 60))])[0]  # autumn, earth
    image = leaf * np.exp(rng.uniform(0.5, 0.9) * shape)[..., None]
    gaps = smoothstep(rng.uniform(0.8, 2), 2.5, shape)[..., None]
    image = image * (1 - gaps) + gaps * np.array([0.7, 0.8, 0.85], np.float32)
    y = np.linspace(0, 1, side, dtype=np.float32)[:, None, None]
    if rng.random() < 0.5:
        sky = smoothstep(
            rng.uniform(-0.05, 0.05), -0.05, y - rng.uniform(0.1, 0.6) + 0.1 * patch(rng, side, 1)[..., None]
        )
        image = image * (1 - sky) + sky * linear([(150, 180, 215)])[0] * rng.uniform(0.7, 1.4)
    if rng.random() < 0.4:
        grass = smoothstep(0, 0.03, y - rng.uniform(0.5, 0.9))
        image = image * (1 - grass) + grass * leaf * rng.uniform(0.8, 2.5) * np.exp(
            0.3 * patch(rng, side, 3)[..., None]
        )
    return image.astype(np.float32)


def _street(rng: np.random.Generator, side: int) -> np.ndarray:
    """House fronts with rows of windows, a strip of sky, ground, cars as dark shapes."""
    y = np.linspace(0, 1, side, dtype=np.float32)[:, None, None]
    image = np.ones((side, side, 3), np.float32) * linear([(185, 200, 220)])[0] * (1.2 - 0.4 * y)

    def paint(pen: ImageDraw.ImageDraw) -> None:
        x, ground = -0.1, rng.uniform(0.6, 1.0)
        while x < 1.1:
            wide, top = rng.uniform(0.15, 0.6), rng.uniform(-0.3, 0.45)
            front = 0.5 * draw_surface(rng) + rng.uniform(0.03, 0.3)
            pen.rectangle([x * side, top * side, (x + wide) * side, side], fill=_ink(front))
            pitch_x, pitch_y, dark = rng.uniform(0.04, 0.12), rng.uniform(0.06, 0.15), rng.uniform(0.1, 0.9)
            for u in np.arange(x + 0.02, x + wide - 0.03, pitch_x):
                for v in np.arange(top + 0.04, ground - 0.05, pitch_y):
                    ink = _ink(front * dark if rng.random() < 0.85 else front * 2.5)
                    pen.rectangle(
                        [u * side, v * side, (u + 0.55 * pitch_x) * side, (v + 0.55 * pitch_y) * side], fill=ink
                    )
            x += wide
        pen.rectangle([0, ground * side, side, side], fill=_ink(np.full(3, rng.uniform(0.05, 0.35))))
        for _ in range(int(rng.integers(0, 4))):
            u, wide = rng.uniform(-0.1, 1), rng.uniform(0.1, 0.4)
            pen.ellipse(
                [u * side, (ground - 0.12) * side, (u + wide) * side, (ground + 0.1) * side],
                fill=_ink(draw_surface(rng)),
            )

    return _textured(rng, _painted(image, paint), rng.uniform(0.05, 0.25))


def _sky(rng: np.random.Generator, side: int) -> np.ndarray:
    """Sky with clouds, over a horizon of sea, sand or hills."""
    y = np.linspace(0, 1, side, dtype=np.float32)[:, None, None]
    blue = linear([(rng.uniform(90, 170), rng.uniform(140, 190), rng.uniform(190, 235))])[0]
    image = blue * (0.7 + 0.7 * y)
    clouds = smoothstep(rng.uniform(-0.5, 1.5), 2.0, patch(rng, side, rng.uniform(0.3, 1)))[..., None]
    image = image * (1 - clouds) + clouds * np.float32(0.85)
    edge = rng.uniform(0.4, 1.1) + rng.uniform(0, 0.06) * patch(rng, side, 1)[0][None, :, None]
    land = draw_surface(rng) * 0.5 + linear([(90, 100, 80)])[0] * 0.5
    below = smoothstep(0, 0.02, y - edge)
    return _textured(rng, image * (1 - below) + below * land * np.exp(0.4 * patch(rng, side, 2)[..., None]), 0.05)


def _lights(rng: np.random.Generator, side: int) -> np.ndarray:
    """A dark place with lamps out of focus."""
    image = np.ones((side, side, 3), np.float32) * draw_surface(rng) * 0.08 + 0.004
    image = _textured(rng, image, 0.8)

    def paint(pen: ImageDraw.ImageDraw) -> None:
        radius = rng.uniform(0.01, 0.07)
        for _ in range(int(rng.integers(4, 40))):
            x, y = rng.uniform(0, 1, 2)
            colour = np.array([0.9, 0.7, 0.45]) * draw_cast(rng, 0.4) * rng.uniform(0.1, 1)
            own = radius * rng.uniform(0.6, 1.2)
            pen.ellipse([(x - own) * side, (y - own) * side, (x + own) * side, (y + own) * side], fill=_ink(colour))

    return _painted(image, paint)


def _banner(rng: np.random.Generator, side: int) -> np.ndarray:
    """A sponsors' wall: rows of marks and letters."""
    ground, inks = draw_surface(rng), [draw_surface(rng) for _ in range(3)]
    image = np.ones((side, side, 3), np.float32) * ground

    def paint(pen: ImageDraw.ImageDraw) -> None:
        pitch, shift = rng.uniform(0.12, 0.4), rng.uniform(0, 1)
        for row, y in enumerate(np.arange(-0.1, 1.1, pitch * 0.6)):
            for x in np.arange(-0.4, 1.1, pitch) + (row % 2) * pitch * shift:
                ink = _ink(inks[int(rng.integers(3))])
                for letter in range(int(rng.integers(2, 6))):
                    u, tall, thick = x + letter * pitch * 0.12, pitch * 0.2, pitch * 0.03
                    bars = rng.integers(0, 2, 5)
                    boxes = [(0, 0, 0.02, 1), (0, 0, 1, 0), (0, 0.5, 1, 0.5), (0, 1, 1, 1), (1, 0, 1, 1)]
                    for bar, (a, b, c, d) in zip(bars, boxes, strict=True):
                        if bar:
                            wide = pitch * 0.09
                            pen.line([(u + a * wide) * side, (y + b * tall) * side, (u + c * wide) * side, (y + d * tall) * side],
                                     fill=ink, width=max(1, int(thick * side)))  # fmt: skip

    return _painted(image, paint) * (0.6 + 0.8 * _slope(rng, side)[..., None])


def _texture(rng: np.random.Generator, side: int) -> np.ndarray:
    """Stone, bark, cloth, or dead leaves: overlapping discs of all sizes."""
    colours = [draw_surface(rng) for _ in range(4)]
    image = np.ones((side, side, 3), np.float32) * colours[0]
    if rng.random() < 0.5:
        share = smoothstep(-1, 1, patch(rng, side, rng.uniform(0.3, 3)))[..., None]
        return _textured(rng, image * (1 - share) + colours[1] * share, rng.uniform(0.1, 0.6), rng.uniform(0.5, 2))

    def paint(pen: ImageDraw.ImageDraw) -> None:
        for _ in range(60):
            radius = 0.02 / max(rng.random(), 0.04)
            x, y = rng.uniform(0, 1, 2)
            colour = colours[int(rng.integers(4))] * rng.uniform(0.6, 1.4)
            pen.ellipse(
                [(x - radius) * side, (y - radius) * side, (x + radius) * side, (y + radius) * side], fill=_ink(colour)
            )

    return _textured(rng, _painted(image, paint), 0.2)


def _people(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Others in the background: heads with hair over shoulders, without features."""
    side = len(image)

    def paint(pen: ImageDraw.ImageDraw) -> None:
        for _ in range(int(rng.integers(1, 5))):
            x, y, high = rng.uniform(0, 1), rng.uniform(0.15, 0.75), rng.uniform(0.06, 0.2)
            skin, hair = (
                along(SKIN_TONES, rng.random()) * rng.uniform(0.3, 1),
                HAIR_TONES[rng.integers(len(HAIR_TONES))],
            )

            def blob(u: float, v: float, wide: float, tall: float, colour: np.ndarray) -> None:
                pen.ellipse(
                    [(u - wide) * side, (v - tall) * side, (u + wide) * side, (v + tall) * side], fill=_ink(colour)
                )

            blob(x, y + 3.2 * high, 2.0 * high, 2.2 * high, draw_surface(rng))
            blob(x, y - 0.15 * high, 0.85 * high, 1.1 * high, hair * 0.8)
            blob(x + rng.normal(0, 0.1) * high, y + 0.1 * high, 0.7 * high, 0.9 * high, skin)

    return _painted(image, paint)
