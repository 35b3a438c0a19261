"""Axes, and charts as SVG: the right number at the right place, any text as text."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from experiments.pages import svg, svg_bars
from experiments.pages.charts import Axis, Bar, Bars, Chart, Panel, Point, Series, as_csv, ends, tick_text, ticks
from experiments.pages.labels import is_nearest
from experiments.pages.strokes import Scale

BOLD_DIGIT = 6.7  # pixels wide at 10.5, in the widest of the style sheet's fonts
NAME = "</text><script>alert(1)</script>"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 10, [0, 2, 4, 6, 8, 10]),
        (8.37, 9.02, [8.4, 8.6, 8.8, 9.0]),
        (-0.3, 0.3, [-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3]),
    ],
)
def test_ticks_are_round_and_inside(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_ticks_of_a_logarithmic_axis_are_few_and_more_than_one() -> None:
    assert ticks(90, 60_000, log=True, most=5) == pytest.approx([100, 1000, 10_000])
    for low, high in ((1.1, 1.9), (40, 700), (0.001, 1e7), (3, 3.2)):
        found = ticks(low, high, log=True, most=5)
        assert 2 <= len(found) <= 8 and all(low * 0.999 <= value <= high * 1.001 for value in found)


def test_ends_leave_room_even_around_one_number() -> None:
    assert ends([5]) == (4.5, 5.5) and ends([0]) == (-1, 1)
    low, high = ends([10, 1000], log=True)
    assert 1 < low < 10 and 1000 < high < 10_000


def test_tick_texts() -> None:
    assert [tick_text(value) for value in (0.30000000000000004, 1200.0, -2)] == ["0.3", "1,200", "\N{MINUS SIGN}2"]


def test_a_logarithmic_axis_leaves_out_zero_and_less() -> None:
    assert ends([-3, 0, 10, 1000], log=True) == ends([10, 1000], log=True)
    assert ends([-3, 0], log=True) == pytest.approx((0.1, 10))
    scale = Scale(1, 100, 0, 50, log=True)
    assert [scale(value) for value in (-7, 0, 1, 10)] == [0, 0, 0, 25]


def panel(*points: Point, log: bool = False, log_up: bool = False, band: bool = False) -> Panel:
    return Panel("Left", Axis("Mult-adds", log), Axis(f"Error {NAME}", log_up), (Series(NAME, points, band=band),))


def test_a_point_lies_where_its_numbers_say() -> None:
    drawn = ElementTree.fromstring(svg.panel(panel(Point(0, 0), Point(5, 5, 4, 6), Point(10, 10, text=NAME))))
    marks = [(float(each.get("cx", 0)), float(each.get("cy", 0))) for each in drawn.iter("circle")]
    assert len(marks) == 3
    (x0, y0), (x1, y1), (x2, y2) = marks
    assert x1 == pytest.approx((x0 + x2) / 2, abs=0.2) and y1 == pytest.approx((y0 + y2) / 2, abs=0.2)
    assert x0 < x2 and y0 > y2  # down is less
    assert x0 > svg.LEFT and x2 < svg.WIDTH - svg.RIGHT


@pytest.mark.parametrize("band", [False, True])
def test_an_interval_that_a_logarithmic_axis_cannot_show_ends_at_its_foot(band: bool) -> None:
    points = (Point(1, 4, -2, 10, text="a"), Point(0, 2, 1, 3, text="b"), Point(10, 0, -1, 0))
    drawn = ElementTree.fromstring(svg.panel(panel(*points, log=True, log_up=True, band=band)))
    kind = "band" if band else "whisker"
    path = next(str(each.get("d")) for each in drawn.iter("path") if each.get("class") == kind)
    assert str(svg.HEIGHT - svg.BOTTOM) in re.findall(r"[\d.]+", path)


def test_texts_in_a_picture_are_texts() -> None:
    drawn = svg.panel(panel(Point(1, 2, text=NAME, name=NAME)))
    assert "<script" not in drawn
    texts = [each.text for each in ElementTree.fromstring(drawn).iter("text")]
    assert NAME in texts and f"Error {NAME}" in texts
    bars = svg_bars.bars(Bars("b", NAME, "", NAME, NAME, ((NAME, (Bar(NAME, 1.0, 0.9, 1.1, 1.2),)),)))
    assert "<script" not in bars and ElementTree.fromstring(bars) is not None


def test_a_text_that_is_nearer_to_another_point_is_left_out() -> None:
    """ShuffleNet of table4: a long text left of its point would end at another point."""
    own = Point(43.5, 9.1, text="1x, g = 8, no shuffle")
    others = tuple(Point(43.5 - 0.05 * step, 9.1 + up) for step in range(1, 9) for up in (-0.02, 0, 0.02))
    alone, crowded = svg.panel(panel(own, Point(40, 8))), svg.panel(panel(own, Point(40, 8), *others))
    texts = [[each.text for each in ElementTree.fromstring(drawn).iter("text")] for drawn in (alone, crowded)]
    assert own.text in texts[0] and own.text not in texts[1]


def test_the_nearest_point_to_a_box() -> None:
    own, box = np.array([0.0, 0.0]), np.array([5.0, -2.0, 40.0, 8.0])
    for other, expected in (((-9, 0), True), ((5, 12.5), True), ((44, 0), True), ((20, 3), False), ((43.9, 8), False)):
        assert is_nearest(own, box, np.array([own, other])) is expected, other


def test_large_ratios_have_room_and_overlap_nothing() -> None:
    drawn = ElementTree.fromstring(
        svg_bars.bars(Bars("b", "", "", "times", "published", (("g", (Bar("a", 12.34, 12, 13, 12.34),)),)))
    )
    width = float(str(drawn.get("viewBox")).split()[2])
    numbers = sorted(float(each.get("x", 0)) for each in drawn.iter("text") if each.text == "12.34")
    ends_ = [start + 5 * BOLD_DIGIT for start in numbers]
    assert len(numbers) == 2 and ends_[0] <= numbers[1] and ends_[1] <= width


def test_an_empty_panel_says_so() -> None:
    assert "nothing has been run" in svg.panel(Panel("Left", Axis("x"), Axis("y"), ()))


def test_all_panels_of_a_chart_can_share_their_axes() -> None:
    left, right = panel(Point(0, 0), Point(1, 1)), panel(Point(0, 0), Point(10, 10))
    circles = [
        list(ElementTree.fromstring(each).iter("circle"))
        for each in svg.chart(Chart("c", "", "", (left, right), shared=True))
    ]
    assert circles[0][0].get("cx") == circles[1][0].get("cx")
    assert float(circles[0][1].get("cx", 0)) < float(circles[1][1].get("cx", 0))


def test_a_csv_holds_all_points_and_no_formula() -> None:
    chart = Chart("c", "", "", (panel(Point(1, 2.00000000001, None, None, "=1+1"), Point(3, 4, 3.5, 4.5)),))
    assert chart.csv().splitlines()[1:] == [f"Left,{NAME},'=1+1,1,2.0,,", f"Left,{NAME},,3,4,3.5,4.5"]
    assert as_csv(("a",), [("-x",), (None,)]).splitlines() == ["a", "'-x", '""']
