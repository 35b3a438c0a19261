"""The report in a real browser, from files: what is clicked, typed and read aloud."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from experiments.suite import statistics
from experiments.suite.store import Run
from tests.pages.browser import opened, shown
from tests.pages.conftest import FEWER, Built

PAGES = ("index.html", "claims.html", "runs.html", "tables/table3.html", "tables/table7.html", "tables/table13.html")
pytestmark = pytest.mark.xdist_group("report")


@pytest.fixture(scope="module")
def context(browser: Any) -> Iterator[Any]:
    with opened(browser, viewport={"width": 1024, "height": 800}) as context:
        yield context


def brightness(colour: str) -> int:
    """The sum of an ``rgb()``'s parts."""
    return sum(map(int, re.findall(r"\d+", colour)[:3]))


def contrast(*colours: str) -> float:
    """Of two ``rgb()``, as WCAG 2.2 defines it."""
    light = []
    for colour in colours:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        light.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)
    return max(light) / min(light)


def all_pages(built: Built) -> list[str]:
    return [*PAGES, f"runs/{built.runs[0]}.html", "runs/made-fashion_mnist-none-proxy-0123456789.html"]


@pytest.mark.slow
def test_no_page_has_an_error_or_asks_another_machine(built: Built, context: Any) -> None:
    context.problems.clear()
    for path in sorted(built.folder.rglob("*.html")):
        page = shown(context, path)
        assert page.title().endswith("compact-nets")
        for width in (390, 1024):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (path, width)  # but for tables
        page.close()
    assert not context.problems


@pytest.mark.slow
def test_hostile_texts_do_nothing(built: Built, context: Any) -> None:
    page = context.new_page()
    said: list[str] = []
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.goto((built.folder / "runs" / "made-fashion_mnist-none-proxy-0123456789.html").as_uri())
    assert page.locator("h1").inner_text().startswith('<script>alert("label")</script>')
    page.locator("#comparison select").select_option(built.runs[0])
    page.wait_for_selector("#compared table")
    page.goto((built.folder / "runs.html").as_uri())
    page.locator("input[type=search]").fill("<img")
    assert page.locator("#runs tbody tr:visible").count() == 1
    assert not said
    page.close()


def column(page: Any, table: str, index: int) -> list[str]:
    return page.locator(f"{table} tbody tr:visible").evaluate_all(
        f"rows => rows.map(row => row.cells[{index}].dataset.v ?? row.cells[{index}].textContent.trim())"
    )


def test_a_click_or_a_key_on_a_head_sorts(built: Built, context: Any) -> None:
    page = shown(context, built.folder / "tables" / "table3.html")
    head = page.locator("#numbers thead th:last-child")
    before = column(page, "#numbers", 0)
    head.locator("button").click()
    numbers = [float(text) for text in column(page, "#numbers", -1 + page.locator("#numbers thead th").count())]
    assert numbers == sorted(numbers) and head.get_attribute("aria-sort") == "ascending"
    head.locator("button").press("Enter")
    assert [
        float(text) for text in column(page, "#numbers", -1 + page.locator("#numbers thead th").count())
    ] == numbers[::-1]
    assert head.get_attribute("aria-sort") == "descending"
    head.locator("button").press(" ")
    assert column(page, "#numbers", 0) == before and head.get_attribute("aria-sort") == "none"
    page.close()


def test_claims_are_filtered_by_paper_net_and_verdict(built: Built, context: Any) -> None:
    page = shown(context, built.folder / "claims.html")
    rows = page.locator("#claims tbody tr:visible")
    total = rows.count()
    page.locator("select[data-key=verdict]").select_option("replicated")
    replicated = rows.count()
    assert 0 < replicated < total
    assert set(rows.evaluate_all("rows => rows.map(row => row.dataset.verdict)")) == {"replicated"}
    assert page.locator("output").inner_text() == f"{replicated} of {total}"
    page.locator("select[data-key=net]").select_option("SqueezeNet")
    assert all(
        "SqueezeNet" in nets.split("|") for nets in rows.evaluate_all("rows => rows.map(row => row.dataset.net)")
    )
    page.locator("select[data-key=verdict]").select_option("")
    page.locator("select[data-key=net]").select_option("")
    page.locator("select[data-key=paper]").select_option(index=1)
    papers = rows.evaluate_all("rows => rows.map(row => row.dataset.paper)")
    assert len(set(papers)) == 1 and 0 < len(papers) < total
    page.locator("select[data-key=paper]").select_option("")
    page.locator("input[type=search]").fill("bypass above")
    assert 0 < rows.count() < total
    page.close()
    page = shown(context, built.folder / "index.html")
    page.locator(".totals .v-replicated a").click()
    page.wait_for_url(re.compile("claims.html"))
    assert page.locator("#claims tbody tr:visible").count() == replicated
    page.close()


def test_a_card_opens_by_key_and_leads_to_the_run(built: Built, context: Any) -> None:
    page = shown(context, built.folder / "tables" / "table3.html")
    cell = page.locator("#numbers tbody tr:first-child .cell").nth(3)
    cell.focus()
    page.keyboard.press("Enter")
    card = page.locator(".card:popover-open")
    assert card.count() == 1
    text = card.inner_text()
    assert (
        "Table 3" in text
        and "57.5" in text
        and "5 seeds" in text
        and "experiments.run experiment=table3/vanilla" in text
    )
    page.keyboard.press("Escape")
    assert page.locator(".card:popover-open").count() == 0
    assert cell.evaluate("cell => cell === document.activeElement")
    cell.click()
    card.locator("a", has_text="/4").first.click()
    page.wait_for_url(re.compile(rf"runs/{built.runs[0]}\.html#seed-4"))
    page.close()


@pytest.mark.slow
def test_a_card_closes_when_the_keyboard_leaves_it(built: Built, context: Any) -> None:
    page = shown(context, built.folder / "tables" / "table3.html")
    cell = page.locator("#numbers tbody tr:first-child .cell").nth(3)
    cell.press("Enter")
    page.locator(".card:popover-open .close").focus()
    assert page.locator(".card:popover-open").count() == 1
    page.keyboard.press("Tab")
    assert page.locator(".card:popover-open").count() == 0
    assert page.evaluate("document.activeElement.matches('.cell')") and not cell.evaluate(
        "cell => cell === document.activeElement"
    )
    cell.click()
    assert page.locator(".card:popover-open").count() == 1
    cell.evaluate("cell => cell.click()")
    assert page.locator(".card:popover-open").count() == 0
    page.close()


@pytest.mark.slow
def test_runs_can_be_sorted_on_a_phone(built: Built, browser: Any) -> None:
    with opened(browser, viewport={"width": 390, "height": 800}) as context:
        page = shown(context, built.folder / "runs.html")
        head = page.locator("#runs thead th", has_text="Top-1 error")
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == "ascending"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.slow
def test_a_run_that_cannot_be_loaded_is_said(built: Built, context: Any) -> None:
    context.problems.clear()
    page = context.new_page()
    page.route(f"**/{built.runs[1]}.js", lambda route: route.abort())
    page.goto((built.folder / "runs" / f"{built.runs[0]}.html").as_uri() + f"#with={built.runs[1]}")
    said = page.wait_for_selector("#compared .same")
    assert said.inner_text() == f"{built.runs[1]}.js could not be loaded."
    page.locator("#comparison select").select_option(built.runs[2])
    page.wait_for_selector("#paired")
    assert not [each for each in context.problems if "ERR_FAILED" not in each]
    context.problems.clear()
    page.close()


@pytest.mark.slow
def test_comparing_gives_the_suites_paired_test(built: Built, context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPACT_NETS_RESULTS", str(built.folder.parents[1]))
    records = [[Run(name, seed).record() for seed in range(5)] for name in built.runs[:2]]
    values = [np.array([each.metrics["test/top1_acc"] for each in row if each]) for row in records]
    images = [np.stack([each.per_example("test/top1_acc") for each in row if each]) for row in records]  # type: ignore[misc]
    expected = statistics.contrast(values, images, [1.0, -1.0])
    p = 2 * min(statistics.p_above(expected, 0), statistics.p_below(expected, 0))

    page = shown(context, built.folder / "runs" / f"{built.runs[0]}.html")
    page.locator("#comparison select").select_option(built.runs[1])
    said = page.wait_for_selector("#paired")
    for name, number in (("estimate", expected.estimate), ("low", expected.low), ("high", expected.high)):
        assert float(said.get_attribute(f"data-{name}")) == pytest.approx(number, rel=1e-6), name
    assert float(said.get_attribute("data-p")) == pytest.approx(p, rel=1e-3, abs=1e-9)
    assert page.locator("#compared tbody tr").count() >= 5
    assert page.locator("#compared svg .line").count() >= 2
    assert page.url.endswith(f"#with={built.runs[1]}")
    again = shown(context, built.folder / "runs" / f"{built.runs[0]}.html", f"#with={built.runs[1]}")
    assert again.wait_for_selector("#paired").inner_text() == said.inner_text()
    again.wait_for_function("document.getElementById('compare').getBoundingClientRect().top < innerHeight / 2")
    page.close()


@pytest.mark.slow
def test_runs_that_were_tested_on_different_images_have_no_paired_test(built: Built, context: Any) -> None:
    page = shown(context, built.folder / "runs" / f"{built.runs[0]}.html", f"#with={FEWER}")
    page.wait_for_selector("#compared svg")
    assert "tested on different images; no paired test" in page.locator("#compared").inner_text()
    assert page.locator("#paired").count() == 0 and page.locator("#compared h3").count() == 3
    page.close()


@pytest.mark.slow
@pytest.mark.parametrize("path", ["tables/table3.html", "claims.html", "runs.html", "run"])
def test_every_column_of_every_table_sorts_what_it_shows(built: Built, context: Any, path: str) -> None:
    page = shown(context, built.folder / (f"runs/{built.runs[0]}.html" if path == "run" else path))
    assert page.locator("main thead th:not(.who):not(:has(.sort))").count() == 0
    for table in page.locator("main table").all():
        for head in table.locator("thead th:has(.sort)").all():
            head.locator("button").click()
            assert head.get_attribute("aria-sort") == "ascending"
            cells = table.locator("tbody tr:visible").evaluate_all(
                "(rows, index) => rows.map(row => row.cells[index].dataset.v ?? row.cells[index].textContent.trim())",
                head.evaluate("head => head.cellIndex"),
            )
            found = [re.search(r"-?\d[\d,]*(\.\d+)?", text.replace("\N{MINUS SIGN}", "-")) for text in cells]
            if "number" in (head.get_attribute("class") or ""):
                known = [float(each[0].replace(",", "")) for each in found if each]
                assert known == sorted(known) and all(found[: len(known)]), (path, head.inner_text())
    page.close()


@pytest.mark.slow
def test_dark_is_the_systems_until_somebody_chooses(built: Built, browser: Any) -> None:
    with opened(browser, color_scheme="dark") as context:
        page = shown(context, built.folder / "index.html")
        background = "getComputedStyle(document.body).backgroundColor"
        dark = page.evaluate(background)
        assert page.locator(".theme").get_attribute("aria-pressed") == "true"
        page.locator(".theme").click()
        light = page.evaluate(background)
        assert sum(map(int, re.findall(r"\d+", light))) > 700 > 200 > sum(map(int, re.findall(r"\d+", dark)))
        page.goto((built.folder / "claims.html").as_uri())
        assert page.evaluate(background) == light  # kept
        assert not context.problems


@pytest.mark.slow
def test_it_can_be_read_without_scripts(built: Built, browser: Any) -> None:
    with opened(browser, java_script_enabled=False) as context:
        page = shown(context, built.folder / "tables" / "table3.html")
        assert page.locator("#numbers tbody tr:visible").count() == 3
        assert page.locator(".filters:visible").count() == 0
        assert page.locator("figure svg:visible").count() > 2
        page.locator(".cell").first.click()
        assert page.locator(".card:popover-open").count() == 1


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1024, 1600])
def test_axe_finds_nothing_serious(built: Built, browser: Any, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python")
    with opened(
        browser, color_scheme=scheme, viewport={"width": width, "height": 800}, reduced_motion="reduce"
    ) as context:
        for path in all_pages(built):
            page = shown(context, built.folder / path)
            if path == "tables/table3.html":
                page.locator(".cell").first.click()
            found = axe.Axe().run(page).response["violations"]
            wrong = [
                (each["id"], [node["target"] for node in each["nodes"]][:4])
                for each in found
                if each["impact"] in ("serious", "critical")
            ]
            assert not wrong, (path, wrong)
            page.close()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_and_lines_of_pictures_stand_out(built: Built, browser: Any, scheme: str) -> None:
    """WCAG 2.2, 1.4.3 and 1.4.11, inside pictures, where axe does not look."""
    with opened(browser, color_scheme=scheme) as context:
        page = shown(context, built.folder / "tables" / "table3.html")
        page_colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        for selector, name, least in (
            ("svg .beside", "fill", 4.5),
            ("svg .front", "stroke", 3),
            ("svg .tick", "fill", 4.5),
        ):
            colours = page.locator(f"figure {selector}").evaluate_all(
                f"all => all.map(each => getComputedStyle(each).{name})"
            )
            assert colours and min(contrast(colour, page_colour) for colour in colours) >= least, selector


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_prints_without_what_is_clicked_dark_on_white(
    built: Built, browser: Any, theme: str, scheme: str
) -> None:
    with opened(browser, color_scheme=scheme) as context:
        page = shown(context, built.folder / "tables" / "table3.html")
        page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        colours = "['color', 'backgroundColor'].map(name => getComputedStyle(document.body)[name])"
        assert (brightness(page.evaluate(colours)[0]) > 500) == (theme == "dark")
        page.emulate_media(media="print")
        ink, paper = map(brightness, page.evaluate(colours))
        line = page.evaluate("getComputedStyle(document.querySelector('figure .s0 .line')).stroke")
        assert ink < 100 and paper == 3 * 255 and line == "rgb(0, 114, 178)"
        assert page.locator(".filters:visible, .theme:visible, .top nav:visible").count() == 0
        assert page.locator("figure svg:visible").count() > 2
        assert len(page.pdf(format="A4")) > 20_000
