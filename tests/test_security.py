"""What a stranger's file, name or archive may do here, and what leaves this machine. Each test tries."""

import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import experiments.run
from experiments.suite import cli, composed, contract, fields, overrides, paths
from experiments.suite.files import write_json
from experiments.suite.paths import CONF
from experiments.suite.plan import rows_of
from experiments.suite.store import Run
from lightning_modules.callbacks.checkpoint import latest
from lightning_modules.errors import UserError
from tests.callbacks.test_checkpoint import Malice, saved, written
from tests.in_process import called, its_own_process
from tests.suite.records import contract as made_contract
from tests.suite.records import made
from tests.test_training import STEPS, interrupted, train

ROOT = Path(__file__).parents[1]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[str], Any]]:
    """Calls ``python -m experiments.<what is typed>`` in this process: (exit status, stdout, stderr)."""
    with its_own_process(monkeypatch):
        yield lambda command: called(command, monkeypatch, capsys)


# Checkpoints


@pytest.mark.parametrize("kept", [0, 2])
def test_a_checkpoint_that_brings_code_is_not_run_and_the_run_goes_on_without(tmp_path: Path, kept: int) -> None:
    """``kept`` epochs have a good checkpoint; that of the third is hostile, under the digest of its content."""
    ran, folder = tmp_path / "ran", tmp_path / "run"
    whole, _ = train(tmp_path / "whole")
    content: dict[str, Any] = {"epoch": 2, "state_dict": {}}
    folder.mkdir()
    if kept:
        interrupted(folder, "train", kept * STEPS)
        good, _ = latest(folder)
        assert good is not None
        content = torch.load(good, weights_only=True)
    evil = written(folder, 3, saved({**content, "hyper_parameters": Malice(ran)}))
    found, _ = train(folder)
    assert not ran.exists()
    assert found.damaged == [evil]
    assert found.resumed_after == kept
    assert found.weights_sha256 == whole.weights_sha256 and found.metrics == whole.metrics


# Configurations


def test_no_file_of_conf_names_what_is_called() -> None:
    overrides.check_nothing_is_called()


@pytest.mark.parametrize(
    "override",
    ["label='${oc.env:MY_TOKEN}'", "tags=['${oc.env:MY_TOKEN}']", "logger.project='${oc.env:MY_TOKEN}'",
     "data.name='${oc.env:MY_TOKEN}'", "label='${oc.decode:${oc.env:MY_TOKEN}}'", "label='${oc.env:MY_${task}}'"],
)  # fmt: skip
def test_the_environment_does_not_come_in_through_a_value(
    override: str, monkeypatch: pytest.MonkeyPatch, call: Callable[[str], Any]
) -> None:
    monkeypatch.setenv("MY_TOKEN", "secret")
    code, out, said = call(f"run {shlex.quote(override)} budget=smoke")
    assert code == 2 and len(said.splitlines()) == 1
    assert "secret" not in out + said


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A conf folder that somebody else has written to."""
    folder = tmp_path / "conf"
    shutil.copytree(CONF, folder)
    for module in (paths, cli):
        monkeypatch.setattr(module, "CONF", folder)
    composed.contents.cache_clear()
    fields.declared.cache_clear()
    yield folder
    composed.contents.cache_clear()
    fields.declared.cache_clear()


@pytest.mark.parametrize("command", ["run", "run -m", "run --cfg job"])
@pytest.mark.parametrize(
    "content",
    ["hydra: {{callbacks: {{x: {{_target_: os.mkdir, path: {ran}}}}}}}", "arch: {{_target_: os.mkdir, path: {ran}}}",
     "arch: {{net: os.mkdir}}", "label: '${{oc.env:HOME}}'", "_target_: os.mkdir\npath: {ran}"],
)  # fmt: skip
def test_a_file_of_conf_calls_nothing(
    command: str, content: str, conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[[str], Any]
) -> None:
    ran = tmp_path / "ran"
    monkeypatch.setattr(experiments.run, "_recorded", lambda *about: made(0, {"test/top1_acc": 1.0}))
    text = f"# @package _global_\n{content.format(ran=ran)}\n"
    (conf / "experiment" / "table3" / "mine.yaml").write_text(text, encoding="utf-8")
    code, _, said = call(f"{command} experiment=table3/mine budget=smoke")
    assert not ran.exists()
    assert "Traceback" not in said
    if command == "run" and "hydra:" not in content:  # a single run reads nothing that is Hydra's
        assert code == 2 and len(said.splitlines()) == 1


@pytest.mark.parametrize(
    "command",
    ["run arch._target_=os.system", "run +arch={{_target_: os.mkdir, path: {ran}}}", "run arch.net=os.system",
     "run -m +hydra.callbacks.x._target_=os.mkdir +hydra.callbacks.x.path={ran}", "run hydra.searchpath=[{ran}]",
     "run -m hydra.launcher._target_=os.mkdir +hydra.launcher.path={ran}", "run --experimental-rerun {ran}",
     "run --config-dir {ran} -m", "run recipe.optimizer=torch.load", "run data.dataset=os.mkdir"],
)  # fmt: skip
def test_an_override_calls_nothing(command: str, tmp_path: Path, call: Callable[[str], Any]) -> None:
    ran = tmp_path / "ran"
    name, *arguments = command.format(ran=ran).split(" ", 1)
    code, _, said = call(f"{name} {' '.join(arguments)} budget=smoke".replace("{", "'{").replace("}", "}'"))
    assert code == 2 and said.startswith("error: ") and len(said.splitlines()) == 1, said
    assert not ran.exists() and not (tmp_path / "results").exists()


# Archives


def test_a_hostile_archive_leaves_nothing_behind(tmp_path: Path, call: Callable[[str], Any]) -> None:
    root = tmp_path / "data" / "root"
    root.mkdir(parents=True)
    with tarfile.open(root / "cifar-10-python.tar.gz", "w:gz") as archive:
        for name in (
            "../evil",
            f"{tmp_path}/evil",
            "cifar-10-batches-py/../../evil",
            "cifar-10-batches-py/data_batch_1",
        ):
            content = saved(Malice(tmp_path / "ran"))
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    before = sorted(tmp_path.rglob("*"))
    code, out, said = call(f"fetch data=cifar10 data.root={root}")
    assert code == 2 and not out and len(said.splitlines()) == 1
    assert str(root) in said
    assert sorted(tmp_path.rglob("*")) == before


# Names


@pytest.mark.parametrize("group", ["arch", "data", "compression", "budget"])
@pytest.mark.parametrize("name", ["../../x", "/x", "a/b", "..", "a\\b", ".x"])
def test_no_name_of_a_configuration_leaves_its_folder(
    group: str, name: str, tmp_path: Path, call: Callable[[str], Any]
) -> None:
    code, _, said = call(f"run {group}.name=\"'{name}'\" budget=smoke".replace("\\", "\\\\"))
    assert code == 2 and said.startswith(f"error: {group}.name=")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("verb", ["table", "plan", "publish", "rehearse"])
@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "table3/../../x", "../paper/squeezenet"])
def test_no_name_of_a_table_leaves_its_folder(verb: str, name: str, tmp_path: Path, call: Callable[[str], Any]) -> None:
    code, _, said = call(f"{verb} table={name}")
    assert code == 2 and said.startswith(f"error: unknown table '{name}'")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("row", ["../a", "/a", "a/b", "..", ".a"])
def test_no_row_of_a_contract_leaves_its_folder(row: str, tmp_path: Path) -> None:
    conf = made_contract(tmp_path, rows=f"{{a: {{label: A}}, '{row}': {{label: B}}}}")
    for target in (conf / "experiment" / "a.yaml", conf / "experiment" / "made" / "a" / "b.yaml"):
        target.parent.mkdir(exist_ok=True)
        target.touch()
    with pytest.raises(UserError, match=r"a row is named in letters, digits, _ - and \. only, rename it"):
        contract.load("made", conf)


def test_a_record_that_names_another_place_is_neither_read_nor_copied_there(
    tmp_path: Path, call: Callable[[str], Any]
) -> None:
    """Records of table3's rows, whose run id or seed, or whose file's name, is a way out."""
    stolen = made(0, {"test/top1_acc": 99.5, "test/top5_acc": 99.9}).to_json()
    rows = rows_of(contract.load("table3"), "proxy")
    for row, lie in zip(rows, ({"run_id": "../../x"}, {"seed": -1}, {"run_id": f"{tmp_path}/x"}), strict=True):
        run = Run(row.contract_id, 0)
        record = {**stolen, "provenance": {**stolen["provenance"], "run_id": run.run_id, **lie}}
        write_json(run.record_path, record)
        write_json(run.published_path, record)
        for name in ("-1", "²", "1e3", "0x1", "..x"):
            write_json(run.published_path.with_name(f"{name}.json"), record)
            write_json(run.folder.with_name(name) / "record.json", record)
    outside = [path for path in tmp_path.rglob("*") if "results" not in path.parts]
    records = {path: path.read_bytes() for path in (tmp_path / "results").rglob("*.json")}
    for verb in ("plan table=table3", "publish table=table3 replace=true", "render", "verify", "catalogue", "doctor"):
        code, out, said = call(verb)
        assert code in (0, 1) and not said, (verb, said)
        if verb.startswith(("publish", "render")):
            assert out.count("is the record of another run") >= 3, out
    assert [path for path in tmp_path.rglob("*") if "results" not in path.parts] == outside
    assert {path: path.read_bytes() for path in records} == records
    found = {path for path in (tmp_path / "results").rglob("*.json") if path not in records}
    assert {path.name for path in found if "composed" not in path.parts} == {
        f"{table}.json" for table in contract.names()
    }
    for folder in ("local", "published"):
        table = json.loads((tmp_path / "results" / folder / "tables" / "table3.json").read_text(encoding="utf-8"))
        for row in table["rows"]:
            assert row["cells"]["test/top1_acc"]["published"] is row["cells"]["test/top1_acc"]["here"] is None


# What is written about this machine

SECRETS = {
    "WANDB_API_KEY": "k" * 20 + "envsecret" + "0" * 11,
    "MY_TOKEN": "tokensecret",
    "AWS_SECRET_ACCESS_KEY": "awssecret",
}
PROVENANCE = {
    "run_id", "seed", "label", "code", "packages", "machine", "threads", "commit", "dirty", "started_at", "attempts",
    "training_s", "wall_s", "wandb",
}  # fmt: skip


def environment(tmp_path: Path) -> dict[str, str]:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".netrc").write_text(
        f"machine api.wandb.ai\n  login me\n  password {'n' * 31}netrcsecret\n", encoding="ascii"
    )
    (home / ".netrc").chmod(0o600)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB", "MAKE", "NETRC"))}
    return {**kept, **SECRETS, "HOME": str(home), "COMPACT_NETS_RESULTS": str(tmp_path / "results"), "USER": "somebody"}


def with_a_secret(folder: Path) -> list[Path]:
    secrets = [*(secret.encode() for secret in SECRETS.values()), b"netrcsecret", b"somebody"]
    return [
        path for path in folder.rglob("*") if path.is_file() and any(secret in path.read_bytes() for secret in secrets)
    ]


def test_the_search_for_secrets_finds_one(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text(f"key={SECRETS['MY_TOKEN']}", encoding="utf-8")
    assert with_a_secret(tmp_path) == [tmp_path / "log.txt"]


def test_a_run_writes_no_key_and_nothing_of_whose_machine_it_is(tmp_path: Path) -> None:
    """W&B's own files included, which hold what it logs."""
    command = "-m experiments.run budget=smoke budget.images_seen=1024 trainer.threads=1 data.timeout_s=11"
    answer = subprocess.run(
        [sys.executable, *command.split()], cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr
    assert not any(secret in answer.stdout + answer.stderr for secret in (*SECRETS.values(), "netrcsecret"))
    results = tmp_path / "results"
    assert list(results.glob("local/wandb/offline-run-*/*.wandb"))
    assert not with_a_secret(results)
    (path,) = results.glob("local/runs/*/0/record.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    assert set(record["provenance"]) <= PROVENANCE
    assert set(record["provenance"]["machine"]) == {"cpu", "cores", "system", "accelerator"}
    assert record["config"]["data"]["root"] is record["config"]["data"]["mirrors"] is None
    assert record["config"]["logger"]["entity"] is None
    assert str(ROOT) not in path.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_table_writes_no_key(tmp_path: Path) -> None:
    """The logs of its runs, its files and its own W&B run included."""
    command = "-m experiments.table table=table3 budget=smoke budget.images_seen=1024"
    answer = subprocess.run(
        [sys.executable, *command.split()], cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr
    assert not any(secret in answer.stdout + answer.stderr for secret in (*SECRETS.values(), "netrcsecret"))
    assert len(list((tmp_path / "results").glob("local/runs/*/0/log.txt"))) == 3
    assert list((tmp_path / "results").glob("local/tables/table3.*"))
    assert not with_a_secret(tmp_path / "results")
