"""Which changes of a source make a record stale."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from experiments.suite import fingerprint
from experiments.suite.fingerprint import changed, of_file, of_modules

SOURCE = '''"""A module."""

import math


def area(radius: float = 1.0) -> float:
    """Of a circle."""
    if radius < 0:
        raise ValueError("negative")
    return math.pi * radius**2


class Shape:
    """A shape."""

    sides = 4
'''


@pytest.fixture
def digest(tmp_path: Path):
    """digest(source) -> that of a file with it; each in a file of its own, since digests are kept."""
    files = iter(range(1000))

    def of(source: str | bytes) -> str:
        path = tmp_path / f"source{next(files)}.py"
        path.write_bytes(source.encode() if isinstance(source, str) else source)
        return of_file(path)

    return of


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""A module."""\n', ""),
        ('"""A module."""', '"""Another text,\n\nof two paragraphs."""'),
        ('    """Of a circle."""\n', ""),
        ('    """A shape."""\n\n', ""),
        ("import math\n", "import math  # for pi\n\n\n\n"),
        ("radius**2", "radius ** 2"),
        ("math.pi * radius**2", "(math.pi\n            * radius**2)"),
        ('"negative"', "'negative'"),
        ("    if radius", "    # a comment\n    if radius"),
        ("\n", "\r\n"),
    ],
)
def test_texts_and_layout_do_not_count(digest, old: str, new: str) -> None:
    assert old in SOURCE
    assert digest(SOURCE.replace(old, new)) == digest(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("radius**2", "radius**3"),
        ("radius < 0", "radius <= 0"),
        ("= 1.0", "= 1"),
        ("sides = 4", "sides = 4.0"),
        ("sides = 4", "sides = True"),
        ('"negative"', '"below zero"'),
        ("import math", "import cmath as math"),
        ("area", "circle"),
        ("    sides = 4", '    """A shape."""\n    sides = 4'),  # a text that is no docstring: harmless, but code
        ("math.pi * radius**2", "radius**2 * math.pi"),
        ("return ", ""),
    ],
)
def test_code_counts(digest, old: str, new: str) -> None:
    assert old in SOURCE
    assert digest(SOURCE.replace(old, new)) != digest(SOURCE)


def test_a_digest_is_short_and_known(digest) -> None:
    assert len(digest(SOURCE)) == 12
    assert digest("") == digest('"""Only a docstring."""\n# and a comment\n')


def test_what_is_not_there_or_not_python(digest, tmp_path: Path) -> None:
    assert of_file(tmp_path / "nothing.py") == "missing"
    assert digest("def (:") == "not Python"
    assert digest(b"\xff\xfe\0") == "not Python"


def test_changed_files_are_listed_in_order(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.py").write_text(f"{name} = 1\n", encoding="utf-8")
    kept = {str(tmp_path / f"{name}.py"): of_file(tmp_path / f"{name}.py") for name in "cba"}
    assert changed(kept) == []
    other = {path: "0" * 12 if not path.endswith("a.py") else digest for path, digest in kept.items()}
    assert changed(other) == [str(tmp_path / "b.py"), str(tmp_path / "c.py")]
    assert changed({"lightning_modules/no_such_file.py": "0" * 12}) == ["lightning_modules/no_such_file.py"]


def test_the_modules_of_the_package_that_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "ROOT", tmp_path)
    loaded = {}
    for name in ("pack", "pack.one", "pack.part", "pack.part.two", "package.other", "else.three"):
        path = tmp_path.joinpath(*name.split("."))
        is_package = name in ("pack", "pack.part")
        path = path / "__init__.py" if is_package else path.with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"name = {name!r}\n", encoding="utf-8")
        loaded[name] = SimpleNamespace(__file__=str(path))
    loaded["pack.space"] = SimpleNamespace(__file__=None)
    loaded["pack.elsewhere"] = SimpleNamespace(__file__="/nowhere/elsewhere.py")
    found = of_modules(loaded, "pack")
    assert list(found) == ["pack/one.py", "pack/part/two.py"]
    assert found["pack/one.py"] == of_file(tmp_path / "pack" / "one.py") != found["pack/part/two.py"]


def test_a_run_depends_on_its_own_modules_only() -> None:
    import lightning_modules.recipe

    some: dict[str, ModuleType] = {name: sys.modules[name] for name in ("lightning_modules.recipe", "json")}
    assert list(of_modules(some)) == ["lightning_modules/recipe.py"]
    assert changed(of_modules(some)) == []
    assert lightning_modules.recipe.Recipe
