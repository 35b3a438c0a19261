"""No source runs what it is given: nothing is unpickled, evaluated, unpacked or called by its name."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*ROOT.glob("experiments/**/*.py"), *ROOT.glob("lightning_modules/**/*.py")])

UNPICKLE = {
    "pickle",
    "_pickle",
    "cPickle",
    "marshal",
    "shelve",
    "dill",
    "cloudpickle",
    "joblib",
    "jsonpickle",
    "pandas",
}
BUILTINS = {"eval", "exec", "compile", "__import__"}
METHODS = {
    "extract": "writes where an archive says",
    "extractall": "writes where an archive says",
    "unpack_archive": "writes where an archive says",
    "load_from_checkpoint": "unpickles",
    "instantiate": "calls what a configuration names",
    "unsafe_load": "builds any object",
    "full_load": "builds any object",
    "load_all": "builds any object",
}
YAML = {"load", "safe_load", "SafeLoader", "CSafeLoader", "YAMLError", "MarkedYAMLError"}
# A net's file, whose name it has found itself; one of a fixed list of compression methods.
IMPORTERS = {"lightning_modules/nets/__init__.py", "lightning_modules/compression/steps.py"}


def offences(source: str, path: str = "") -> list[str]:
    """What in ``source`` could run what it is given."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{name}" for name in names]
        for name in names:
            if name.split(".")[0] in UNPICKLE or name in ("hydra.utils", "hydra.utils.instantiate", "numpy.load"):
                found.append(f"imports {name}")
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "yaml":
            if node.attr not in YAML:
                found.append(f"uses yaml.{node.attr}")
        if isinstance(node, ast.Call):
            found += _offences_of_call(node, path)
    return found


def _offences_of_call(node: ast.Call, path: str) -> list[str]:
    function = node.func
    if isinstance(function, ast.Name):
        if function.id in BUILTINS or (function.id == "import_module" and path not in IMPORTERS):
            return [f"calls {function.id}"]
        return [f"calls {function.id}: it {METHODS[function.id]}"] if function.id in METHODS else []
    if not isinstance(function, ast.Attribute):
        return []
    owner = function.value.id if isinstance(function.value, ast.Name) else ""
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    weights_only = isinstance(given.get("weights_only"), ast.Constant) and given["weights_only"].value is True  # type: ignore[union-attr]
    found = []
    if owner == "os" and function.attr in ("system", "popen"):
        found.append(f"calls os.{function.attr}")
    if function.attr in METHODS:
        found.append(f"calls {function.attr}: it {METHODS[function.attr]}")
    if function.attr == "import_module" and path not in IMPORTERS:
        found.append("calls import_module")
    if (owner, function.attr) == ("torch", "load") and not weights_only:
        found.append("calls torch.load without weights_only=True")
    if function.attr in ("fit", "test", "validate", "predict") and "ckpt_path" in given and not weights_only:
        found.append(f"calls {function.attr} with ckpt_path, without weights_only=True")
    if (owner, function.attr) == ("yaml", "load") and "Loader" not in given:
        found.append("calls yaml.load without a Loader")
    for name, only in (("shell", False), ("allow_pickle", False), ("weights_only", True)):
        if name in given and not (isinstance(given[name], ast.Constant) and given[name].value is only):  # type: ignore[union-attr]
            found.append(f"gives {name}")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_runs_what_it_is_given(path: Path) -> None:
    assert not offences(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))


@pytest.mark.parametrize(
    "source",
    ["import pickle", "from pickle import loads", "import marshal as m", "import shelve", "from joblib import load",
     "eval('1')", "exec(text)", "compile(a, b, 'exec')", "__import__(name)", "importlib.import_module(name)",
     "from importlib import import_module\nimport_module(name)", "torch.load(path)", "torch.load(path, weights_only=False)",
     "torch.load(path, weights_only=trust)", "trainer.fit(module, ckpt_path=path)", "Net.load_from_checkpoint(path)",
     "trainer.test(module, ckpt_path=path, weights_only=False)", "yaml.load(text)", "yaml.load(text, Loader=yaml.Loader)",
     "yaml.load(text, Loader=yaml.UnsafeLoader)", "yaml.full_load(text)", "np.load(path, allow_pickle=True)",
     "np.load(path, allow_pickle=x)", "subprocess.run(line, shell=True)", "os.system(line)", "archive.extractall()",
     "archive.extract(member, path)", "shutil.unpack_archive(path)", "from hydra.utils import instantiate",
     "hydra.utils.instantiate(config)"],
)  # fmt: skip
def test_the_rules_find_what_they_forbid(source: str) -> None:
    assert offences(source)


@pytest.mark.parametrize(
    "source",
    ["re.compile(x)", "net.eval()", "torch.load(p, weights_only=True)", "trainer.fit(m, ckpt_path=p, weights_only=True)",
     "yaml.load(t, Loader=yaml.SafeLoader)", "yaml.safe_load(t)", "np.load(p, allow_pickle=False)", "trainer.test(module)",
     "subprocess.run(['a'])", "archive.extractfile(member)", "platform.system()", "json.load(file)"],
)  # fmt: skip
def test_the_rules_leave_the_rest_alone(source: str) -> None:
    assert not offences(source)
