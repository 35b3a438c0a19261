"""A search's file and the processes of its trials, made for tests: nothing is trained."""

import math
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import yaml

from experiments.suite.compose import compose
from experiments.suite.files import write_json
from experiments.suite.identity import run_id
from experiments.suite.paths import CONF
from experiments.suite.store import Run
from tests.suite.records import made

EXTRA = ("budget=smoke", "logger=none")
EPOCHS = 4


def error_of(overrides: Sequence[str]) -> float:
    """A made validation error, lowest at a rate of 0.002 and a decay of 0.01; the decay matters little."""
    values = dict(override.split("=", 1) for override in overrides)
    lr, decay = float(values["recipe.lr"]), float(values["recipe.weight_decay"])
    return 10 + 20 * math.log10(lr / 0.002) ** 2 + 0.1 * math.log10(decay / 0.01) ** 2


class Machine:
    """Processes that end a run after as many looks as it has epochs, as their validation error says."""

    def __init__(self, test_error: Callable[[float], float] = lambda value: value, diverges_at: float = math.inf):
        self.test_error, self.diverges_at = test_error, diverges_at
        self.started: list[tuple[str, ...]] = []
        self.stopped = 0

    def popen(self, command: Sequence[str], **_: Any) -> SimpleNamespace:
        overrides = [word for word in command[3:] if not word.startswith(("label=", "tags=", "seed=", "trainer."))]
        self.started.append(tuple(overrides))
        run = Run(run_id(compose(overrides)), 0)
        lr = float(dict(word.split("=", 1) for word in overrides)["recipe.lr"])
        state = {"epoch": 0, "code": None}

        def poll() -> int | None:
            if state["code"] is None:
                state["epoch"] += 1
                (run.folder / f"epoch-{state['epoch']:04d}-{'0' * 16}.ckpt").touch()
                if state["epoch"] == EPOCHS:
                    error = error_of(overrides)
                    metrics = {"val/top1_err": error, "test/top1_err": self.test_error(error)}
                    diverged = lr > self.diverges_at
                    record = made(
                        0, {} if diverged else metrics, run_id=run.run_id, status="diverged" if diverged else "done"
                    )
                    write_json(run.record_path, record.to_json())
                    state["code"] = 0
            return state["code"]

        def send_signal(number: int) -> None:
            self.stopped += 1
            state["code"] = -number

        return SimpleNamespace(poll=poll, send_signal=send_signal, wait=lambda timeout: 0, overrides=overrides)

    def curve(self, run: Run) -> list[float]:
        """As the checkpoints have it: the nearer to the end, the nearer to the error at the end."""
        done = max(int(path.name.split("-")[1]) for path in run.folder.glob("*.ckpt"))
        command = (run.folder / "log.txt").read_text(encoding="utf-8").split(" label=")[0]
        end = error_of([word for word in command.split() if word.startswith("recipe.")])
        return [end + 5 * (EPOCHS - epoch) for epoch in range(1, done + 1)]


def contract(**more: Any) -> dict[str, Any]:
    content = yaml.safe_load((CONF / "search" / "lr_wd.yaml").read_text(encoding="utf-8"))
    return content | more
