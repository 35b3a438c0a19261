"""Bars as SVG: all groups below each other on one axis, the paper's number as a mark on each bar."""

from markupsafe import Markup

from experiments.pages import strokes
from experiments.pages.charts import Bar, Bars, tick_text, ticks
from experiments.pages.strokes import Scale

ROW, GAP, NAME = 19, 26, 172  # of bars: a row's height, a group's head, room for names
OURS, PAPERS, NUMBERS = 6, 46, 84  # right of the bars: where our and the paper's numbers begin, room for both


def bars(drawn: Bars) -> Markup:
    """All groups below each other on one axis."""
    width = 620
    numbers = [
        number
        for _, group in drawn.groups
        for bar in group
        for number in (bar.value, bar.high, bar.paper)
        if number is not None
    ]
    height = GAP * len(drawn.groups) + ROW * sum(len(group) for _, group in drawn.groups) + 44
    x = Scale(0, max(numbers, default=1) * 1.04, NAME, width - NUMBERS)
    parts = [strokes.head(width, height, f"{drawn.title}: {drawn.axis}, {drawn.source} beside the paper's")]
    bottom = height - 38
    for value in ticks(x.low, x.high, most=7):
        parts += [
            strokes.line(x(value), 8, x(value), bottom, "grid"),
            strokes.text(x(value), bottom + 14, tick_text(value), "tick", "middle"),
        ]
    parts.append(strokes.text((x.start + x.end) / 2, height - 8, drawn.axis, "label", "middle"))
    down = 4.0
    for name, group in drawn.groups:
        parts.append(strokes.text(4, down + 16, name, "group", "start"))
        down += GAP
        for bar in group:
            parts.append(_bar(bar, x, down, drawn.source))
            down += ROW
    parts += [strokes.line(x.start, 8, x.start, bottom, "axis"), Markup("</svg>")]
    return Markup("").join(parts)


def _bar(bar: Bar, x: Scale, top: float, source: str) -> Markup:
    middle = top + ROW / 2
    said = [f"{source} {bar.value:,.3g}" if bar.value is not None else "", f"paper {bar.paper:g}" if bar.paper else ""]
    tip = f"{bar.label}: {', '.join(text for text in said if text) or 'nothing measured'}"
    name = bar.label if len(bar.label) < 29 else f"{bar.label[:27]}…"
    parts = [
        Markup('<g class="bar" data-tip="{}">').format(tip),
        strokes.text(NAME - 6, middle + 3.5, name, "tick", "end"),
    ]
    if bar.value is not None:
        box = '<rect class="fill" x="{}" y="{}" width="{}" height="{}"/>'
        parts.append(
            Markup(box).format(strokes.pixel(x(0)), strokes.pixel(top + 4), strokes.pixel(x(bar.value) - x(0)), ROW - 8)
        )
        parts.append(strokes.text(x.end + OURS, middle + 3.5, f"{bar.value:.2f}", "tick strong", "start"))
    if bar.low is not None and bar.high is not None:
        low, high = x(bar.low), x(bar.high)
        caps = f"M{strokes.pixel(low)} {strokes.pixel(middle)}H{strokes.pixel(high)}M{strokes.pixel(low)} {strokes.pixel(middle - 3)}v6M{strokes.pixel(high)} {strokes.pixel(middle - 3)}v6"
        parts.append(Markup('<path class="whisker" d="{}"/>').format(caps))
    if bar.paper is not None:
        parts.append(strokes.paper_mark(x(bar.paper), middle))
        parts.append(strokes.text(x.end + PAPERS, middle + 3.5, f"{bar.paper:.2f}", "tick paper", "start"))
    return Markup("").join([*parts, Markup("</g>")])
