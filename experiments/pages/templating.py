"""Templates to text. Whatever a record, a contract or a class says is shown as text: everything is escaped here."""

import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from experiments.pages import svg
from experiments.suite.rendering import MARKS, clean

HERE = Path(__file__).parent
UNSAFE = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"}


def page(template: str, root: str, **values: Any) -> str:
    """``root``: the way from the page to the report's first folder, "" or "../"."""
    return _environment().get_template(template).render(root=root, **values)


def script(value: Any) -> str:
    """JSON that is safe inside a script, whatever texts it holds."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).translate(UNSAFE)


def address(name: str) -> str:
    """A file's name as a part of a link."""
    return quote(name, safe="")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"address": address, "clean": clean, "script": lambda value: Markup(script(value))}
    environment.globals |= {"marks": MARKS, "key": svg.key}
    return environment
