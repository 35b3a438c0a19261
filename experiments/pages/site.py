"""The whole report as files, written to a folder or compared with what is there."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from experiments.pages import claims_page, run_page, runs_page, start_page, table_page
from experiments.pages.gather import Report
from experiments.suite.files import write_bytes
from experiments.suite.paths import local, published

ASSETS = Path(__file__).parent / "assets"
START = "index.html"


def folder(public: bool) -> Path:
    return (published() if public else local()) / "report"


def files(report: Report) -> dict[str, bytes]:
    """By path below the report's folder. Equal records give equal bytes."""
    pages = [kind.files(report) for kind in (start_page, claims_page, table_page, runs_page, run_page)]
    made = {path: content for page in pages for path, content in page.items()}
    whole = {path: content.encode() if isinstance(content, str) else content for path, content in made.items()}
    return whole | {f"assets/{path.name}": path.read_bytes() for path in sorted(ASSETS.iterdir())}


def write(found: Mapping[str, bytes], where: Path) -> None:
    """Each file whole or absent, the start page last; pages that the report no longer has are removed."""
    for path in sorted(found, key=lambda path: path == START):
        target = where / path
        if not target.is_file() or target.read_bytes() != found[path]:
            write_bytes(target, found[path], durable=False)
    for path in _there(where):
        if path not in found:
            (where / path).unlink(missing_ok=True)
    for each in sorted(where.rglob("*"), reverse=True):
        if each.is_dir():
            with suppress(OSError):  # not empty
                each.rmdir()


def differences(found: Mapping[str, bytes], where: Path) -> list[str]:
    """The files that are missing, not what the records say, or of no page."""
    there = _there(where)
    wrong = [path for path in found if path not in there or (where / path).read_bytes() != found[path]]
    return sorted({*wrong, *(path for path in there if path not in found)})


def _there(where: Path) -> list[str]:
    """Without hidden files: what another process is about to write has such a name."""
    files = (path for path in where.rglob("*") if path.is_file() and not path.name.startswith("."))
    return sorted(path.relative_to(where).as_posix() for path in files)
