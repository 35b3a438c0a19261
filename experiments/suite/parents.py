"""The runs that another begins with: the plain run of the same configuration, a teacher's, level_1's. Imports no torch."""

from collections.abc import Mapping
from typing import Any

from experiments.suite.compose import compose
from experiments.suite.fields import declared
from lightning_modules.errors import UserError
from lightning_modules.landmark_options import GUIDED

LEVEL_2 = ("crop", "applied", "share", "box_scale", "jitter")  # of landmarks: what is level_2's own


def parents(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Their configurations, of the same seed: "parent" where it starts from one, "teacher" where it has one.

    The parent may have a parent: of a compressed level_2 that is level_2, whose parent is level_1.

    Raises:
        UserError: the teacher's overrides are not of the architecture alone.
    """
    compression = config["compression"]
    plain = {**config, "compression": {**declared("compression", "none")}, "label": None}
    if config["task"] == "landmarks":
        return _of_level(config, plain)
    if not compression["steps"]:
        return {}
    found = {"parent": plain} if compression["start"] == "parent" else {}
    if compression["teacher"]:
        found["teacher"] = {**plain, "arch": _arch(compression["teacher"])}
    return found


def _of_level(config: Mapping[str, Any], plain: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Of what only tests or compresses the level, the level as it is trained; of a level_2 that level_1 guides, level_1."""
    options = config["landmarks"]
    if config["compression"]["steps"] or options["applied"] != "once":
        return {"parent": {**plain, "landmarks": {**options, "applied": "once"}}}
    if options["crop"] not in GUIDED:
        return {}
    first = declared("task", "landmarks")["landmarks"]
    return {"parent": {**plain, "landmarks": {**options, **{name: first[name] for name in LEVEL_2}}}}


def _arch(overrides: list[Any]) -> dict[str, Any]:
    for override in overrides:
        if not isinstance(override, str) or not override.startswith(("arch=", "arch.")):
            raise UserError(
                f"compression.teacher=[{override}]: a teacher has another net and nothing else, such as [arch=squeezenet]"
            )
    return compose(overrides)["arch"]
