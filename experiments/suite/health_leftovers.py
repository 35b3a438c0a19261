"""What runs that ended badly left in the results folder, and what to do about it. Looks only; deletes nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from experiments.suite.health import Finding, commands, count, quoted, some
from experiments.suite.plan import FINISHED
from experiments.suite.record import Record
from experiments.suite.store import Run
from lightning_modules.errors import CorruptFileError

SETTLED_S = 600.0  # what changed since then may belong to a process that is at it
WRITTEN = re.compile(r"\..+\.(json|md|csv|html|svg)\.[a-z0-9_]{8}")  # the temporary names of files.write_text
CHECKPOINT = re.compile(r"\.epoch-\d+.*\.tmp")
DOWNLOAD = re.compile(r"\..+\.(\d+)\.part")  # with the number of its process


@dataclass
class Survey:
    """The runs of this machine, by what they left. A run that somebody is doing counts as busy and nothing else."""

    busy: list[Run] = field(default_factory=list)
    finished: list[Run] = field(default_factory=list)
    interrupted: list[Run] = field(default_factory=list)
    failed: list[Run] = field(default_factory=list)
    unreadable: dict[Path, str] = field(default_factory=dict)
    damaged: list[Path] = field(default_factory=list)
    replaced: list[Run] = field(default_factory=list)  # with a record from before FRESH=1
    temporary: list[Path] = field(default_factory=list)
    empty: list[Path] = field(default_factory=list)


def survey(runs: Path, now: float) -> Survey:
    """Of the folder that holds <run id>/<seed>/. ``now`` in seconds since the epoch, as the files' times."""
    found = Survey()
    for folder in sorted(runs.glob("*/*")):
        if folder.is_dir() and folder.name.isdigit():
            _look(found, Run(folder.parent.name, int(folder.name)), folder, now)
    return found


def _look(found: Survey, run: Run, folder: Path, now: float) -> None:
    if (folder / "lock").exists() and run.is_busy():  # without a lock nobody was ever at it; asking would make one
        found.busy.append(run)
        return
    names = {path.name: path for path in folder.iterdir()}
    found.temporary += [path for name, path in names.items() if WRITTEN.fullmatch(name) or CHECKPOINT.fullmatch(name)]
    if damaged := names.get("record.json.damaged"):
        found.damaged.append(damaged)
    if "record.json.previous" in names:
        found.replaced.append(run)
    try:
        record = run.record()
    except CorruptFileError as error:
        found.unreadable[run.record_path] = str(error)
        return
    if _is_finished(record):
        found.finished.append(run)
    elif record is not None:
        found.failed.append(run)
    elif run.started() or "owner" in names:
        found.interrupted.append(run)
    elif "record.json.previous" not in names and _changed([*names.values()] or [folder]) < now - SETTLED_S:
        found.empty.append(folder)


def _is_finished(record: Record | None) -> bool:
    return record is not None and record.status in FINISHED


def check_runs(found: Survey) -> Finding:
    parts = [f"{len(found.finished)} finished"]
    parts += [f"{len(found.busy)} running now"] if found.busy else []
    if found.interrupted:
        parts.append(f"{len(found.interrupted)} interrupted (the same make command goes on)")
    if found.failed:
        parts.append(f"{len(found.failed)} failed (the same make command tries again)")
    return Finding("ok", ", ".join(parts))


def check_records(found: Survey) -> Finding:
    """Records that cannot be read, those that a run put aside for that, and those from before FRESH=1."""
    what, advice = [], []
    if found.unreadable:
        what.append(f"{count(len(found.unreadable), 'record')} cannot be read: {some(found.unreadable.values(), 2)}")
        advice += [*commands("rm -r", found.unreadable), "then the same make command does the run again"]
    if found.damaged:
        what.append(f"{count(len(found.damaged), 'record')} put aside because damaged")
        advice += commands("rm", found.damaged)
    for run in found.replaced:
        what.append(f"a record from before FRESH=1 of {run.run_id}, seed {run.seed}")
        advice += _about_replaced(found, run)
    if not what:
        return Finding("ok", "all readable")
    return Finding("FAIL" if found.unreadable else "warn", "; ".join(what), tuple(advice))


def _about_replaced(found: Survey, run: Run) -> list[str]:
    previous = run.record_path.with_suffix(".json.previous")
    if run in found.finished:
        return [f"rm {quoted(previous)}"]
    back = f"mv {quoted(previous)} {quoted(run.record_path)}"
    if run.started():
        return [f"the same make command finishes the new run; to have the old result back: {back}"]
    return [back]


def check_rests(temporary: Iterable[Path], empty: Iterable[Path]) -> Finding:
    """Temporary files of processes that are gone, and folders of runs that never began."""
    files, folders = sorted(temporary), sorted(empty)
    what = []
    if files:
        size = sum(path.stat().st_size for path in files if path.exists())
        what.append(f"{count(len(files), 'temporary file')} of processes that are gone, {size / 1e6:.1f} MB")
    if folders:
        what.append(f"{count(len(folders), 'folder')} of runs that never began")
    if not what:
        return Finding("ok", "none")
    return Finding("warn", "; ".join(what), (*commands("rm", files), *commands("rm -r", folders)))


def rests_in(folders: Iterable[Path], now: float) -> list[Path]:
    """Temporary files of write_text and of downloads, below these folders, that no process can be at any more."""
    found = []
    for folder in folders:
        for path in folder.rglob(".*"):
            download = DOWNLOAD.fullmatch(path.name)
            if (download and not _is_alive(int(download[1]))) or WRITTEN.fullmatch(path.name):
                if path.is_file() and _changed([path]) < now - SETTLED_S:
                    found.append(path)
    return found


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _changed(paths: Iterable[Path]) -> float:
    """When the last of them was changed; now and ever for those that are gone."""
    times = []
    for path in paths:
        try:
            times.append(path.stat().st_mtime)
        except OSError:
            times.append(float("inf"))
    return max(times)


def unreadable_published(records: Path) -> tuple[dict[Path, str], int]:
    """Of the folder that holds <run id>/<seed>.json: what is wrong with the unreadable ones, how many are readable."""
    problems, readable = {}, 0
    for path in sorted(records.glob("*/*.json")):
        try:
            if not path.stem.isdigit():
                raise CorruptFileError(f"{path.name} is not named by a seed")
            Run(path.parent.name, int(path.stem)).published_record()
            readable += 1
        except CorruptFileError as error:
            problems[path] = str(error)
    return problems, readable
