"""Training, interrupted anywhere, damaged, diverged: on a data set of random images."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from pytorch_lightning.loggers import Logger
from torch import Tensor, nn

from lightning_modules import training
from lightning_modules.callbacks.checkpoint import latest
from lightning_modules.callbacks.progress import Progress
from lightning_modules.classifier import ImageClassifier
from lightning_modules.training import Outcome, train_and_test, weights_sha256
from tests import tiny

EPOCHS, STEPS = 4, 6  # steps in an epoch


class Stop(Exception):
    """What interrupts a run here."""


class Breaking(ImageClassifier):
    """Counts its steps in each phase; raises at the one that ``at`` names, or has a loss that is no number from it."""

    at: ClassVar[tuple[str, int] | None] = None
    not_a_number: ClassVar[bool] = False
    counts: ClassVar[dict[str, int]] = {}

    def _count(self, phase: str) -> int:
        self.counts[phase] = self.counts.get(phase, -1) + 1
        if not self.not_a_number and self.at == (phase, self.counts[phase]):
            raise Stop
        return self.counts[phase]

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        step, loss = self._count("train"), super().training_step(batch, index)
        return loss * float("nan") if self.not_a_number and self.at and step >= self.at[1] else loss

    def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        self._count("val")
        super().validation_step(batch, index)

    def test_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        self._count("test")
        super().test_step(batch, index)


@pytest.fixture(autouse=True)
def _unbroken() -> None:
    Breaking.at, Breaking.not_a_number, Breaking.counts = None, False, {}


def train(
    folder: Path, seed: int = 0, epochs: int = EPOCHS, report: Callable[[Progress], None] = lambda progress: None,
    logger: Logger | None = None, **changes: Any,
) -> tuple[Outcome, ImageClassifier]:  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    module = tiny.module(seed, Breaking, **changes)
    data = tiny.data(seed)
    return train_and_test(module, data, epochs, module.recipe.clip_norm, tiny.WHERE, folder, logger, report), module


def interrupted(folder: Path, phase: str, step: int) -> None:
    Breaking.at, Breaking.counts = (phase, step), {}
    with pytest.raises(Stop):
        train(folder)
    Breaking.at, Breaking.counts = None, {}


def assert_same_result(found: tuple[Outcome, ImageClassifier], expected: tuple[Outcome, ImageClassifier]) -> None:
    assert found[0].status == expected[0].status == "done"
    assert found[0].weights_sha256 == expected[0].weights_sha256
    assert found[0].curves == expected[0].curves
    assert found[0].metrics == expected[0].metrics
    assert torch.equal(found[1].top1_correct, expected[1].top1_correct)
    assert torch.equal(found[1].top5_correct, expected[1].top5_correct)
    assert torch.equal(found[1].predicted, expected[1].predicted)
    assert torch.equal(found[1].confusion, expected[1].confusion)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, ImageClassifier]:
    """A run that nothing interrupted."""
    Breaking.at, Breaking.not_a_number, Breaking.counts = None, False, {}
    torch.set_num_threads(1)
    return train(tmp_path_factory.mktemp("whole"))


# A run


def test_the_curves_have_a_point_an_epoch(whole: tuple[Outcome, ImageClassifier]) -> None:
    curves = whole[0].curves
    assert [point["epoch"] for point in curves] == [1, 2, 3, 4]
    wanted = {"train/loss", "train/top1_acc", "train/top1_err", "val/loss", "val/top1_acc", "val/top1_err"}
    for point in curves:
        assert wanted | {"val/top5_acc", "val/top5_err", "lr"} <= set(point)
        assert point["val/top1_acc"] + point["val/top1_err"] == pytest.approx(100)
        assert point["val/top1_acc"] / 5 == pytest.approx(round(point["val/top1_acc"] / 5), abs=1e-4)  # of 20 images
    assert len({point["train/loss"] for point in curves}) == 4


def test_the_learning_rate_falls_to_zero_at_the_end(whole: tuple[Outcome, ImageClassifier]) -> None:
    lr = tiny.recipe().lr
    assert [point["lr"] for point in whole[0].curves] == pytest.approx([lr * 0.75, lr * 0.5, lr * 0.25, 0], abs=1e-9)


def test_the_metrics_are_the_last_epochs_with_the_best_beside_them(whole: tuple[Outcome, ImageClassifier]) -> None:
    outcome, module = whole
    last, metrics = outcome.curves[-1], outcome.metrics
    for name in ("val/loss", "val/top1_acc", "val/top5_err"):
        assert metrics[name] == last[name]
    errors = [point["val/top1_err"] for point in outcome.curves]
    assert metrics["val/best_top1_err"] == min(errors)
    assert metrics["val/best_epoch"] == 1 + errors.index(min(errors))
    assert metrics["test/top1_acc"] == pytest.approx(100 * float(module.top1_correct.float().mean()), abs=1e-4)
    assert len(module.predicted) == 30
    assert outcome.weights_sha256 == weights_sha256(module.net)
    assert (outcome.resumed_after, outcome.damaged) == (0, [])


def test_each_phase_has_its_steps_and_the_test_is_read_once(tmp_path: Path) -> None:
    train(tmp_path)
    assert Breaking.counts == {"train": EPOCHS * STEPS - 1, "val": EPOCHS - 1, "test": 0}


class Listening(Logger):
    """Keeps what it is told."""

    @property
    def name(self) -> str:
        return "listening"

    @property
    def version(self) -> int:
        return 0

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[int | None, set[str]]] = []

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self.told.append((step, set(metrics)))

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None: ...


def test_a_step_is_logged_now_and_then_and_the_others_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lightning repeats what a step logged at each later one that it takes for due."""
    monkeypatch.setattr(training, "LOG_EVERY", 4)
    logger = Listening()
    train(tmp_path, epochs=2, logger=logger)
    assert [step for step, names in logger.told if "train/step_loss" in names] == [3, 7, 11]
    assert len(logger.told) == 3 + 2 * 2 + 1  # train and val of two epochs, test


def test_the_same_seed_gives_the_same_run_and_another_another(
    whole: tuple[Outcome, ImageClassifier], tmp_path: Path
) -> None:
    assert_same_result(train(tmp_path / "same"), whole)
    other, _ = train(tmp_path / "other", seed=1)
    assert other.weights_sha256 != whole[0].weights_sha256


def test_the_norm_of_the_gradient_is_limited(whole: tuple[Outcome, ImageClassifier], tmp_path: Path) -> None:
    free, _ = train(tmp_path / "free", epochs=1)
    wide, _ = train(tmp_path / "wide", epochs=1, clip_norm=1e6)
    tight, _ = train(tmp_path / "tight", epochs=1, clip_norm=0.01)
    assert free.weights_sha256 == wide.weights_sha256 != tight.weights_sha256


def test_it_tells_how_far_it_is(tmp_path: Path) -> None:
    told: list[Progress] = []
    train(tmp_path, epochs=2, report=told.append)
    assert (told[0].phase, told[0].epoch, told[0].epochs, told[0].step, told[0].steps) == ("train", 1, 2, 0, 2 * STEPS)
    assert [progress.step for progress in told[:-1]][-1] == 2 * STEPS
    assert told[-1].phase == "test"


def test_two_checkpoints_are_kept_and_nothing_else(tmp_path: Path) -> None:
    train(tmp_path)
    assert [path.name[:10] for path in sorted(tmp_path.iterdir())] == ["epoch-0003", "epoch-0004"]


# Interrupted


@pytest.mark.parametrize(
    ("phase", "step", "resumed_after"),
    [
        ("train", 0, 0),  # before anything
        ("train", 3, 0),  # before the first checkpoint
        ("train", 6, 1),  # the first step of an epoch
        ("train", 15, 2),  # the middle of one
        ("train", 23, 3),  # the very last step
        ("val", 1, 1),  # the validation behind an epoch
        ("val", 3, 3),
        ("test", 0, 4),  # trained, not tested
    ],
)
def test_an_interruption_leaves_no_trace_in_the_result(
    whole: tuple[Outcome, ImageClassifier], tmp_path: Path, phase: str, step: int, resumed_after: int
) -> None:
    interrupted(tmp_path, phase, step)
    torch.manual_seed(987)  # the new process is somewhere else in its stream of numbers
    found = train(tmp_path)
    assert found[0].resumed_after == resumed_after
    assert found[0].damaged == []
    assert_same_result(found, whole)
    assert Breaking.counts.get("train", -1) + 1 == (EPOCHS - resumed_after) * STEPS


def test_many_interruptions_of_one_run(whole: tuple[Outcome, ImageClassifier], tmp_path: Path) -> None:
    for step in (8, 7, 2, 9):  # counted from each start
        interrupted(tmp_path, "train", step)
    found = train(tmp_path)
    assert found[0].resumed_after == 3
    assert_same_result(found, whole)


def test_a_finished_run_started_again_trains_nothing(whole: tuple[Outcome, ImageClassifier], tmp_path: Path) -> None:
    train(tmp_path)
    Breaking.counts = {}
    assert_same_result(train(tmp_path), whole)
    assert Breaking.counts == {"test": 0}


def test_the_time_of_all_attempts_is_added_up(tmp_path: Path) -> None:
    interrupted(tmp_path, "train", 15)
    checkpoint, _ = latest(tmp_path)
    assert checkpoint is not None
    before = torch.load(checkpoint, weights_only=True)["callbacks"]["History"]["elapsed_s"]
    found, _ = train(tmp_path)
    assert before > 0
    assert found.training_s > before


# Damaged


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_it_used(
    whole: tuple[Outcome, ImageClassifier], tmp_path: Path
) -> None:
    interrupted(tmp_path, "train", 20)
    older, newest = sorted(tmp_path.glob("*.ckpt"))
    damage(newest)
    found = train(tmp_path)
    assert found[0].damaged == [newest]
    assert found[0].resumed_after == int(older.name.split("-")[1]) == 2
    assert_same_result(found, whole)


def test_when_all_are_damaged_it_starts_over(whole: tuple[Outcome, ImageClassifier], tmp_path: Path) -> None:
    interrupted(tmp_path, "train", 20)
    older, newest = sorted(tmp_path.glob("*.ckpt"))
    older.write_bytes(b"")
    damage(newest)
    found = train(tmp_path)
    assert found[0].damaged == [newest, older]
    assert found[0].resumed_after == 0
    assert_same_result(found, whole)


def test_a_checkpoint_half_written_is_not_seen(whole: tuple[Outcome, ImageClassifier], tmp_path: Path) -> None:
    interrupted(tmp_path, "train", 8)
    shutil.copy(next(tmp_path.glob("epoch-0001-*.ckpt")), tmp_path / ".epoch-2.tmp")
    found = train(tmp_path)
    assert found[0].resumed_after == 1
    assert_same_result(found, whole)


# Diverged


@pytest.mark.parametrize(("step", "epochs_before"), [(0, 0), (5, 0), (8, 1), (23, 3)])
def test_a_loss_that_is_no_number_is_a_result(tmp_path: Path, step: int, epochs_before: int) -> None:
    Breaking.at, Breaking.not_a_number = ("train", step), True
    outcome, _ = train(tmp_path)
    assert outcome.status == "diverged"
    assert outcome.metrics == {
        "train/diverged_epoch": epochs_before + 1,
        "train/diverged_step": (epochs_before + 1) * STEPS,
    }
    assert len(outcome.curves) == epochs_before
    assert len(outcome.weights_sha256) == 64
    assert "test" not in Breaking.counts
    assert len(list(tmp_path.glob("*.ckpt"))) == min(epochs_before, 2)


@pytest.mark.parametrize("epochs", [1, 3])
def test_weights_that_the_last_step_of_an_epoch_ruins_are_no_result_that_is_done(tmp_path: Path, epochs: int) -> None:
    """The loss is a number at each check; the update behind the last one makes the weights infinite."""

    class Ruined(Breaking):
        def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
            if self.trainer.global_step == epochs * STEPS:
                with torch.no_grad():
                    for parameter in self.net.parameters():
                        parameter.mul_(float("inf"))

    module = tiny.module(0, Ruined)
    outcome = train_and_test(module, tiny.data(), epochs, None, tiny.WHERE, tmp_path, None, lambda progress: None)
    assert outcome.status == "diverged"
    assert outcome.metrics["train/diverged_epoch"] == epochs


# The digest of the weights


def test_one_weight_changes_the_digest() -> None:
    net = tiny.Net()
    before = weights_sha256(net)
    assert weights_sha256(net) == before
    for name, tensor in net.state_dict().items():
        kept = tensor.clone()
        flat: Any = tensor.view(-1)
        with torch.no_grad():
            flat[-1] = torch.nextafter(flat[-1], torch.tensor(9.0)) if tensor.is_floating_point() else flat[-1] + 1
        assert weights_sha256(net) != before, name
        with torch.no_grad():
            tensor.copy_(kept)
        assert weights_sha256(net) == before, name


def test_names_shapes_and_types_count_but_order_and_layout_do_not() -> None:
    def holder(**tensors: Tensor) -> nn.Module:
        net = nn.Module()
        for name, tensor in tensors.items():
            net.register_buffer(name, tensor)
        return net

    one, two = torch.arange(4.0), torch.arange(4.0) + 1
    digest = weights_sha256(holder(a=one, b=two))
    assert digest == weights_sha256(holder(b=two, a=one))
    assert digest == weights_sha256(holder(a=one, b=torch.stack([two, two], 1)[:, 0]))
    assert digest != weights_sha256(holder(a=two, b=one))
    assert digest != weights_sha256(holder(a=one, c=two))
    assert digest != weights_sha256(holder(a=one, b=two.reshape(2, 2)))
    assert digest != weights_sha256(holder(a=one, b=two.to(torch.bfloat16).to(torch.float64)))
    image = torch.randn(1, 2, 3, 3)
    channels_last = image.to(memory_format=torch.channels_last)
    assert weights_sha256(holder(a=image)) == weights_sha256(holder(a=channels_last))
