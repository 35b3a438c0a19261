"""Resolved configurations from conf/ and command-line overrides, through Hydra. Each is composed once (composed.py)."""

import copy
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from experiments.suite import composed
from experiments.suite.fields import check_fields, check_nothing_is_evaluated, not_yaml
from experiments.suite.overrides import check_override, hint, options
from experiments.suite.paths import FROZEN_CONF, conf, local, shown
from experiments.suite.values import check_values
from lightning_modules.data import listing
from lightning_modules.errors import UserError
from lightning_modules.recipe import Recipe


def compose(overrides: Sequence[str]) -> dict[str, Any]:
    """The resolved configuration of one run: arch, data, recipe, compression, budget, trainer, logger, seed, ...

    Raises:
        UserError: an unknown group, option or field, or a value of the wrong type or out of range.
    """
    config = composed.known(overrides)
    if config is None:
        config, files = _compose(overrides)
        composed.add(overrides, config, files)
    return with_content(copy.deepcopy(config))


def with_content(config: dict[str, Any]) -> dict[str, Any]:
    """With the digest of what is in the folder of images, where the name of the data set does not say what it is.

    Raises:
        UserError: there is no such folder, or not in that layout.
    """
    data = config["data"]
    return {**config, "data": {**data, "listing": listing.content_id(data)}} if "listing" in data else config


def _compose(overrides: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """The configuration and the files that it is made of, Hydra's own too."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from hydra.types import RunMode
    from omegaconf.errors import OmegaConfBaseException

    for override in overrides:
        check_override(override)
    try:
        with initialize_config_dir(str(conf()), version_base="1.3", job_name="run"):
            found = hydra_compose("run", overrides=list(overrides), return_hydra_config=True)
            loader = GlobalHydra.instance().config_loader()
            defaults = loader.compute_defaults_list("run", list(overrides), RunMode.RUN).defaults
        return resolve(found, found.hydra.runtime.choices), [f"{each.config_path}.yaml" for each in defaults]
    except (HydraException, OmegaConfBaseException, yaml.YAMLError) as error:
        raise UserError(explain(error)) from error


def resolve(found: Any, choices: Any) -> dict[str, Any]:
    """A plain dict from what Hydra composed, its fields checked against the files that were chosen."""
    from omegaconf import OmegaConf

    found = OmegaConf.masked_copy(found, [key for key in found if key != "hydra"])
    check_nothing_is_evaluated(OmegaConf.to_container(found, resolve=False))
    config: Any = OmegaConf.to_container(found, resolve=True)
    check_fields(config, dict(choices))
    check_values(config)
    Recipe.of(config["recipe"])
    return config


def explain(error: Exception) -> str:
    """What Hydra, OmegaConf or the YAML parser found wrong, in one line, with what to write instead."""
    chain = [error]
    while chain[-1].__cause__ is not None and isinstance(chain[-1].__cause__, Exception):
        chain.append(chain[-1].__cause__)
    for link in chain:
        for found in (_no_such_file(link), _no_such_field(link), _no_yaml(link), _misspelt(link)):
            if found:
                return found
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2]) if lines else type(error).__name__


def _no_such_file(error: Exception) -> str | None:
    missing, known = getattr(error, "missing_cfg_file", None), getattr(error, "options", None)
    if not missing or known is None:
        return None
    path = str(missing).removesuffix(".yaml")
    group, _, name = path.rpartition("/") if path.startswith("hydra/") else path.partition("/")
    return f"{group}={name}: {hint(name, options(group) or list(known))}"


def _no_such_field(error: Exception) -> str | None:
    parent, key = getattr(error, "parent_node", None), getattr(error, "full_key", None)
    if parent is None or not key or "not in struct" not in str(error):
        return None
    group, _, name = str(key).rpartition(".")
    return f"{key}: no such field; {hint(name, [str(sibling) for sibling in parent], f'{group}.')}"


def _no_yaml(error: Exception) -> str | None:
    mark = getattr(error, "problem_mark", None)
    return not_yaml(Path(mark.name), error) if mark else None


def _misspelt(error: Exception) -> str | None:
    """Hydra's and OmegaConf's remarks on the grammar."""
    first = str(error).splitlines()[0] if str(error) else ""
    if found := re.fullmatch(r"Ambiguous value for argument '(.*)'", first):
        return f"{found[1]}: several values; write one, a list in brackets ([1,2]), or sweep with `experiments.run -m`"
    if found := re.search(r"already at '(.*?)'", first):
        return f"+{found[1]}: there is such a field; write it without +"
    if found := re.fullmatch(r"(\S+) appears more than once in the final defaults list", first):
        return f"+{found[1]}: is chosen already; write it without +"
    if found := re.fullmatch(r"Interpolation key '(.*)' not found", first):
        return f"{getattr(error, 'full_key', '')}=${{{found[1]}}}: no such field; name one that conf/ has"
    if override := getattr(error, "override", None):
        return f"{override}: not an override; write field=value, a text with any of {{}}[](),:='\" in quotes"
    return None


def frozen() -> Path:
    """A copy of conf/, as this process composed from it. From now on this process, and all that it starts, read the copy.

    COMPACT_NETS_CONF names it. It is kept, for jobs that outlive who started them, by its content: equal ones are one.

    Raises:
        UserError: conf/ has changed since the first configuration was composed.
    """
    if os.environ.get(FROZEN_CONF):  # by this process before, or by who started it
        return conf()
    folder = local() / "conf"
    folder.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=folder, prefix="."))  # other machines may write here, too
    try:
        shutil.copytree(conf(), draft, ignore=_no_conf, dirs_exist_ok=True)
        if composed.contents_of(draft) != composed.contents():
            raise UserError("conf/ has changed since this command began; start it again")
        whole = draft.with_name(composed.digest_of(composed.contents(), composed.contents()))
        with suppress(OSError):  # somebody else has it already
            draft.rename(whole)
        if composed.contents_of(whole) != composed.contents():
            raise UserError(f"{shown(whole)} has been changed; remove it, it is made again")
        os.environ[FROZEN_CONF] = str(whole)
        return whole
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _no_conf(folder: Any, names: list[str]) -> list[str]:
    return [name for name in names if not name.endswith(".yaml") and not Path(folder, name).is_dir()]
