"""Every command of the README and the docs, run as it stands there, at budget smoke and with results elsewhere."""

import re
import shlex
from pathlib import Path

import pytest

from tests.flows.commands import ROOT, finished, start

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
DRY = {"make test", "make test-full", "make check"}  # this very test would start itself
REFUSED = {  # what a test does not have, by a part of the command that needs it, and what that says then
    "make browse": "needs a terminal|has no runs",
    "make sync": "needs a W&B account|has no runs",
    "data.root=/data/imagenet": "data.root=/data/imagenet: no such folder",
}
SLOW = (
    "SEEDS=0,1,2,3,4",
    "seed=0,1",
    "FRESH=1",
    "recipe.lr=",
    "compression=",
    "range(",
    "contact_sheet",
    "experiments.search",
)


def commands() -> list[str]:
    found = []
    for page in PAGES:
        for block in re.findall(r"```bash\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            found += [line.split("  #")[0].strip() for line in block.splitlines() if line.strip()]
    return list(dict.fromkeys(found))


def marked(command: str):
    return pytest.param(command, marks=[pytest.mark.slow] if any(word in command for word in SLOW) else [])


def shortened(command: str) -> list[str]:
    """The same command, seconds instead of minutes."""
    words = shlex.split(command)
    if words[0] == "make":
        if command in DRY:
            return ["make", "-n", *words[1:]]
        return [*words, "BUDGET=smoke"] if "table3" in words and "BUDGET=" not in command else words
    assert words[0] == ".venv/bin/python"
    return (
        [*words, "budget=smoke"]
        if "experiments.run" in words and not {"budget", "cfg"} & set(re.split(r"\W+", command))
        else words
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.mark.xdist_group("readme")
@pytest.mark.parametrize("command", [marked(command) for command in commands()])
def test_a_command_of_the_readme(command: str, results: Path) -> None:
    where = ROOT / "results" if command == "make verify" else results  # it reads only
    answer = finished(start(where, *shortened(command), WANDB_MODE="offline"), timeout=280)
    said = answer.stdout + answer.stderr
    refusals = [refusal for part, refusal in REFUSED.items() if part in command]
    if refusals:
        assert answer.returncode == 2 and re.search(refusals[0], said), said
    else:
        assert answer.returncode == 0, said
    assert "Traceback" not in said


def test_the_readme_starts_with_the_two_commands() -> None:
    assert [command.split()[1] for command in commands()[:2]] == ["table3", "test"]


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
