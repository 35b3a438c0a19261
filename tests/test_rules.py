"""The rules of the architecture: who may import whom, what planning may load, what published files may say."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [*ROOT.glob("experiments/**/*.py"), *ROOT.glob("lightning_modules/**/*.py")]


def imported(path: Path) -> set[str]:
    """The modules that a file imports anywhere, in functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def packages(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(path)}


@pytest.mark.parametrize("path", sorted(ROOT.glob("lightning_modules/**/*.py")), ids=lambda path: path.stem)
def test_what_computes_knows_neither_hydra_nor_wandb_nor_experiments(path: Path) -> None:
    assert not packages(path) & {"hydra", "omegaconf", "wandb", "experiments"}


@pytest.mark.parametrize("path", sorted(ROOT.glob("experiments/suite/*.py")), ids=lambda path: path.stem)
def test_the_suite_imports_no_torch_and_no_wandb(path: Path) -> None:
    assert not packages(path) & {"torch", "torchvision", "pytorch_lightning", "torchmetrics", "wandb"}
    allowed = [
        f"lightning_modules.{name}" for name in ("data", "errors", "recipe", "compression.steps", "landmark_options")
    ]
    assert all(name in allowed for name in imported(path) if name.startswith("lightning_modules"))


@pytest.mark.parametrize("path", sorted(ROOT.glob("lightning_modules/nets/*.py")), ids=lambda path: path.stem)
def test_a_net_is_plain_torch(path: Path) -> None:
    assert not packages(path) & {"pytorch_lightning", "torchmetrics", "numpy"}


def test_package_init_files_hold_no_logic_that_a_fingerprint_would_miss() -> None:
    for path in ROOT.glob("lightning_modules/**/__init__.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not [node for node in tree.body if isinstance(node, ast.ClassDef)], path
        assert len(tree.body) < 12, path


@pytest.mark.parametrize(
    "verb",
    [
        "table",
        "plan",
        "render",
        "verify",
        "publish",
        "catalogue",
        "sync",
        "browse",
        "doctor",
        "hours",
        "measure",
        "rehearse",
        "counting",
        "design",
        "search",
        "report",
        "figures",
    ],
)
def test_a_verb_that_reads_records_starts_without_torch(verb: str) -> None:
    code = f"import sys, experiments.{verb}; sys.exit(bool({{'torch', 'wandb', 'hydra'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_lightning_has_one_import_name() -> None:
    assert not [path for path in SOURCES if "lightning" in packages(path)]


def test_nothing_unpickles_what_it_does_not_trust() -> None:
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"import pickle\b|(?<![\w.])(eval|exec)\(|weights_only=False", text), path
        for call in re.findall(r"torch\.load\(.*", text):
            assert "weights_only=True" in call, path


def test_published_files_say_nothing_of_the_machine_they_were_made_on() -> None:
    private = re.compile(r"(?<![\w.~-])/(home|root|work|tmp|opt|mnt|Users)/")
    for path in ROOT.glob("results/published/**/*"):
        if path.suffix in (".json", ".md", ".csv"):
            assert not private.search(path.read_text(encoding="utf-8")), path
            assert path.stat().st_size < 2**20, path


def test_python_files_are_short_enough_to_read() -> None:
    assert not [path for path in SOURCES if len(path.read_text(encoding="utf-8").splitlines()) > 400]
