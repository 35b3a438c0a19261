"""Of which code something is that no process has run."""

import sys

from experiments.suite import fingerprint
from experiments.suite.imports import code_of

COUNTING = "lightning_modules.complexity"
NETS = "lightning_modules.nets"


def test_a_net_s_code_is_its_file_and_what_it_imports() -> None:
    found = code_of([f"{NETS}.squeezenet"])
    assert list(found) == ["lightning_modules/errors.py", "lightning_modules/nets/squeezenet.py"]
    assert not fingerprint.changed(found)


def test_imports_of_imports_and_no_other_net() -> None:
    found = code_of([COUNTING, f"{NETS}.mobilenet_v1", f"{NETS}.build"])
    assert {f"lightning_modules/nets/{name}.py" for name in ("blocks", "build", "mobilenet_v1")} <= set(found)
    assert "lightning_modules/nets/squeezenet.py" not in found
    assert not any(path.endswith("__init__.py") for path in found)


def test_it_is_what_a_process_loads() -> None:
    import lightning_modules.nets.squeezenet as loaded

    modules = {name: sys.modules[name] for name in (loaded.__name__, "lightning_modules.errors")}
    assert code_of([loaded.__name__]) == fingerprint.of_modules(modules)


def test_a_module_that_is_not_there_has_no_code() -> None:
    assert code_of([f"{NETS}.no_such_net"]) == {}
