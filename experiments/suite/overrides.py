"""Overrides as a user types them, ``field=value``, checked before Hydra sees them: its own words name no remedy."""

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from experiments.suite.fields import read_yaml
from experiments.suite.paths import conf, shown
from lightning_modules.errors import UserError, check_choice

READ_BY_THE_SUITE = ("paper", "search", "table")  # folders of conf/ that are not composed
OVERRIDE = re.compile(r"\+{0,2}(?P<field>[A-Za-z_][\w./@-]*)=(?P<value>.*)", re.DOTALL)
# Hydra would call what stands there, or compose from another folder.
CALLED = re.compile(r"_target_|^\+*hydra[./](callbacks|searchpath)")

# What this suite has of Hydra's options. Of the others --experimental-rerun unpickles, --config-dir reads elsewhere.
OPTIONS = ("-m", "--multirun", "--cfg", "-c", "--resolve", "--help", "-h", "--hydra-help", "--version")
RESOLVED = ("--cfg", "-c", "--help", "-h")
SHOWN = ("job", "hydra", "all")


def check_command(arguments: Sequence[str]) -> None:
    """Checks what goes to Hydra's own command line: options, and overrides that may hold several values.

    Raises:
        UserError: an option that this suite has not, a mistake in an override, or a file of conf/ that names what is
            to be called, which Hydra would do.
    """
    check_nothing_is_called()
    remaining = iter(arguments)
    for argument in remaining:
        option, equals, value = argument.partition("=")
        if option in ("--cfg", "-c"):
            check_choice(option, value if equals else next(remaining, ""), SHOWN)
        elif argument.startswith("-") and argument not in OPTIONS:
            raise UserError(f"{argument}: no such option; there are {', '.join(OPTIONS)}")
        elif argument not in OPTIONS:
            check_override(argument, sweep=True)
    if "--resolve" in arguments and not any(argument.partition("=")[0] in RESOLVED for argument in arguments):
        raise UserError("--resolve: of what is shown; write it with --cfg job")


def check_nothing_is_called() -> None:
    """Raises UserError, naming the file, where one that may be composed holds a ``_target_``."""
    for path in sorted(conf().rglob("*.yaml")):
        if path.relative_to(conf()).parts[0] not in READ_BY_THE_SUITE:
            if "_target_" in _keys(read_yaml(path)):
                raise UserError(f"{shown(path)}: _target_: no value names what is called; take it out")


def _keys(value: Any) -> Iterator[object]:
    """Of all mappings in ``value``."""
    if isinstance(value, dict):
        yield from value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _keys(inner)


def check_override(override: str, sweep: bool = False) -> None:
    """Raises UserError unless it is an override and, where it chooses a file of conf/, there is that file.

    With ``sweep`` a group may have several choices, ``arch=a,b`` or ``arch=glob(*)``.
    """
    found = OVERRIDE.fullmatch(override)
    if not found:
        raise UserError(f"{' '.join(override.split())}: not an override; write field=value")
    if CALLED.search(override):
        raise UserError(f"{override}: no value here names what is called, or where else to read; leave it out")
    group, value = found["field"], found["value"]
    known = options(group)
    if known and not (sweep and "(" in value):
        for choice in value.split(",") if sweep else [value]:
            name = choice.strip(" '\"")
            if name not in known and (group, name) != ("experiment", "null"):
                raise UserError(f"{group}={name}: {hint(name, known)}")


def options(group: str) -> list[str]:
    """The files that a group of conf/ offers; none where there is no such group."""
    if group.split("/")[0] in READ_BY_THE_SUITE:
        return []
    folder = conf() / group
    return sorted(str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.yaml"))


def hint(name: str, known: Sequence[str], prefix: str = "") -> str:
    """What to type in place of ``name``."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {prefix.lstrip('.')}{close[0]}?" if close else f"choose one of {', '.join(sorted(known))}"
