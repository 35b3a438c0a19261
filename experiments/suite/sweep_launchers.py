"""Who starts the runs of a sweep or a table: conf/hydra/launcher, as Hydra's own launchers are chosen and set.

hydra/launcher=local shares this machine's cores or GPUs among processes; hydra/launcher=slurm hands jobs to a cluster.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.suite.devices import Place, places
from experiments.suite.fields import declared, read_yaml
from experiments.suite.launch import Processes, Starter
from experiments.suite.overrides import check_override, hint, options
from experiments.suite.paths import conf
from experiments.suite.verb import parse
from lightning_modules.errors import UserError

GROUP, FIELD = "hydra/launcher", "hydra.launcher."
LOCAL, SLURM = "local", "slurm"
DEFAULT = f"override {GROUP}"  # in the defaults list of conf/run.yaml


@dataclass(frozen=True)
class Launcher:
    """``options``: the fields of its file of conf/hydra/launcher."""

    name: str
    options: Mapping[str, Any]

    @property
    def is_here(self) -> bool:
        """Whether it starts processes of this machine."""
        return self.name == LOCAL

    @property
    def jobs(self) -> int:
        """At a time; 0: as many as there is room for."""
        return self.options["jobs"]

    def places(self, trainer: Mapping[str, Any], runs: int) -> list[Place]:
        """Where so many runs of this conf/trainer go. On this machine they share its cores, where they compute on those."""
        if self.is_here:
            return places(trainer, self.jobs, shared=True)
        from experiments.suite.sweep_slurm import place  # submitit takes a moment

        return [place(self.options, trainer)] * runs  # all are handed over: the cluster sees to how many at a time

    def at_a_time(self, places: Sequence[Place]) -> int:
        """How many runs go side by side in these places, as far as is known here."""
        return min(len(places), self.jobs or len(places))

    def starter(self, trainer: Mapping[str, Any]) -> Starter:
        if self.is_here:
            return Processes()
        from experiments.suite.sweep_slurm import Cluster

        return Cluster(self.options, trainer)


def chosen(arguments: Sequence[str], name: str | None = None, jobs: int = 0) -> tuple[Launcher, list[str]]:
    """The launcher that ``arguments`` ask for, ``name`` where they name none, and what is left of them.

    ``jobs``: at a time, where the verb has a word of its own for it; 0: as the launcher says.

    Raises:
        UserError: no such launcher, option or kind of value.
    """
    names = [argument.partition("=")[2] for argument in arguments if argument.lstrip("+").startswith(f"{GROUP}=")]
    name = names[-1] if names else name or default()
    if name not in options(GROUP):
        raise UserError(f"{GROUP}={name}: {hint(name, options(GROUP))}")
    own = {f"{FIELD}{field}": value for field, value in declared(GROUP, name).items()}
    mine = [argument.lstrip("+") for argument in arguments if argument.lstrip("+").startswith(FIELD)]
    for argument in mine:
        check_override(argument)
    values, _ = parse(mine, own)
    found = {key.removeprefix(FIELD): None if value == "null" else value for key, value in values.items()}
    return Launcher(name, found | ({"jobs": jobs} if jobs else {})), without(arguments)


def default() -> str:
    """That of the primary configuration."""
    entries = (read_yaml(conf() / "run.yaml") or {}).get("defaults", ())
    return next((entry[DEFAULT] for entry in entries if isinstance(entry, dict) and DEFAULT in entry), LOCAL)


def without(arguments: Sequence[str]) -> list[str]:
    """The arguments that are no launcher's."""
    return [argument for argument in arguments if not argument.lstrip("+").startswith((f"{GROUP}=", FIELD))]
