"""Python and packages against what the project asks for."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from experiments.suite import health_python
from experiments.suite.health import REINSTALL, Finding
from experiments.suite.health_python import check_imports, check_packages, check_python, needed, pins
from experiments.suite.paths import ROOT

PYPROJECT = '[project]\nname = "x"\nrequires-python = ">=3.11"\n'
LOCK = """\
a==1.0
    # via compact-nets (pyproject.toml)
b-c==2.0 ; python_version < "4"
    # via a
torch==2.14.1
triton==3.8.0
    # via torch
dev-tool==9.9
"""
PINS = {"a": "1.0", "b-c": "2.0", "torch": "2.14.1", "triton": "3.8.0", "dev-tool": "9.9"}


# Python


def test_the_python_of_the_environment(tmp_path: Path) -> None:
    assert check_python((3, 11, 7), PYPROJECT, tmp_path, tmp_path) == Finding("ok", "3.11.7 in .venv")
    (tmp_path / "link").symlink_to(tmp_path)
    assert check_python((3, 12, 0), PYPROJECT, tmp_path / "link", tmp_path).level == "ok"


def test_an_old_python_fails(tmp_path: Path) -> None:
    finding = check_python((3, 10, 13), PYPROJECT, tmp_path, tmp_path)
    assert finding.level == "FAIL" and finding.what == "3.10.13, the project needs 3.11 or newer"
    assert "make setup PYTHON=python3.11" in finding.advice[0]


def test_another_python_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / ".venv").mkdir()
    finding = check_python((3, 11, 7), PYPROJECT, Path(sys.base_prefix), tmp_path / ".venv")
    assert (finding.level, finding.advice) == ("warn", (".venv/bin/python -m experiments.doctor",))


def test_no_environment_yet_is_a_warning(tmp_path: Path) -> None:
    finding = check_python((3, 11, 7), PYPROJECT, tmp_path, tmp_path / ".venv")
    assert (finding.level, finding.advice) == ("warn", ("make setup",))


def test_the_projects_own_file_says_which_python_it_needs(tmp_path: Path) -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert check_python((3, 10, 0), text, tmp_path, tmp_path).level == "FAIL"


# Packages


def test_the_lock_is_read() -> None:
    assert pins(LOCK) == PINS
    locked = pins((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    assert locked["antlr4-python3-runtime"] == "4.9.3" and len(locked) > 50


REQUIRES = {
    "a": ["B_C[fast]>=1", 'absent; sys_platform == "no-such-system"', 'extra-thing; extra == "docs"'],
    "b-c": ['quick; extra == "fast"', "a"],
    "quick": [],
}


def test_what_a_package_needs_is_followed_with_its_extras_and_markers() -> None:
    assert needed(["a>=1"], REQUIRES.get) == {"a", "b-c", "quick"}
    assert needed(["b-c"], REQUIRES.get) == {"b-c", "a", "quick"}
    assert needed(["gone"], REQUIRES.get) == {"gone"}


def test_without_the_package_that_reads_requirements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "packaging.requirements", None)
    assert needed(["a>=1", "B_C"], REQUIRES.get) == {"packaging", "a", "b-c"}


def packages(names: Iterable[str] = ("a", "b-c"), **versions: str) -> Finding:
    installed = {"a": "1.0", "b-c": "2.0"} | {name.replace("_", "-"): version for name, version in versions.items()}
    return check_packages(PINS, names, lambda name: installed.get(name) or None)


def test_packages_as_locked() -> None:
    assert packages() == Finding("ok", "2 as in requirements.lock")
    assert packages(["a", "unlocked"], unlocked="1").level == "ok"


def test_a_missing_package_fails() -> None:
    assert packages(b_c="") == Finding("FAIL", "missing: b-c 2.0", (REINSTALL,))
    assert packages(["a", "unlocked"]).what == "missing: unlocked"


def test_another_version_fails() -> None:
    finding = packages(a="1.1", b_c="")
    assert finding == Finding("FAIL", "missing: b-c 2.0; another version: a 1.1 (locked: 1.0)", (REINSTALL,))


def test_another_build_is_the_same_version() -> None:
    assert packages(["torch", "triton"], torch="2.14.1+cpu") == Finding("ok", "1 as in requirements.lock")
    assert packages(["torch", "triton"], torch="2.14.1+cu126", triton="3.7.0").level == "ok"
    assert packages(["torch", "triton"], torch="2.14.1", triton="3.7.0").level == "FAIL"
    assert packages(["torch"], torch="2.13.0+cpu").what == "another version: torch 2.13.0+cpu (locked: 2.14.1)"


def test_development_packages_may_be_absent() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = needed(project["dependencies"], health_python.requires_of)
    assert {"torch", "numpy", "omegaconf", "markupsafe"} <= names
    assert not names & {"pytest", "ruff", "pyright", "pytorchcv", "iniconfig"}


def test_what_is_not_installed_has_no_version_and_no_needs() -> None:
    assert health_python.version_of("no-such-package-at-all") is None
    assert health_python.requires_of("no-such-package-at-all") is None
    assert health_python.version_of("rich")


# Imports

ANSWER = '{"torch": "2.14.1", "torchvision": "0.29.1", "Lightning": "2.6.6", "threads": 2, "cuda": 0, "mps": false}\n'


def test_packages_that_work_together() -> None:
    finding = check_imports(0, f"a warning\n{ANSWER}", "another one", 5.44)
    what = "torch 2.14.1, torchvision 0.29.1, Lightning 2.6.6 work together (5.4 s to import)"
    assert finding == Finding("ok", what)


@pytest.mark.parametrize(
    ("code", "out", "err", "reason"),
    [
        (1, "", "Traceback\n  File\nRuntimeError: operator torchvision::nms does not exist\n", "torchvision::nms"),
        (-11, "", "", "exit -11"),
        (0, "nonsense", "", "exit 0"),
        (0, "[]", "", "exit 0"),
    ],
)
def test_a_pair_that_does_not_import_fails(code: int, out: str, err: str, reason: str) -> None:
    finding = check_imports(code, out, err, 1.0)
    assert finding.level == "FAIL" and reason in finding.what and "\n" not in finding.what
    assert finding.advice == ("make clean-venv && make setup",)


def test_the_probe_tells_of_a_package_that_breaks(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise OSError('libtorch.so: cannot open')", encoding="utf-8")
    answer = subprocess.run(
        [sys.executable, "-c", health_python.PROBE], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
    )
    finding = check_imports(answer.returncode, answer.stdout, answer.stderr, 1.0)
    assert finding.what.endswith("do not import together: OSError: libtorch.so: cannot open")
