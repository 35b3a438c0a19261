"""Files that are whole or absent, and JSON that is read with care."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from experiments.suite.paths import shown
from lightning_modules.errors import CorruptFileError, naming


def write_bytes(path: Path, content: bytes, durable: bool = True) -> None:
    """Writes to a temporary name in the same folder, then renames: a reader sees the old file or the new one.

    ``durable``: also after a power cut. It waits for the disk, which is not worth it for what is soon out of date.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with naming(path):
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def write_text(path: Path, text: str, durable: bool = True) -> None:
    """As ``write_bytes``, in UTF-8."""
    write_bytes(path, text.encode(), durable)


def write_json(path: Path, value: Any, indent: int | None = 1, durable: bool = True) -> None:
    write_text(path, json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n", durable)


def read_json(path: Path) -> Any:
    """Raises CorruptFileError, naming the file, when its content is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise CorruptFileError(f"{shown(path)} is not valid JSON ({error})") from error
