"""CONTRIBUTING.md's "Add a net", followed to the letter in a copy of the project."""

import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.suite.files import write_json
from lightning_modules.errors import UserError
from tests.flows.commands import ROOT, environment, records, table
from tests.suite.records import made
from tests.test_makefile import targets

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
ADD_A_NET = PAGE.split("\n## Add a net\n")[1].split("\n## ")[0]
# A file is a line with its path, then a block with its content.
FILES = dict(re.findall(r"^`([^`\n]+)`:\n\n```(?:python|yaml)\n(.*?)^```$", ADD_A_NET, re.MULTILINE | re.DOTALL))
COMMANDS = re.search(r"^```bash\n(.*?)^```$", ADD_A_NET, re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.xdist_group("contributing")


def run(copy: Path, *command: str) -> str:
    """What a command says in the copy, whose modules come before the installed ones."""
    answer = subprocess.run(
        [sys.executable, "-m", *command], cwd=copy, env=environment(copy / "results", PYTHONPATH=str(copy)),
        capture_output=True, text=True, encoding="utf-8", timeout=240, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "Traceback" not in answer.stderr
    return answer.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as it would be committed now, without results, and the files of the page."""
    folder = tmp_path_factory.mktemp("project")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in listed:
        if name and not name.startswith("results/") and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    if (ROOT / "data").is_dir():  # what was downloaded
        (folder / "data").symlink_to(ROOT / "data")
    for name, content in FILES.items():
        path = folder / name
        assert not path.exists() or path.read_text(encoding="utf-8") == content, f"the page would overwrite {name}"
        path.write_text(content, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def trained(copy: Path) -> dict[str, Any]:
    """The record of the page's first command."""
    assert COMMANDS
    python, dash_m, *command = shlex.split(COMMANDS[1].splitlines()[0], comments=True)
    assert (python, dash_m) == (".venv/bin/python", "-m")
    assert "seed 0: test error" in run(copy, *command)
    (record,) = records(copy / "results").values()
    return record


def test_it_is_one_file_and_two_yamls() -> None:
    folders = [str(Path(name).parent) for name in FILES]
    assert folders == ["lightning_modules/nets", "conf/arch", "conf/experiment/table3"]


def test_the_net_is_written_as_ours_are(copy: Path) -> None:
    files = [str(copy / name) for name in FILES if name.endswith(".py")]
    for command in (["check"], ["format", "--check"]):
        run(copy, "ruff", *command, "--no-cache", *files)


def test_the_net_refuses_wrong_arguments_and_has_the_documented_maps(copy: Path) -> None:
    spec = importlib.util.spec_from_file_location("allconv", copy / "lightning_modules/nets/allconv.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for wrong in ({"width": 0}, {"num_classes": 0}, {"in_channels": -1}):
        with pytest.raises(UserError, match="must be 1 or more"):
            module.AllConv(**wrong)
    net = module.AllConv(width=4, num_classes=7, in_channels=1)
    sizes = []
    for layer in (net.conv1, net.conv2, net.conv3, net.conv4):
        layer.register_forward_hook(lambda layer, inputs, output: sizes.append(output.shape[-1]))
    assert net(torch.zeros(2, 1, 32, 32)).shape == (2, 7)
    assert sizes == [32, 16, 16, 8]


def test_the_run_is_of_the_copy_s_code(trained: dict[str, Any]) -> None:
    assert trained["result"]["status"] == "done"
    assert trained["config"]["arch"]["width"] == 32
    assert {name for name in trained["provenance"]["code"] if "/nets/" in name} == {
        "lightning_modules/nets/allconv.py", "lightning_modules/nets/build.py",
    }  # fmt: skip


def test_the_row_is_planned_after_the_contract_s(copy: Path, trained: dict[str, Any]) -> None:
    said = run(copy, "experiments.plan", "table=table3", "budget=smoke")
    rows = [line for line in said.splitlines() if "-smoke-" in line]
    assert rows[0].startswith("Vanilla SqueezeNet") and "missing" in rows[0]
    (mine,) = [line for line in rows if line.startswith("All-convolutional")]
    assert " done " in mine and trained["provenance"]["run_id"] in mine
    assert f"{len(rows) - 1} of {len(rows)} runs to do" in said


def test_the_row_is_in_the_table_with_its_cost_and_its_accuracy(copy: Path, trained: dict[str, Any]) -> None:
    run(copy, "experiments.render", "budget=smoke")
    data = table(copy / "results")
    names = [row["row"] for row in data["rows"]]
    assert names[:3] == ["vanilla", "simple_bypass", "complex_bypass"] and "allconv" in names[3:]
    mine = data["rows"][names.index("allconv")]
    assert (mine["label"], mine["extra"]) == ("All-convolutional", True)
    assert mine["note"].startswith("not in the paper's table")
    widths = [(3, 32, 9), (32, 32, 9), (32, 64, 9), (64, 64, 9), (64, 1000, 1)]
    params = sum(inputs * filters * kernel + filters for inputs, filters, kernel in widths)
    maps = [227, 114, 114, 57, 57]
    macs = sum(size**2 * a * b * kernel for size, (a, b, kernel) in zip(maps, widths, strict=True))
    assert params == 130_568
    found = {name: cell["here"] for name, cell in mine["cells"].items()}
    assert (found["params"]["mean"], found["macs"]["mean"]) == (params, macs)
    assert found["test/top1_acc"]["mean"] == pytest.approx(trained["result"]["metrics"]["test/top1_acc"])
    assert found["test/top1_acc"]["runs"] == [f"{trained['provenance']['run_id']}/0"]
    assert all(cell["paper"] is None for cell in mine["cells"].values())
    assert "**All-convolutional** | paper | – |" in (copy / "results/local/tables/table3.md").read_text("utf-8")
    assert not any("allconv" in json.dumps(claim) for claim in data["claims"])


def test_the_published_table_has_the_row_once_a_run_of_it_is_published(copy: Path) -> None:
    shutil.copytree(ROOT / "results" / "published", copy / "results" / "published")
    assert "published tables are what their records say" in run(copy, "experiments.verify")
    planned = run(copy, "experiments.plan", "table=table3")
    run_id = next(line.split()[-1] for line in planned.splitlines() if line.startswith("All-convolutional"))
    record = made(0, {"test/top1_acc": 71.0, "test/top5_acc": 99.0}, run_id=run_id)
    write_json(copy / "results" / "local" / "runs" / run_id / "0" / "record.json", record.to_json())
    assert "1 runs added" in run(copy, "experiments.publish", "table=table3")
    path = Path("results", "published", "tables", "table3.json")
    before, after = (json.loads((project / path).read_text(encoding="utf-8")) for project in (ROOT, copy))
    (mine,) = [row for row in after["rows"] if row["row"] == "allconv"]
    assert mine["extra"] and mine["cells"]["test/top1_acc"]["published"]["mean"] == 71.0
    assert [row for row in after["rows"] if row is not mine] == before["rows"] and after["claims"] == before["claims"]
    assert "published tables are what their records say" in run(copy, "experiments.verify")


@pytest.mark.slow
def test_the_whole_table(copy: Path, trained: dict[str, Any]) -> None:
    said = run(copy, "experiments.table", "table=table3", "budget=smoke")
    assert "All-convolutional: not in the paper's table" in said
    cells = {row["label"]: row["cells"]["test/top1_acc"]["here"] for row in table(copy / "results")["rows"]}
    assert len(cells) >= 4 and all(cells.values())


def test_the_page_names_what_there_is() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", PAGE):
        assert (ROOT / link).exists(), link
    for path in re.findall(r"`((?:conf|docs|experiments|lightning_modules|results|tests)/[^`<>{}]*)`", PAGE):
        assert path in FILES or (ROOT / path).exists(), path
    assert set(re.findall(r"make ([a-z][a-z0-9-]*)", PAGE)) <= targets()
