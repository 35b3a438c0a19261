"""A report of made records, built once for the tests that only read it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from experiments import report
from tests.pages import made
from tests.pages.browser import chromium

FEWER = "made-fashion_mnist-none-smoke-0123456789"


@dataclass(frozen=True)
class Built:
    folder: Path
    runs: list[str]  # run ids of table3's rows

    def page(self, path: str) -> str:
        return (self.folder / path).read_text(encoding="utf-8")


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="package")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """Three seeds of table3 published, five here, one run with hostile texts, one tested on fewer images."""
    results = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COMPACT_NETS_RESULTS", str(results))
        made.of_table(results, "table3", range(3), public=True)
        runs = made.of_table(results, "table3", range(5))
        made.write(results, made.record("made-fashion_mnist-none-proxy-0123456789", 0, 9.0, made.HOSTILE))
        made.write(results, made.record(FEWER, 0, 9.0, "Of fewer images", images=512))
        yield Built(report.build(public=False), runs)
