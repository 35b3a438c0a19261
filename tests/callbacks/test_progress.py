"""How far a run is: the numbers, at a clock that the test sets."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lightning_modules.callbacks import progress
from lightning_modules.callbacks.progress import Progress, ReportProgress


class Scene:
    """A trainer, a clock and what was told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, epochs: int = 2, steps: int = 40, first_step: int = 0):
        self.now = 1000.0
        self.told: list[Progress] = []
        self.trainer: Any = SimpleNamespace(
            global_step=first_step, current_epoch=0, max_epochs=epochs, estimated_stepping_batches=float(steps)
        )
        self.module: Any = SimpleNamespace(running=lambda split: {"loss": 0.5, "top1_acc": 25.0})
        monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: self.now))
        self.callback = ReportProgress(self.told.append)

    def start(self) -> None:
        self.callback.on_train_start(self.trainer, self.module)

    def step(self, seconds: float, batch: int = 8) -> None:
        self.now += seconds
        self.trainer.global_step += 1
        self.callback.on_train_batch_end(self.trainer, self.module, None, (torch.zeros(batch),), 0)


def test_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    scene.start()
    assert scene.told == [Progress("train", epoch=1, epochs=2, step=0, steps=40)]


def test_a_moment_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    scene.start()
    for _ in range(10):
        scene.step(1.5)
    last = scene.told[-1]
    assert (last.step, last.steps, last.loss, last.top1_acc) == (10, 40, 0.5, 25.0)
    assert last.images_per_s == pytest.approx(8 / 1.5)
    assert last.seconds_left == pytest.approx(30 * 1.5)


def test_a_resumed_run_counts_its_own_steps_for_the_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, first_step=20)
    scene.trainer.current_epoch = 1
    scene.start()
    assert (scene.told[0].epoch, scene.told[0].step, scene.told[0].seconds_left) == (2, 20, None)
    scene.step(2.0)
    scene.step(2.0)
    assert scene.told[-1].images_per_s == pytest.approx(4.0)
    assert scene.told[-1].seconds_left == pytest.approx(18 * 2.0)


def test_it_tells_once_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, steps=400)
    scene.start()
    for _ in range(100):
        scene.step(0.0625)  # 6.25 s in all
    assert [told.step for told in scene.told] == [0, 16, 32, 48, 64, 80, 96]


def test_the_end_of_an_epoch_is_always_told(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    scene.start()
    scene.step(0.01)
    scene.callback.on_train_epoch_end(scene.trainer, scene.module)
    assert [told.step for told in scene.told] == [0, 1]
    assert scene.told[-1].seconds_left == pytest.approx(39 * 0.01)


def test_the_epoch_never_exceeds_the_number_of_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    scene.trainer.current_epoch = 2  # Lightning counts on behind the last
    scene.start()
    assert scene.told[0].epoch == 2


def test_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    scene.callback.on_test_start(scene.trainer, scene.module)
    assert scene.told == [Progress("test", 0, 0, 0, 0)]


def test_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Progress("train", 1, 2, 3, 4, loss=0.5).to_json() == {
        "phase": "train", "epoch": 1, "epochs": 2, "step": 3, "steps": 4, "loss": 0.5, "top1_acc": None,
        "images_per_s": None, "seconds_left": None,
    }  # fmt: skip
