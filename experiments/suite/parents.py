"""The runs that a compressed run begins with: the plain run of the same configuration, a teacher's. Imports no torch."""

from collections.abc import Mapping
from typing import Any

from experiments.suite.compose import compose
from experiments.suite.fields import declared
from lightning_modules.errors import UserError


def parents(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Their configurations, of the same seed: "parent" where it starts from one, "teacher" where it has one.

    Raises:
        UserError: the teacher's overrides are not of the architecture alone.
    """
    compression = config["compression"]
    if not compression["steps"]:
        return {}
    plain = {**config, "compression": {**declared("compression", "none")}, "label": None}
    found = {"parent": plain} if compression["start"] == "parent" else {}
    if compression["teacher"]:
        found["teacher"] = {**plain, "arch": _arch(compression["teacher"])}
    return found


def _arch(overrides: list[Any]) -> dict[str, Any]:
    for override in overrides:
        if not isinstance(override, str) or not override.startswith(("arch=", "arch.")):
            raise UserError(
                f"compression.teacher=[{override}]: a teacher has another net and nothing else, such as [arch=squeezenet]"
            )
    return compose(overrides)["arch"]
