"""Resolved configurations from conf/ and command-line overrides, through Hydra.

A composed configuration is kept in results/local/cache, named by the content of conf/ and the overrides, so that
planning a finished table neither imports Hydra nor composes anything. It is written there by ``remember``, once a
command has come to a good end: one that ends with a user's mistake writes nothing.
"""

import copy
import difflib
import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from experiments.suite.fields import check_fields, check_nothing_is_evaluated, check_values
from experiments.suite.files import read_json, write_json
from experiments.suite.paths import CONF, local
from lightning_modules.data import listing
from lightning_modules.errors import CorruptFileError, UserError
from lightning_modules.recipe import Recipe


def compose(overrides: Sequence[str]) -> dict[str, Any]:
    """The resolved configuration of one run: arch, data, recipe, compression, budget, trainer, logger, seed, ...

    Raises:
        UserError: an unknown group, option or field, or a value of the wrong type or out of range.
    """
    key = hashlib.sha256(json.dumps([_conf_digest(), list(overrides)]).encode()).hexdigest()[:32]
    path = local() / "cache" / "composed" / f"{key}.json"
    config = _composed.get(path) or _kept(path)
    if config is None:
        config = _composed[path] = _compose(overrides)
    return with_content(copy.deepcopy(config))


_composed: dict[Path, dict[str, Any]] = {}


def _kept(path: Path) -> dict[str, Any] | None:
    with suppress(OSError, CorruptFileError):
        found = read_json(path)
        return found if isinstance(found, dict) else None
    return None


def remember() -> None:
    """Keeps what was composed for the next command."""
    for path, config in _composed.items():
        with suppress(OSError):  # a read-only results folder only costs time here
            write_json(path, config, indent=None)
    _composed.clear()


def with_content(config: dict[str, Any]) -> dict[str, Any]:
    """With the digest of what is in the folder of images, where the name of the data set does not say what it is.

    Raises:
        UserError: there is no such folder, or not in that layout.
    """
    data = config["data"]
    return {**config, "data": {**data, "listing": listing.content_id(data)}} if "listing" in data else config


def _compose(overrides: Sequence[str]) -> dict[str, Any]:
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    try:
        with initialize_config_dir(str(CONF), version_base="1.3", job_name="run"):
            composed = hydra_compose("run", overrides=list(overrides), return_hydra_config=True)
        return resolve(composed, composed.hydra.runtime.choices)
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain(error)) from error


def resolve(composed: Any, choices: Any) -> dict[str, Any]:
    """A plain dict from what Hydra composed, its fields checked against the files that were chosen."""
    from omegaconf import OmegaConf

    written: Any = OmegaConf.to_container(composed, resolve=False)
    check_nothing_is_evaluated({key: value for key, value in written.items() if key != "hydra"})
    config: Any = OmegaConf.to_container(composed, resolve=True)
    config = {key: value for key, value in config.items() if key != "hydra"}
    check_fields(config, dict(choices))
    check_values(config)
    Recipe.of(config["recipe"])
    return config


def explain(error: Exception) -> str:
    """What Hydra or OmegaConf found wrong, in one line, with the nearest name that exists."""
    chain = [error]
    while chain[-1].__cause__ is not None and isinstance(chain[-1].__cause__, Exception):
        chain.append(chain[-1].__cause__)
    for link in chain:
        options = getattr(link, "options", None)
        missing = getattr(link, "missing_cfg_file", None)
        if missing and options is not None:
            group, _, name = str(missing).removesuffix(".yaml").partition("/")
            files = [path.relative_to(CONF / group).with_suffix("") for path in (CONF / group).rglob("*.yaml")]
            return f"{group}={name}: {_hint(name, [str(path) for path in files] or list(options))}"
        parent, key = getattr(link, "parent_node", None), getattr(link, "full_key", None)
        if parent is not None and key and "not in struct" in str(link):
            group, _, name = str(key).rpartition(".")
            return f"{key}: no such field; {_hint(name, [str(sibling) for sibling in parent], f'{group}.')}"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2]) if lines else type(error).__name__


def _hint(name: str, options: Sequence[str], prefix: str = "") -> str:
    close = difflib.get_close_matches(name, options, n=1)
    return f"did you mean {prefix.lstrip('.')}{close[0]}?" if close else f"choose one of {', '.join(sorted(options))}"


@cache
def _conf_digest() -> str:
    """Of every file that composition may read."""
    digest = hashlib.sha256()
    for path in sorted(CONF.rglob("*.yaml")):
        if path.relative_to(CONF).parts[0] not in ("paper", "table"):
            digest.update(f"{path.relative_to(CONF)}\n".encode() + path.read_bytes() + b"\0")
    for source in ("compose.py", "fields.py"):
        digest.update(Path(__file__).with_name(source).read_bytes())
    digest.update((Path(__file__).resolve().parents[2] / "lightning_modules" / "recipe.py").read_bytes())
    return digest.hexdigest()
