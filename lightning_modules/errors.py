"""The errors that a user can cause, each one line: what is wrong, where, what to do."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


class UserError(ValueError):
    """A mistake in a command, a configuration or a file. Shown without a traceback; exit status 2."""


class CorruptFileError(UserError):
    """A file's content is not what it should be. The message names the file."""


def check_choice(name: str, value: object, choices: Sequence[object]) -> None:
    """Raises UserError unless ``value`` is one of ``choices``; ``name`` is the field as the user types it."""
    if value not in choices:
        raise UserError(f"{name}={value}: choose one of {', '.join(map(str, choices))}")


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An OSError raised inside names ``path``. By itself it names a file that can't be opened, not one on a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno:
            error.filename = str(path)
        raise
