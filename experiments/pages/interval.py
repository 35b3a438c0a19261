"""A claim's estimate with its interval, the paper's value beside it, and, shaded, where the claim holds."""

import math

from markupsafe import Markup

from experiments.pages.charts import ends
from experiments.pages.gather import Data, View
from experiments.pages.strokes import Scale, paper_mark, pixel
from experiments.suite import claim_estimate
from experiments.suite.rendering import estimate as text_of

WIDTH, HEIGHT = 210, 26


def picture(view: View, claim: Data, side: str) -> Markup | None:
    """None where there is no estimate, or where the number itself is all there is to say (an exact claim)."""
    found = claim[side]
    if found["estimate"] is None or claim["kind"] == "exact":
        return None
    lower, upper = region(view, claim)
    nothing = 1.0 if claim["kind"] == "ratio" else 0.0
    paper = 0.0 if claim["kind"] == "absolute" else claim["paper"]
    known = [found["estimate"], found["low"], found["high"], paper, nothing, lower, upper]
    x = Scale(
        *ends([value for value in known if value is not None and math.isfinite(value)], margin=0.12), 2, WIDTH - 2
    )
    middle = HEIGHT / 2
    left, right = (max(2.0, min(WIDTH - 2.0, x(end) if math.isfinite(end) else end)) for end in (lower, upper))
    said = f"{text_of(view.data, claim, found['estimate'])}"
    if found["low"] is not None:
        said += (
            f", 95 % interval {text_of(view.data, claim, found['low'])} to {text_of(view.data, claim, found['high'])}"
        )
    said += f"; paper {text_of(view.data, claim, paper)}" if paper is not None else ""
    head = '<svg class="interval" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}" data-tip="{}">'
    parts = [Markup(head).format(WIDTH, HEIGHT, WIDTH, HEIGHT, said, said)]
    box = '<rect class="holds" x="{}" y="1" width="{}" height="{}"/>'
    parts.append(Markup(box).format(pixel(left), pixel(right - left), HEIGHT - 2))
    parts.append(Markup('<path class="nothing" d="M{} 1V{}"/>').format(pixel(x(nothing)), HEIGHT - 1))
    if found["low"] is not None:
        low, high = x(found["low"]), x(found["high"])
        caps = f"M{pixel(low)} {middle}H{pixel(high)}M{pixel(low)} {middle - 4}v8M{pixel(high)} {middle - 4}v8"
        parts.append(Markup('<path class="range" d="{}"/>').format(caps))
    parts.append(Markup('<circle class="estimate" cx="{}" cy="{}" r="4"/>').format(pixel(x(found["estimate"])), middle))
    if paper is not None:
        parts.append(paper_mark(x(paper), middle))
    return Markup("").join([*parts, Markup("</svg>")])


def region(view: View, claim: Data) -> tuple[float, float]:
    """Where the estimate must lie, in its own measure."""
    contract = next(each for each in view.table.claims if each.id == claim["id"])
    lower, upper = claim_estimate.region(view.table, contract)
    return (math.exp(lower), math.exp(upper)) if claim["kind"] == "ratio" else (lower, upper)
