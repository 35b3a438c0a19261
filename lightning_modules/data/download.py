"""Files from a mirror into the cache: bounded, checked, and moved there in one step each."""

import os
import shutil
import tempfile
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from lightning_modules.errors import CorruptFileError, UserError

PROTOCOLS = ("http", "https", "ftp")
NOT_TO_BE_HAD = (OSError, HTTPException, CorruptFileError)
CHUNK = 2**20  # bytes


def download(
    names: Sequence[str],
    mirrors: Sequence[str],
    cache: Path,
    check: Callable[[Path], object],
    largest: int,
    timeout_s: float,
) -> Path:
    """Puts the files ``names`` into ``cache`` from the first mirror that has them all; returns ``cache``.

    A mirror is the address of a folder, or of the file itself. ``check`` is given the folder with what was downloaded
    and raises CorruptFileError unless it is what was published. No file may have more than ``largest`` bytes.

    Raises:
        UserError: a mirror is no address, or the time is none.
        OSError, HTTPException, CorruptFileError: what was wrong with the last mirror.
    """
    for mirror in mirrors:
        _check_address(mirror)
    if timeout_s <= 0:
        raise UserError(f"data.timeout_s={timeout_s}: must be above 0")
    problem: Exception = FileNotFoundError("no mirror given")
    for mirror in mirrors:
        with tempfile.TemporaryDirectory() as temporary:
            try:
                for name in names:
                    _download(mirror, Path(temporary, name), largest, timeout_s)
                check(Path(temporary))
                return keep(Path(temporary), names, cache)
            except NOT_TO_BE_HAD as error:
                problem = error
    raise problem


def keep(folder: Path, names: Iterable[str], cache: Path) -> Path:
    """Copies files to ``cache`` and renames each there: a reader never sees half of one. Returns ``cache``."""
    cache.mkdir(parents=True, exist_ok=True)
    for name in names:
        part = cache / f".{name}.{os.getpid()}.part"
        shutil.copyfile(folder / name, part)
        part.replace(cache / name)
    return cache


def _check_address(mirror: str) -> None:
    try:
        parts = urlsplit(mirror)
        usable = parts.scheme in PROTOCOLS and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, brackets that hold no IPv6 address
        usable = False
    if not usable:
        raise UserError(f"data.mirrors={mirror}: not an http(s) address such as https://example.org/folder")


def _download(mirror: str, path: Path, largest: int, timeout_s: float) -> None:
    address = mirror if mirror.endswith(f"/{path.name}") else f"{mirror.rstrip('/')}/{path.name}"
    try:
        answer = urllib.request.urlopen(address, timeout=timeout_s)
    except ValueError as error:  # letters that no address has
        raise UserError(f"data.mirrors={mirror}: not an address ({error})") from error
    written = 0
    with answer, path.open("wb") as file:
        while chunk := answer.read(CHUNK):
            written += len(chunk)
            if written > largest:
                raise CorruptFileError(f"{address} has more than {largest:,} bytes; it is not the published file")
            file.write(chunk)
