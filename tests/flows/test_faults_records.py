"""Damaged records, and results that cannot be written: tables are shown all the same, and each file is named."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments import catalogue, plan, publish, render, table, verify
from experiments.suite.files import write_json
from experiments.suite.store import Run
from tests.flows.commands import environment, finished, started
from tests.flows.commands import table as table_data
from tests.flows.faults import (
    FEW,
    RUN,
    YEARS_10,
    Here,
    empty,
    file_size_limit,
    folder,
    holding,
    in_a_line,
    obey_permissions,
    read_only,
)
from tests.suite.records import made


def other_run(path: Path) -> None:
    write_json(path, made(7, {"test/top1_acc": 1.0}).to_json())


def not_a_number(path: Path) -> None:
    path.write_text(path.read_text("utf-8").replace("88.0", "NaN"), encoding="utf-8")


DAMAGES = {
    "brace": holding(b"{"),
    "empty": empty,
    "folder": folder,
    "list": holding(b"[]"),
    "foreign": holding(b'{"name": "package", "version": "1.0.0", "schema": "http://json-schema.org"}'),
    "other run": other_run,
    "not a number": not_a_number,
    "deep": holding(b"[" * 100_000),
    "deep object": holding(b'{"schema": 1, "result": ' * 5_000 + b"1" + b"}" * 5_000),
    "binary": holding(bytes(range(256))),
    "long number": holding(b'{"schema": ' + b"9" * 10_000 + b"}"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_record_is_named_and_no_other_row_suffers(
    tmp_path: Path, here: Here, finished_table: list[Run], damage: Callable[[Path], None]
) -> None:
    assert here(tmp_path, render).code == 0
    before = table_data(tmp_path)["rows"]
    path = finished_table[0].record_path
    damage(path)
    answer = here(tmp_path, plan, "table=table3", "seeds=0,1,2")
    assert answer.code == 0 and "1 of 9 runs to do" in answer.out and "damaged" in answer.out
    answer = here(tmp_path, render)
    assert answer.code == 0
    (line,) = [line for line in answer.out.splitlines() if line.startswith("warning: ")]
    assert str(path) in line
    after = table_data(tmp_path)["rows"]
    assert after[1:] == before[1:]
    assert after[0]["cells"]["test/top1_acc"]["here"]["n"] == 2
    assert here(tmp_path, catalogue).code == 0
    answer = here(tmp_path, publish, "table=table3")
    assert answer.code == 0 and "8 runs added" in answer.out and str(path) in answer.out


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_published_record_is_named_and_stays(
    tmp_path: Path, here: Here, finished_table: list[Run], damage: Callable[[Path], None]
) -> None:
    assert "9 runs added" in here(tmp_path, publish, "table=table3").out
    assert here(tmp_path, verify).code == 0
    path = finished_table[0].published_path
    damage(path)
    answer = here(tmp_path, verify)
    assert answer.code == 1 and str(path) in answer.out
    for verb, arguments in ((render, ()), (catalogue, ()), (table, ("table=table3", "seeds=0,1,2"))):
        assert here(tmp_path, verb, *arguments).code == 0
    answer = here(tmp_path, publish, "table=table3")
    assert "0 runs added" in answer.out and f"warning: {path}" in answer.out
    path.rmdir() if path.is_dir() else path.unlink()  # as a user would, told which file it is
    assert "1 runs added" in here(tmp_path, publish, "table=table3").out
    assert here(tmp_path, verify).code == 0


# Results that cannot be written


def test_a_table_that_cannot_be_written_is_printed(tmp_path: Path, here: Here, finished_table: list[Run]) -> None:
    with file_size_limit(500):
        answer = here(tmp_path, table, "table=table3", "seeds=0,1,2")
    assert answer.code == 0 and "Vanilla SqueezeNet" in answer.out
    assert "warning: the table was not written (" in answer.out and "File too large" in answer.out
    assert not list(tmp_path.glob("local/tables/.*"))
    assert here(tmp_path, table, "table=table3", "seeds=0,1,2").code == 0
    assert table_data(tmp_path)["table"] == "table3"


def may_not_write(results: Path) -> bool:
    touch = started(["touch", str(results / "x")], environment(results), obey_permissions)
    return finished(touch).returncode != 0


def test_what_only_reads_needs_no_right_to_write(tmp_path: Path, here: Here, finished_table: list[Run]) -> None:
    assert here(tmp_path, publish, "table=table3").code == 0

    def answer(verb: str, *arguments: str) -> Any:
        command = (sys.executable, "-m", f"experiments.{verb}", *arguments)
        return finished(started(command, environment(tmp_path), obey_permissions))

    with read_only(tmp_path):
        if not may_not_write(tmp_path):
            pytest.skip("nothing keeps this user from writing")
        said = answer("plan", "table=table3", "seeds=0,1,2")
        assert said.returncode == 0 and "0 of 9 runs to do" in said.stdout
        assert "9 of 15" in answer("catalogue").stdout
        assert answer("verify").returncode == 0
        said = answer("table", "table=table3", "seeds=0,1,2")
        assert said.returncode == 0 and said.stderr == "" and "88.0" in said.stdout
        (line,) = [line for line in said.stdout.splitlines() if line.startswith("warning: ")]
        assert line.startswith("warning: the table was not written (") and "Permission denied" in line
        said = answer("render")
        assert said.returncode == 2 and f"{tmp_path}/local/tables: Permission denied" in in_a_line(said)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["run", "table"])
def test_what_has_to_write_says_that_it_cannot(tmp_path: Path, verb: str) -> None:
    arguments = RUN if verb == "run" else ("table=table3", *FEW)
    (tmp_path / "results").mkdir()
    with read_only(tmp_path / "results"):
        if not may_not_write(tmp_path / "results"):
            pytest.skip("nothing keeps this user from writing")
        command = (sys.executable, "-m", f"experiments.{verb}", *arguments)
        answer = finished(started(command, environment(tmp_path / "results"), obey_permissions))
    assert answer.returncode == 2
    assert "results" in in_a_line(answer) and "Permission denied" in in_a_line(answer)


# The clock


def test_tables_of_the_future_are_rendered_again(
    tmp_path: Path, here: Here, finished_table: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - YEARS_10)
    assert here(tmp_path, render).code == 0
    before = table_data(tmp_path)
    later = time.time() + 2 * YEARS_10
    for path in tmp_path.rglob("*"):
        os.utime(path, (later, later))
    finished_table[0].record_path.unlink()
    assert here(tmp_path, render).code == 0
    assert table_data(tmp_path) != before
    assert "1 of 9 runs to do" in here(tmp_path, plan, "table=table3", "seeds=0,1,2").out
