"""Chromium for tests: Debian's, driven by playwright, from files alone."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

INSTALL = "needs Chromium: `apt-get install chromium` on Debian, then the same test again"


@contextmanager
def chromium() -> Iterator[Any]:
    """One a process: playwright takes no second one. Skips where there is none, and says how to install it."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip(INSTALL)
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: make test installs it")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(browser: Any, **options: Any) -> Iterator[Any]:
    """A context that notes what goes wrong in ``context.problems``: errors, and requests that leave the machine."""
    context = browser.new_context(**options)
    context.problems = []
    context.on("console", lambda said: _note_said(said, context.problems))
    context.on("weberror", lambda error: context.problems.append(str(error.error)))
    context.on("request", lambda asked: _note_asked(asked.url, context.problems))
    yield context
    context.close()


def _note_said(said: Any, problems: list[str]) -> None:
    if said.type in ("error", "warning"):
        problems.append(said.text)


def _note_asked(url: str, problems: list[str]) -> None:
    if not url.startswith(("file://", "data:")):
        problems.append(f"asks {url}")


def shown(context: Any, path: Path, anchor: str = "") -> Any:
    page = context.new_page()
    page.goto(path.as_uri() + anchor)
    return page
