"""The errors that a user can cause, each one line: what is wrong, where, what to do."""

from collections.abc import Sequence


class UserError(ValueError):
    """A mistake in a command, a configuration or a file. Shown without a traceback; exit status 2."""


class CorruptFileError(UserError):
    """A file's content is not what it should be. The message names the file."""


def check_choice(name: str, value: object, choices: Sequence[object]) -> None:
    """Raises UserError unless ``value`` is one of ``choices``; ``name`` is the field as the user types it."""
    if value not in choices:
        raise UserError(f"{name}={value}: choose one of {', '.join(map(str, choices))}")
