"""Charts as SVG for the report. Colours are classes, so that the style sheet has a light and a dark one for each."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from markupsafe import Markup

from experiments.pages import strokes
from experiments.pages.charts import Chart, Panel, Point, Series, ends, tick_text, ticks
from experiments.pages.labels import is_nearest
from experiments.pages.strokes import Scale
from experiments.suite.figure import SIDES, STYLES, placed

WIDTH, HEIGHT = 360, 250  # of a panel, in pixels
LEFT, RIGHT, TOP, BOTTOM = 46, 18, 12, 38
LETTER = 5.6  # width of a letter of the texts beside points, at 10 pixels
MARK = 3.6  # half of a marker's size
MOST_TEXTS = 40  # more points than that are named by the pointer alone
SHAPES: dict[str, str] = {  # of half size 1, in the order of the series' styles
    "o": "",
    "s": "M-.9-.9H.9V.9H-.9Z",
    "^": "M0-1.15L1.1.85H-1.1Z",
    "D": "M0-1.25L1.25 0L0 1.25L-1.25 0Z",
    "v": "M0 1.15L1.1-.85H-1.1Z",
    "P": "M-.4-1.2H.4V-.4H1.2V.4H.4V1.2H-.4V.4H-1.2V-.4H-.4Z",
    ">": "M1.15 0L-.85 1.1V-1.1Z",
    "X": "M-1.1-.6L-.6-1.1L0-.5L.6-1.1L1.1-.6L.5 0L1.1.6L.6 1.1L0 .5L-.6 1.1L-1.1.6L-.5 0Z",
    "<": "M-1.15 0L.85 1.1V-1.1Z",
    "p": "M0-1.2L1.15-.35L.7 1H-.7L-1.15-.35Z",
}
DASHES = {"-": "", "--": "6 3", "-.": "7 2 2 2", ":": "2 3"}


def chart(drawn: Chart) -> list[Markup]:
    """One <svg> a panel."""
    shared = _ends(drawn.panels) if drawn.shared else None
    return [panel(each, shared or _ends([each])) for each in drawn.panels]


def _ends(panels: Sequence[Panel]) -> tuple[tuple[float, float], tuple[float, float]] | None:
    points = [point for each in panels for series in each.series for point in series.points]
    if not points:
        return None
    ups = [value for point in points for value in (point.y, point.low, point.high) if value is not None]
    x, y = panels[0].x, panels[0].y
    return ends([point.x for point in points], x.log), ends(ups, y.log, 0.08)


def panel(drawn: Panel, shared: tuple[tuple[float, float], tuple[float, float]] | None = None) -> Markup:
    limits = shared or _ends([drawn])
    head = strokes.head(WIDTH, HEIGHT, _said(drawn))
    if limits is None:
        return head + strokes.text(WIDTH / 2, HEIGHT / 2, "nothing has been run", "tick", "middle") + Markup("</svg>")
    x = Scale(*limits[0], LEFT, WIDTH - RIGHT, drawn.x.log)
    y = Scale(*limits[1], HEIGHT - BOTTOM, TOP, drawn.y.log)
    parts = [head, _axes(drawn, x, y)]
    fronts = [series for series in drawn.series if series.role == "front"]
    mains = [series for series in drawn.series if series.role != "front"]
    parts += [_front(series, x, y) for series in fronts]
    parts += [_series(series, x, y) for series in mains]
    parts += [_texts(mains, x, y), Markup("</svg>")]
    return Markup("").join(parts)


def _said(drawn: Panel) -> str:
    """What a screen reader says in the place of the picture; the numbers are in the CSV beside it."""
    labels = ", ".join(series.label for series in drawn.series if series.role == "main")
    return f"{drawn.title}: {drawn.y.label} against {drawn.x.label}; {labels}"


def _axes(drawn: Panel, x: Scale, y: Scale) -> Markup:
    parts = []
    for value in ticks(x.low / drawn.x.divide, x.high / drawn.x.divide, x.log, 5):
        at = x(value * drawn.x.divide)
        parts.append(strokes.line(at, y.start, at, y.end, "grid"))
        parts.append(strokes.text(at, y.start + 13, tick_text(value), "tick", "middle"))
    for value in ticks(y.low / drawn.y.divide, y.high / drawn.y.divide, y.log):
        at = y(value * drawn.y.divide)
        parts.append(strokes.line(x.start, at, x.end, at, "grid"))
        parts.append(strokes.text(x.start - 5, at + 3.3, tick_text(value), "tick", "end"))
    parts.append(strokes.line(x.start, y.start, x.end, y.start, "axis"))
    parts.append(strokes.line(x.start, y.start, x.start, y.end, "axis"))
    parts.append(strokes.text((x.start + x.end) / 2, HEIGHT - 6, drawn.x.label, "label", "middle"))
    middle = (y.start + y.end) / 2
    turned = Markup('<text class="label" text-anchor="middle" transform="translate(11 {}) rotate(-90)">{}</text>')
    parts.append(turned.format(strokes.pixel(middle), drawn.y.label))
    return Markup("").join(parts)


def _front(series: Series, x: Scale, y: Scale) -> Markup:
    """As steps: beyond a point, the worse way, holds what it reaches."""
    corners = [(x(point.x), y(point.y)) for point in series.points]
    steps = corners[:1]
    for (_, up), corner in pairwise(corners):
        steps += [(corner[0], up), corner]
    return Markup('<path class="front" d="{}"/>').format(strokes.path(steps))


def _series(series: Series, x: Scale, y: Scale) -> Markup:
    _, marker, line = STYLES[series.style % len(STYLES)]
    where = [(x(point.x), y(point.y)) for point in series.points]
    parts = [Markup('<g class="s s{}" data-series="{}">').format(series.style % len(STYLES), series.label)]
    ranges = [p for p in series.points if p.low is not None and p.high is not None]
    if series.band and len(ranges) > 1:
        edge = [(x(p.x), y(p.high or 0)) for p in ranges] + [(x(p.x), y(p.low or 0)) for p in reversed(ranges)]
        parts.append(Markup('<path class="band" d="{}Z"/>').format(strokes.path(edge)))
    if series.line and len(where) > 1:
        parts.append(Markup('<path class="line" d="{}"{}/>').format(strokes.path(where), _dash(line)))
    if not series.band:
        for each in ranges:
            parts.append(_whisker(x(each.x), y(each.low or 0), y(each.high or 0)))
    if series.marks:
        parts += [_mark(marker, *at, _tip(series, point)) for at, point in zip(where, series.points, strict=True)]
    return Markup("").join([*parts, Markup("</g>")])


def _tip(series: Series, point: Point) -> str:
    interval = f" [{point.low:,.4g}, {point.high:,.4g}]" if point.low is not None and point.high is not None else ""
    name = point.name or ", ".join(text for text in (series.label, point.text) if text)
    return f"{name}: {point.y:,.4g}{interval} at {point.x:,.6g}"


def _whisker(at: float, low: float, high: float) -> Markup:
    caps = f"M{strokes.pixel(at)} {strokes.pixel(low)}V{strokes.pixel(high)}M{strokes.pixel(at - 2.5)} {strokes.pixel(low)}h5M{strokes.pixel(at - 2.5)} {strokes.pixel(high)}h5"
    return Markup('<path class="whisker" d="{}"/>').format(caps)


def _mark(marker: str, x: float, y: float, tip: str) -> Markup:
    if shape := SHAPES[marker]:
        drawn = '<path class="mark" transform="translate({} {}) scale({})" d="{}" data-tip="{}"/>'
        return Markup(drawn).format(strokes.pixel(x), strokes.pixel(y), MARK, shape, tip)
    return Markup('<circle class="mark" cx="{}" cy="{}" r="{}" data-tip="{}"/>').format(
        strokes.pixel(x), strokes.pixel(y), MARK, tip
    )


def key(series: Series) -> Markup:
    """A series' line and marker, for a legend."""
    if series.role == "front":
        return Markup(
            '<svg class="key" viewBox="0 0 26 12" aria-hidden="true"><path class="front" d="M1 3H13V9H25"/></svg>'
        )
    _, marker, line = STYLES[series.style % len(STYLES)]
    parts = [
        Markup('<svg class="key s s{}" viewBox="0 0 26 12" aria-hidden="true">').format(series.style % len(STYLES))
    ]
    if series.line:
        parts.append(Markup('<path class="line" d="M1 6H25"{}/>').format(_dash(line)))
    if series.marks:
        parts.append(_mark(marker, 13, 6, series.label))
    return Markup("").join([*parts, Markup("</svg>")])


def _dash(line: object) -> Markup:
    dash = DASHES[line] if isinstance(line, str) else " ".join(str(2 * each) for each in line[1])  # type: ignore[index]
    return Markup(' stroke-dasharray="{}"').format(dash) if dash else Markup("")


def _texts(series: Sequence[Series], x: Scale, y: Scale) -> Markup:
    """Beside their points, where they hide little."""
    named = [(each, point) for each in series for point in each.points if point.text]
    if not named or len(named) > MOST_TEXTS:
        return Markup("")
    centres = np.array([(x(point.x), HEIGHT - y(point.y)) for _, point in named])
    sizes = np.array([(LETTER * len(point.text) + 3, 10.0) for _, point in named])
    firsts = [SIDES[each.style % 2] for each, _ in named]
    marks = np.array([(x(point.x), HEIGHT - y(point.y)) for each in series for point in each.points])
    area = np.array([LEFT, BOTTOM, WIDTH - 2, HEIGHT - 2], dtype=float)
    ink = _ink(series, x, y)
    places = placed(centres, sizes, firsts, ink, area)
    parts, taken = [], np.zeros((0, 4))
    for (_, point), centre, size, (side, distance) in zip(named, centres, sizes, places, strict=True):
        at = centre + np.array(side) * (distance + (2 if distance < 4 else 0))
        corner = at + (np.array(side) - 1) * size / 2
        box = np.concatenate([corner, corner + size])
        if not is_nearest(centre, box, marks):
            continue
        if _shared(box, taken) > 0.1 or _shared(box, ink) > 0.6 or _shared(box, area[None]) < 0.9:
            continue  # the pointer names it, and the CSV
        taken = np.concatenate([taken, box[None]])
        anchor = ("middle", "start", "end")[side[0]]
        down = HEIGHT - at[1] + (3.5, 0, 8)[side[1]]
        parts.append(strokes.text(at[0], down, point.text, "beside", anchor))
    return Markup("").join(parts)


def _shared(box: np.ndarray, others: np.ndarray) -> float:
    """The share of the box that the (M, 4) others cover, at most."""
    both = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    return float(np.prod(np.clip(both, 0, None), axis=1).sum() / np.prod(box[2:] - box[:2]))


def _ink(series: Sequence[Series], x: Scale, y: Scale) -> np.ndarray:
    """(M, 4) boxes of left, bottom, right, top, upwards, in which markers, intervals and lines lie."""
    boxes = [np.zeros((0, 4))]
    for each in series:
        corners = np.array([(x(point.x), HEIGHT - y(point.y)) for point in each.points]).reshape(-1, 2)
        boxes.append(np.concatenate([corners - MARK, corners + MARK], axis=1))
        for point in each.points:
            if point.low is not None and point.high is not None:
                ends_ = (HEIGHT - y(point.low), HEIGHT - y(point.high))
                boxes.append(np.array([[x(point.x) - 2, min(ends_), x(point.x) + 2, max(ends_)]]))
        for start, end in pairwise(corners) if each.line else ():
            along = np.linspace(start, end, 2 + int(np.hypot(*(end - start)) / 4))
            boxes.append(np.concatenate([along - 1, along + 1], axis=1))
    return np.concatenate(boxes)
