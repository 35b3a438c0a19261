"""The strokes that all pictures of the report are made of: scales, lines, texts, the paper's mark."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Scale:
    """From a number to a pixel; on a logarithmic axis, which has no place for it, zero and less lie at the lower end."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        value = value if value > 0 or not self.log else self.low
        low, high, value = (math.log10(n) if self.log else n for n in (self.low, self.high, value))
        return self.start + (value - low) / (high - low) * (self.end - self.start)


def head(width: float, height: float, said: str) -> Markup:
    return Markup('<svg viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">').format(
        round(width), round(height), round(width), round(height), said
    )


def paper_mark(x: float, y: float, size: float = 4.6) -> Markup:
    """A hollow diamond: the paper's number, everywhere in the report."""
    corners = [(x, y - size), (x + size, y), (x, y + size), (x - size, y)]
    return Markup('<path class="paper-mark" d="{}Z"/>').format(path(corners))


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return Markup('<path class="{}" d="M{} {}L{} {}"/>').format(kind, pixel(x1), pixel(y1), pixel(x2), pixel(y2))


def text(x: float, y: float, text: str, kind: str, anchor: str) -> Markup:
    drawn = '<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>'
    return Markup(drawn).format(kind, pixel(x), pixel(y), anchor, text)


def path(corners: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{pixel(x)} {pixel(y)}" for x, y in corners)


def pixel(value: float) -> str:
    """A pixel, to a tenth."""
    return f"{round(float(value), 1):g}"
