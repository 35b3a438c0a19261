"""Runs on this machine: who holds them, what is in their folders."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from experiments.suite.files import write_json
from experiments.suite.paths import ROOT, local, published
from experiments.suite.store import Busy, Run
from lightning_modules.errors import CorruptFileError, UserError
from tests.suite.records import made

RUN = Run("net-data-none-proxy-0123456789", 3)
HOLD = """
import sys
from experiments.suite.store import Run
with Run(sys.argv[1], int(sys.argv[2])).claimed():
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_elsewhere(run: Run = RUN) -> Iterator[subprocess.Popen[str]]:
    """Another process holds the run, until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, run.run_id, str(run.seed)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(10)


def checkpoints(*epochs: int) -> list[Path]:
    RUN.folder.mkdir(parents=True, exist_ok=True)
    paths = [RUN.folder / f"epoch-{epoch:04d}-0123456789abcdef.ckpt" for epoch in epochs]
    for path in paths:
        path.touch()
    return paths


def names() -> set[str]:
    return {path.name for path in RUN.folder.iterdir()}


def test_where_things_are(tmp_path: Path) -> None:
    assert local() == tmp_path / "results" / "local"
    assert RUN.folder == local() / "runs" / RUN.run_id / "3"
    assert RUN.record_path == RUN.folder / "record.json"
    assert RUN.published_path == published() / "records" / RUN.run_id / "3.json"


# The claim


def test_a_claim_keeps_another_process_out() -> None:
    with held_elsewhere() as owner:
        with pytest.raises(Busy) as raised, RUN.claimed():
            pytest.fail("two processes hold one run")
        assert raised.value.owner == f"process {owner.pid}"
        assert str(owner.pid) in str(raised.value)
        assert RUN.is_busy()
        with Run(RUN.run_id, 4).claimed():
            pass  # another seed is another run
    assert not RUN.is_busy()
    with RUN.claimed():
        pass


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_the_claim_of_a_killed_process_is_free(end: signal.Signals) -> None:
    with held_elsewhere() as owner:
        owner.send_signal(end)
        owner.wait(10)
        assert not RUN.is_busy()
        with RUN.claimed():
            assert (RUN.folder / "owner").read_text(encoding="ascii") == str(os.getpid())


def test_a_claim_keeps_this_process_out_too() -> None:
    with RUN.claimed():
        assert RUN.is_busy()
        with pytest.raises(Busy, match=f"process {os.getpid()}"), RUN.claimed():
            pytest.fail("claimed twice")
        assert RUN.is_busy()  # the second try did not let go of the first
    assert not RUN.is_busy()


def test_a_claim_ends_with_an_error() -> None:
    with pytest.raises(KeyError), RUN.claimed():
        raise KeyError("something")
    assert not RUN.is_busy()


def test_an_owner_that_cannot_be_read() -> None:
    with held_elsewhere():
        (RUN.folder / "owner").write_text("", encoding="ascii")
        with pytest.raises(Busy, match="just started"), RUN.claimed():
            pass


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("COMPACT_NETS_RESULTS", str(tmp_path / "file"))
    with pytest.raises(UserError, match="set COMPACT_NETS_RESULTS to another folder"), RUN.claimed():
        pass


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_a_mistake_and_no_lock_is_a_file(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def flock(file: int, operation: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    said = rf"lock cannot be locked \({os.strerror(code)}\); mount its file system with locks between nodes \(flock"
    with pytest.raises(UserError, match=said), RUN.claimed():
        pytest.fail("held without a lock")
    with pytest.raises(UserError, match=said):
        RUN.is_busy()


# Records


def test_no_record_is_none() -> None:
    assert RUN.record() is None
    assert RUN.published_record() is None
    RUN.folder.mkdir(parents=True)
    assert RUN.record() is None


def test_a_record_and_the_published_one_are_two() -> None:
    mine, theirs = made(3, {"test/loss": 1.0}), made(3, {"test/loss": 2.0})
    RUN.write(mine)
    assert RUN.record() == mine
    assert RUN.published_record() is None
    write_json(RUN.published_path, theirs.to_json())
    assert RUN.published_record() == theirs
    assert RUN.record() == mine


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": 1}', "\0" * 100])
def test_a_record_that_cannot_be_read_is_named(content: str) -> None:
    for path, read in ((RUN.record_path, RUN.record), (RUN.published_path, RUN.published_record)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        with pytest.raises(CorruptFileError) as raised:
            read()
        assert str(path) in str(raised.value)
        assert "\n" not in str(raised.value)


def test_a_record_that_is_a_folder_is_named() -> None:
    RUN.record_path.mkdir(parents=True)
    with pytest.raises(CorruptFileError, match=r"record\.json cannot be read"):
        RUN.record()


@pytest.mark.parametrize("foreign", [made(4, {"a": 1.0}), made(3, {"a": 1.0}, run_id="net-data-none-proxy-aaaaaaaaaa")])
def test_the_record_of_another_run_is_named(foreign) -> None:
    write_json(RUN.record_path, foreign.to_json())
    with pytest.raises(CorruptFileError, match=rf"another run \({foreign.run_id}, seed {foreign.seed}\)"):
        RUN.record()


def test_a_damaged_record_is_set_aside() -> None:
    RUN.folder.mkdir(parents=True)
    for content in ("first", "second"):
        RUN.record_path.write_text(content, encoding="utf-8")
        RUN.set_aside()
        assert RUN.record() is None
        assert (RUN.folder / "record.json.damaged").read_text(encoding="utf-8") == content


# The folder


def test_what_is_started_has_a_checkpoint() -> None:
    assert not RUN.started()
    RUN.folder.mkdir(parents=True)
    (RUN.folder / ".epoch-1.tmp").touch()
    assert not RUN.started()
    checkpoints(1)
    assert RUN.started()


def test_attempts_are_counted() -> None:
    RUN.folder.mkdir(parents=True)
    assert [RUN.begin_attempt() for _ in range(3)] == [(1, 1), (2, 2), (3, 3)]


def test_a_finished_run_keeps_its_last_checkpoint_alone() -> None:
    paths = checkpoints(9, 10, 2)
    RUN.begin_attempt()
    write_json(RUN.progress_path, {})
    RUN.log_path.write_text("log", encoding="utf-8")
    RUN.write(made(3, {"a": 1.0}))
    assert names() == {"record.json", "log.txt", "attempts", paths[1].name}


def test_a_diverged_run_is_finished_too() -> None:
    checkpoints(1, 2)
    RUN.write(made(3, status="diverged"))
    assert len(list(RUN.folder.glob("*.ckpt"))) == 1
    assert RUN.record() is not None


def test_a_failed_run_keeps_what_it_can_go_on_from() -> None:
    checkpoints(1, 2)
    RUN.begin_attempt()
    RUN.write(made(3, status="failed"))
    assert len(list(RUN.folder.glob("*.ckpt"))) == 2
    assert RUN.begin_attempt() == (2, 2)


def test_a_run_that_starts_over_forgets_and_gets_back_what_it_had_when_it_comes_to_nothing() -> None:
    checkpoints(1, 2)
    RUN.begin_attempt()
    RUN.write(made(3, {"a": 1.0}))
    with RUN.claimed():
        RUN.start_over()
    assert RUN.record() is None
    assert not RUN.started()
    RUN.restore()
    assert RUN.record() == made(3, {"a": 1.0})
    assert RUN.begin_attempt() == (1, 3)


def test_a_new_record_takes_the_place_of_the_one_before() -> None:
    RUN.folder.mkdir(parents=True)
    RUN.write(made(3, {"a": 1.0}))
    RUN.start_over()
    RUN.write(made(3, {"a": 2.0}))
    RUN.restore()
    assert RUN.record() == made(3, {"a": 2.0})
    assert not list(RUN.folder.glob("*.previous"))


def test_an_interrupted_fresh_run_is_not_hidden_by_the_record_before_it() -> None:
    RUN.folder.mkdir(parents=True)
    RUN.write(made(3, {"a": 1.0}))
    RUN.start_over()
    checkpoints(1)
    RUN.restore()
    assert RUN.record() is None


def test_checkpoints_of_other_code_are_known() -> None:
    RUN.folder.mkdir(parents=True)
    assert RUN.same_code({"a.py": "1"})
    assert RUN.same_code({"a.py": "2"})  # nothing to go on from
    checkpoints(1)
    assert RUN.same_code({"a.py": "2"})
    assert not RUN.same_code({"a.py": "3"})
    (RUN.folder / "code.json").write_text("{", encoding="utf-8")
    assert not RUN.same_code({"a.py": "2"})


def test_to_set_aside_what_somebody_else_did_is_fine() -> None:
    RUN.folder.mkdir(parents=True)
    RUN.set_aside()
    assert names() == set()
