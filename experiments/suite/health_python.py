"""Whether Python and the installed packages are those that the project is locked to, and work together."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from experiments.suite.health import REINSTALL, Finding, one_line, some

PROJECT = "compact-nets"
# What another build of torch (+cpu, +cu126) does without, or brings in versions of its own.
OF_TORCH_BUILD = re.compile(r"(nvidia|cuda)-.*|triton")
PROBE = """
import json, torch, torchvision, torchmetrics, pytorch_lightning
mps = torch.backends.mps.is_available()
print(json.dumps({"torch": torch.__version__, "torchvision": torchvision.__version__,
                  "Lightning": pytorch_lightning.__version__, "threads": torch.get_num_threads(),
                  "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0, "mps": mps}))
"""


def check_python(version: Sequence[int], pyproject: str, prefix: Path, venv: Path) -> Finding:
    """``pyproject``: the text of pyproject.toml. ``prefix``: where this interpreter is installed, sys.prefix."""
    number = ".".join(map(str, version[:3]))
    least = re.search(r'^requires-python = ">=([\d.]+)"', pyproject, re.MULTILINE)
    if least and tuple(version) < tuple(map(int, least[1].split("."))):
        advice = f"install Python {least[1]} or newer, then make clean-venv && make setup PYTHON=python{least[1]}"
        return Finding("FAIL", f"{number}, the project needs {least[1]} or newer", (advice,))
    if not venv.is_dir():
        return Finding("warn", f"{number}, and the project has no .venv yet", ("make setup",))
    if not prefix.is_dir() or not prefix.samefile(venv):
        return Finding(
            "warn", f"{number}, which is not the project's .venv", (".venv/bin/python -m experiments.doctor",)
        )
    return Finding("ok", f"{number} in .venv")


def pins(lock: str) -> dict[str, str]:
    """Version by package, of the text of requirements.lock."""
    return {_canonical(name): version for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", lock, re.MULTILINE)}


def needed(dependencies: Iterable[str], requires: Callable[[str], Iterable[str] | None]) -> set[str]:
    """The packages of these requirements and all those that they need on this machine, so far as one can know.

    ``requires``: what an installed package needs, as its metadata says; None when it is not installed.
    """
    try:
        from packaging.requirements import Requirement
    except ImportError:  # one of them itself; without it requirements can only be looked at
        return {"packaging", *(_canonical(name) for line in dependencies for name in re.findall(r"^[\w.-]+", line))}

    found: set[tuple[str, str]] = set()
    waiting = [(Requirement(line), "") for line in dependencies]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = _canonical(requirement.name)
        for asked in {"", *requirement.extras}:
            if (name, asked) not in found:
                found.add((name, asked))
                waiting += [(Requirement(line), asked) for line in requires(name) or ()]
    return {name for name, _ in found}


def check_packages(locked: Mapping[str, str], names: Iterable[str], installed: Callable[[str], str | None]) -> Finding:
    """Each of ``names`` must be there, and at its version in the lock. ``+cpu`` and its like are no part of a version."""
    here = {name: installed(name) for name in sorted(names)}
    other_build = "+" in (here.get("torch") or "")
    checked = [name for name in here if name in locked and not (other_build and OF_TORCH_BUILD.fullmatch(name))]
    missing = [f"{name} {locked[name]}" for name in checked if here[name] is None]
    missing += [name for name, version in here.items() if version is None and name not in locked]
    differing = [
        f"{name} {version} (locked: {locked[name]})"
        for name in checked
        if (version := here[name]) and version.partition("+")[0] != locked[name].partition("+")[0]
    ]
    if not missing and not differing:
        return Finding("ok", f"{len(checked)} as in requirements.lock")
    said = [f"missing: {some(missing)}"] if missing else []
    said += [f"another version: {some(differing)}"] if differing else []
    return Finding("FAIL", "; ".join(said), (REINSTALL,))


def version_of(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def requires_of(name: str) -> list[str] | None:
    try:
        return metadata.requires(name)
    except metadata.PackageNotFoundError:
        return None


def check_imports(code: int, out: str, err: str, seconds: float) -> Finding:
    """How a process that ran PROBE ended: that torch, torchvision and Lightning fit together shows when they import."""
    facts = probed(out)
    if code or facts is None:
        last = one_line(err.strip().splitlines()[-1] if err.strip() else f"exit {code}")
        advice = "make clean-venv && make setup"
        return Finding("FAIL", f"torch, torchvision and Lightning do not import together: {last[:300]}", (advice,))
    versions = ", ".join(f"{name} {facts[name]}" for name in ("torch", "torchvision", "Lightning"))
    return Finding("ok", f"{versions} work together ({seconds:.1f} s to import)")


def probed(out: str) -> dict[str, Any] | None:
    """What PROBE found, the last line of its output; None when it came to nothing."""
    try:
        facts = json.loads(out.strip().splitlines()[-1])
    except (ValueError, IndexError):
        return None
    return facts if isinstance(facts, dict) else None


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
