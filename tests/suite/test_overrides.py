"""Overrides before Hydra sees them."""

import shutil
from pathlib import Path

import pytest

from experiments.suite import paths
from experiments.suite.overrides import check_command, check_override, options
from experiments.suite.paths import CONF
from lightning_modules.errors import UserError


@pytest.mark.parametrize(
    "override",
    ["recipe.lr=0.1", "seed=3", "arch=squeezenet", "arch='squeezenet'", "experiment=table3/vanilla", "experiment=null",
     "+experiment/table3=vanilla", "++recipe.lr=1", "recipe.lr=", "label=a=b", "hydra.sweep.dir=x", "label='a\nb'"],
)  # fmt: skip
def test_what_is_an_override(override: str) -> None:
    check_override(override)


@pytest.mark.parametrize(
    "override", ["", "=", "=3", "arch", "~arch", "-m", "--cfg=job", "+++a=1", "1a=2", " a=1", "a b=1", "a\nb"]
)
def test_what_is_none(override: str) -> None:
    with pytest.raises(UserError, match=r": not an override; write field=value$") as raised:
        check_override(override)
    assert "\n" not in str(raised.value)


def test_a_group_offers_its_files() -> None:
    assert options("logger") == ["none", "wandb"]
    assert options("experiment/table3") == ["complex_bypass", "simple_bypass", "vanilla"]
    assert "table3/vanilla" in options("experiment")
    assert options("nothing") == options("recipe.lr") == options("table") == options("paper") == []


@pytest.mark.parametrize("value", ["squeezenet,squeezenett", "../arch/squeezenet", "squeezenet,../x", "null", ""])
def test_a_choice_is_one_of_its_files(value: str) -> None:
    for sweep in (False, True):
        with pytest.raises(UserError, match=r"^arch=.*: (did you mean|choose one of alexnet,.*) ?squeezenet"):
            check_override(f"arch={value}", sweep)


@pytest.mark.parametrize(
    "override", ["data=cifar10,cifar100", "experiment/table3=glob(*)", "recipe=choice(proxy)", "seed=1,2"]
)
def test_a_sweep_may_have_several(override: str) -> None:
    check_override(override, sweep=True)


@pytest.mark.parametrize(
    "override",
    ["arch._target_=os.system", "+arch={_target_: os.system}", "hydra.launcher._target_=os.mkdir", "hydra/callbacks=x",
     "+hydra.callbacks.x.path=/tmp", "hydra.searchpath=[/tmp]", "++hydra.searchpath=[pkg://os]"],
)  # fmt: skip
def test_nothing_is_named_that_would_be_called_or_read(override: str) -> None:
    with pytest.raises(UserError, match="no value here names what is called, or where else to read"):
        check_override(override)


@pytest.mark.parametrize(
    "command",
    [["-m", "seed=1,2"], ["--multirun", "data=glob(*)"], ["--cfg", "job"], ["-c", "all", "seed=1"], ["--cfg=hydra"],
     ["--cfg", "job", "--resolve"], ["--help"], ["--resolve", "-c", "all"]],
)  # fmt: skip
def test_what_goes_to_hydra(command: list[str]) -> None:
    check_command(command)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["--experimental-rerun", "config.pickle"], "--experimental-rerun: no such option"),
        (["--experimental-rerun=config.pickle"], "--experimental-rerun=config.pickle: no such option"),
        (["--config-dir", "/tmp", "-m"], "--config-dir: no such option"),
        (["-cd", "/tmp"], "-cd: no such option"),
        (["--multi"], "--multi: no such option"),
        (["--cfg"], "--cfg=: choose one of job, hydra, all"),
        (["--resolve", "arch=squeezenet"], "--resolve: of what is shown; write it with --cfg job"),
        (["--cfg=yaml"], "--cfg=yaml: choose one of"),
        (["-m", "arch=sqeezenet"], "arch=sqeezenet: did you mean squeezenet"),
        (["-m", "budget"], "budget: not an override"),
    ],
)
def test_what_does_not(command: list[str], said: str) -> None:
    with pytest.raises(UserError) as raised:
        check_command(command)
    assert str(raised.value).startswith(said)


@pytest.mark.parametrize(
    "content",
    ["hydra: {callbacks: {x: {_target_: os.mkdir, path: x}}}", '"\\x5ftarget_": os.system', "a: [{b: {_target_: x}}]"],
)
def test_a_file_that_names_what_is_called_stops_hydra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    shutil.copytree(CONF, tmp_path / "conf")
    monkeypatch.setattr(paths, "CONF", tmp_path / "conf")
    check_command(["-m"])
    (tmp_path / "conf" / "experiment" / "table3" / "mine.yaml").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"mine\.yaml: _target_: no value names what is called; take it out"):
        check_command(["-m"])
