"""Runs as jobs of a SLURM cluster, by submitit: all that can start are one array, or several where one may not be so large.

A job that is pre-empted, or at its time's end, is put into the queue again and goes on from its last epoch. Jobs outlive
who submitted them: the same command again finds them in the queue and waits for them.
"""

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import FailedJobError
from submitit.helpers import DelayedSubmission

from experiments.suite.devices import Place
from experiments.suite.launch import GRACE_S, Going, Job
from experiments.suite.paths import ROOT, local
from experiments.suite.progress import TABLE_PROCESS, print_line
from lightning_modules.errors import UserError

SUBMITTED = "submitted"  # in a run's folder: its job
ASK_EVERY_S = 5.0
LOOK_EVERY_S = 0.2
NOT_THE_RUN_S = ("SLURM_", "SUBMITIT_", "PMI", "PMIX_")  # Lightning would take the job's processes for the run's
OFTEN = 1000  # times that a run may come to its time's end
USUAL_ARRAY = 1001  # SLURM's own default of the jobs that an array may have
MAX_ARRAY = re.compile(r"^MaxArraySize\s*=\s*(\d+)", re.MULTILINE)
STATE = re.compile(r"\bJobState=(\w+)")
GOES_ON = (
    "PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT", "SUSPENDED",
    "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING",
)  # fmt: skip
FORGOTTEN_S = 60.0  # after so long without an answer SLURM has no more to say of a job
EXIT_CODE = re.compile(r"\bExitCode=(\d+):(\d+)")
ENDED_ITSELF = ("COMPLETED", "FAILED")


@dataclass(frozen=True)
class OnNode:
    """What a job does on its node: the run's command, in a process of its own."""

    job: Job

    def __call__(self) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_THE_RUN_S)}
        with self.job.log_path.open("ab") as log:
            process = subprocess.Popen(
                self.job.command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**kept, **self.job.environment, TABLE_PROCESS: str(os.getpid())},
                preexec_fn=_leave_notice_to_the_job,
            )  # fmt: skip
        _going.append(process)
        while process.poll() is None:  # not wait, which would keep `checkpoint` from waiting
            time.sleep(LOOK_EVERY_S)
        if process.returncode:
            raise SystemExit(process.returncode % 256)

    def checkpoint(self) -> DelayedSubmission:
        """What submitit puts into the queue again: the same, as a run goes on where it was. Called between two looks."""
        for process in _going:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_S)
        return DelayedSubmission(self)


_going: list[subprocess.Popen[bytes]] = []  # of this process, a job on its node


def _leave_notice_to_the_job() -> None:
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)


def place(options: Mapping[str, Any], trainer: Mapping[str, Any]) -> Place:
    """What one run gets of its node."""
    if _gpus(trainer):
        return Place()
    threads = max(1, _cpus(options, trainer) // trainer["devices"])
    return Place((f"trainer.threads={threads}",), {"OMP_NUM_THREADS": str(threads)})


def _gpus(trainer: Mapping[str, Any]) -> int:
    return trainer["devices"] if trainer["accelerator"] in ("gpu", "cuda") else 0


def _cpus(options: Mapping[str, Any], trainer: Mapping[str, Any]) -> int:
    each = trainer["workers"] + 1 if _gpus(trainer) else trainer["threads"] or 1
    return options["cpus"] or trainer["devices"] * each


class Cluster:
    """Starts jobs by submitit (launch.Starter)."""

    def __init__(self, options: Mapping[str, Any], trainer: Mapping[str, Any]) -> None:
        self._options, self._trainer = options, trainer
        self._is_slurm = options["cluster"] == "slurm"
        if options["cluster"] not in ("slurm", "local"):
            raise UserError(f"hydra.launcher.cluster={options['cluster']}: choose one of slurm, local")
        self._queue = Queue()
        if self._is_slurm and self._queue.ids() is None:
            raise UserError(
                "hydra/launcher=slurm: squeue does not answer here; use a login node, or hydra/launcher=local"
            )

    def start(self, jobs: Sequence[Job]) -> list["Going"]:
        queued = (self._is_slurm and self._queue.ids()) or set()
        submitted = [_submitted(job) for job in jobs]
        new = iter(self._submit([job for job, name in zip(jobs, submitted, strict=True) if name not in queued]))
        return [OnCluster(name, self._queue) if name and name in queued else next(new) for name in submitted]

    def _submit(self, jobs: Sequence[Job]) -> list["Going"]:
        size = _largest_array() if self._is_slurm else len(jobs)
        arrays = [jobs[start : start + size] for start in range(0, len(jobs), max(1, size))]
        return [going for array in arrays for going in self._submit_array(array, len(arrays))]

    def _submit_array(self, jobs: Sequence[Job], arrays: int) -> list["Going"]:
        """``arrays``: how many share the jobs that may run at a time."""
        executor = self._executor(max(1, self._options["jobs"] // arrays) if self._options["jobs"] else len(jobs))
        try:
            with executor.batch():
                submitted = [executor.submit(OnNode(job)) for job in jobs]
        except FailedJobError as error:
            raise UserError(f"SLURM takes no job: {' '.join(str(error).split())[:300]}") from error
        if not self._is_slurm:
            return [HereByTheSameWay(each) for each in submitted]
        for job, each in zip(jobs, submitted, strict=True):
            _path(job).write_text(each.job_id, encoding="ascii")
        print_line(f"submitted to SLURM: {len(submitted)} jobs, {submitted[0].job_id.split('_')[0]}")
        self._queue.forget()
        return [OnCluster(each.job_id, self._queue) for each in submitted]

    def _executor(self, at_a_time: int) -> submitit.AutoExecutor:
        asked = self._options
        here = submitit.AutoExecutor(local() / "slurm" / "%j", cluster=asked["cluster"], slurm_max_num_timeout=OFTEN)
        here.update_parameters(
            name="compact-nets",
            nodes=1,
            tasks_per_node=1,
            cpus_per_task=_cpus(asked, self._trainer),
            mem_gb=asked["mem_gb"],
            timeout_min=asked["time_min"],
            **({"gpus_per_node": _gpus(self._trainer)} if _gpus(self._trainer) else {}),
        )
        named = {name: asked[name] for name in ("partition", "account", "qos", "constraint") if asked[name]}
        here.update_parameters(
            slurm_array_parallelism=at_a_time,
            slurm_setup=[asked["setup"]] if asked["setup"] else [],
            slurm_additional_parameters={"requeue": True, "chdir": str(ROOT), **named},
        )
        return here

    def leave(self, going: Sequence["Going"]) -> None:
        """Lets the jobs go on, and says so."""
        left = [each.name for each in going if isinstance(each, OnCluster)]
        if left:
            print_line(f"{len(left)} jobs stay with SLURM; the same command waits for them, this ends them: scancel "
                       f"{' '.join(sorted({name.split('_')[0] for name in left}))}")  # fmt: skip
        for each in going:
            if isinstance(each, HereByTheSameWay):
                each.job.cancel()

    def why(self, going: "Going", code: int) -> str:
        state = going.state() if isinstance(going, OnCluster | HereByTheSameWay) else ""
        return f"exit {code}" if state in ("", *ENDED_ITSELF) else f"SLURM: {state}"


class Queue:
    """This user's jobs that SLURM has yet to end. squeue is asked at most every few seconds."""

    def __init__(self) -> None:
        self._ids: set[str] | None = None
        self._asked = -ASK_EVERY_S

    def ids(self) -> set[str] | None:
        """``12_3`` for the third job of array 12; None where squeue has never answered."""
        if time.monotonic() - self._asked >= ASK_EVERY_S:
            self._asked = time.monotonic()
            answer = _asked("squeue", "--me", "--noheader", "--array", "--format=%i")
            self._ids = self._ids if answer is None else set(answer.split())
        return self._ids

    def forget(self) -> None:
        self._asked = -ASK_EVERY_S


def _asked(*command: str) -> str | None:
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout if answer.returncode == 0 else None


def _largest_array() -> int:
    found = MAX_ARRAY.search(_asked("scontrol", "show", "config") or "")
    return max(1, int(found[1])) if found else USUAL_ARRAY


class OnCluster:
    """A job of SLURM's (launch.Going). What became of it is asked of SLURM itself, which need not keep accounts.

    That the queue does not have it is not enough: between two attempts it may be in none of squeue's lists.
    """

    def __init__(self, name: str, queue: Queue) -> None:
        self.name, self._queue = name, queue
        self._ended: tuple[str, int] | None = None
        self._asked, self._answered = -ASK_EVERY_S, time.monotonic()  # when SLURM was asked of it, and knew of it

    def poll(self) -> int | None:
        ids, now = self._queue.ids(), time.monotonic()
        if ids is None or self.name in ids:
            self._answered = now
        elif self._ended is None and now - self._asked >= ASK_EVERY_S:
            self._asked = now
            state, code = _now(self.name)
            if state in GOES_ON:
                self._answered = now
            elif state or now - self._answered >= FORGOTTEN_S:
                self._ended = (state, code)
        return self._ended[1] if self._ended else None

    def state(self) -> str:
        return self._ended[0] if self._ended else ""


def _now(name: str) -> tuple[str, int]:
    """State and exit code of a job; "" and 1 where SLURM says nothing of it: it has forgotten it, or does not answer."""
    answer = _asked("scontrol", "show", "job", "-o", name) or ""
    state, code = STATE.search(answer), EXIT_CODE.search(answer)
    return (state[1], int(code[1]) or int(code[2]) if code else 1) if state else ("", 1)


class HereByTheSameWay:
    """A job of submitit's own on this machine (launch.Going)."""

    def __init__(self, job: Any) -> None:
        self.job = job

    def poll(self) -> int | None:
        return (0 if self.job.state == "FINISHED" else 1) if self.job.done() else None

    def state(self) -> str:
        return "" if self.job.state in ("FINISHED", "FAILED") else self.job.state


def _path(job: Job) -> Path:
    return job.log_path.with_name(SUBMITTED)


def _submitted(job: Job) -> str | None:
    try:
        return _path(job).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
