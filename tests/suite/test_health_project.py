"""The project: commit, contracts, data, W&B, published records."""

from pathlib import Path
from typing import NoReturn

import pytest

from experiments.suite import contract
from experiments.suite.health import Finding
from experiments.suite.health_project import (
    check_commit,
    check_contracts,
    check_data,
    check_logging,
    check_published,
    check_server,
)
from experiments.suite.paths import ROOT
from lightning_modules.errors import CorruptFileError, UserError
from tests.suite.records import contract as made_contract


def test_the_commit() -> None:
    assert check_commit("0123456789", False) == Finding("ok", "commit 0123456")
    assert "not committed" in check_commit("0123456789", True).what
    assert check_commit(None, None).level == "ok"


def test_contracts_that_can_be_read(tmp_path: Path) -> None:
    conf = made_contract(tmp_path)
    finding = check_contracts(contract.names(conf), lambda name: contract.load(name, conf))
    assert finding == Finding("ok", "1 table: made")


def test_a_contract_that_cannot_be_read_fails_with_its_mistake(tmp_path: Path) -> None:
    conf = made_contract(tmp_path, rows="{a: {lable: Net A}}")
    (conf / "table" / "worse.yaml").write_text("{", encoding="utf-8")
    finding = check_contracts(["made", "worse"], lambda name: contract.load(name, conf))
    assert (finding.level, finding.what) == ("FAIL", "2 of 2 tables cannot be read")
    assert len(finding.advice) == 2 and all("worse.yaml" in line or "made.yaml" in line for line in finding.advice)


def test_no_table_at_all_fails() -> None:
    assert check_contracts([], contract.load).level == "FAIL"


# Data


def absent(folder: Path) -> NoReturn:
    raise UserError(f"data.root={folder}: not a folder")


def damaged(folder: Path) -> NoReturn:
    raise CorruptFileError(f"{folder}/images.gz is not the published file; delete it and run again")


def test_the_first_folder_with_the_data_counts() -> None:
    folders = [ROOT / "data" / "a", ROOT / "data" / "b"]
    found = check_data("digits", folders, lambda folder: 70_000 if folder.name == "b" else absent(folder))
    assert found == Finding("ok", "digits in data/b: 70,000 images, checksums right")


def test_data_that_is_nowhere_is_a_warning() -> None:
    found = check_data("digits", [ROOT / "data" / "a", Path("/somewhere")], absent)
    assert found == Finding("warn", "digits is not here yet, neither in data/a nor in /somewhere", ("make setup",))


def test_damaged_data_fails_and_no_other_folder_is_used() -> None:
    found = check_data("digits", [Path("/a"), Path("/b")], lambda folder: 1 if folder.name == "b" else damaged(folder))
    assert found.level == "FAIL" and found.what.startswith("/a/images.gz") and found.advice


# W&B


def test_offline_is_fine_with_and_without_a_login() -> None:
    assert check_logging("offline", False, {}) == Finding("ok", "offline, without a login; only make sync needs one")
    assert check_logging("offline", True, {"WANDB_MODE": "offline"}) == Finding("ok", "offline, with a login")
    assert check_logging("online", True, {}) == Finding("ok", "online, with a login")


def test_online_without_a_login_fails() -> None:
    finding = check_logging("online", False, {})
    assert finding.level == "FAIL" and finding.advice[0] == ".venv/bin/wandb login"


@pytest.mark.parametrize("mode", ["disabled", "online"])
def test_a_mode_in_the_environment_that_does_not_count_is_a_warning(mode: str) -> None:
    finding = check_logging("offline", True, {"WANDB_MODE": mode})
    assert finding.level == "warn" and f"WANDB_MODE={mode}" in finding.what
    assert finding.advice[0].endswith("unset WANDB_MODE")


def test_the_mode_in_the_environment_does_not_count_for_wandb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import wandb

    monkeypatch.setenv("WANDB_MODE", "disabled")
    run = wandb.init(mode="offline", dir=tmp_path, settings=wandb.Settings(console="off", silent=True))
    try:
        assert run.settings.mode == "offline" and not run.disabled
    finally:
        run.finish()


def test_the_server_is_asked_only_where_it_matters() -> None:
    assert check_server("offline", False, lambda: pytest.fail("asked")).level == "ok"
    for mode, login in (("online", False), ("offline", True)):
        assert check_server(mode, login, lambda: None) == Finding("ok", "can be reached")
        finding = check_server(mode, login, lambda: "host:443: no answer in 5 s")
        assert finding.level == "warn" and finding.what == "cannot be reached (host:443: no answer in 5 s)"
        assert any("HTTPS_PROXY" in line for line in finding.advice)


# Published records


def test_published_records() -> None:
    assert check_published({}, 15) == Finding("ok", "15 records, all readable")
    path = ROOT / "results" / "published" / "records" / "a" / "0.json"
    finding = check_published({path: "a/0.json is not valid JSON"}, 14)
    assert finding.what == "1 record cannot be read: a/0.json is not valid JSON"
    assert finding.advice == ("git checkout -- results/published/records/a/0.json",)
    assert finding.level == "FAIL"
