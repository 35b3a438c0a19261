"""Distillation: the loss against its formula and its limits; a student's training leaves the teacher as it was."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.callbacks.checkpoint import latest
from lightning_modules.classifier import ImageClassifier
from lightning_modules.compression.distillation import Distillation, Distilled, soft_loss
from lightning_modules.errors import UserError
from lightning_modules.training import Outcome, train_and_test, weights_sha256
from tests import tiny
from tests.nets.against import paper

EPOCHS, STEPS = 2, 6  # steps in an epoch
HALF = Distillation(temperature=4.0, soft_weight=0.5)


def logits(seed: int, classes: int = 7, batch: int = 5) -> Tensor:
    """(batch, classes), of mean zero in each row."""
    found = torch.randn(batch, classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return found - found.mean(1, keepdim=True)


def gradient(loss: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    at = at.clone().requires_grad_()
    return torch.autograd.grad(loss(at), at)[0]


# The loss


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 20.0])
def test_the_soft_loss_is_the_papers_cross_entropy_times_t_squared(temperature: float) -> None:
    student, teacher = logits(1), logits(2)
    p, q = (scores.div(temperature).exp() for scores in (teacher, student))
    p, q = p / p.sum(1, keepdim=True), q / q.sum(1, keepdim=True)
    expected = -(p * q.log()).sum(1).mean() * temperature**2
    torch.testing.assert_close(soft_loss(student, teacher, temperature), expected)
    found = gradient(lambda scores: soft_loss(scores, teacher, temperature), student)
    torch.testing.assert_close(found, temperature * (q - p) / len(student))  # equation 2, times T^2


def test_the_factor_keeps_the_gradients_scale() -> None:
    """``gradient_scale`` of the paper's definitions: without the factor it falls as 1 / T^2."""
    assert "1/T**2" in paper("distillation")["definitions"]["gradient_scale"]
    student, teacher = logits(1), logits(2)
    scaled = [float(gradient(lambda s, t=t: soft_loss(s, teacher, t), student).norm()) for t in (50.0, 100.0)]
    plain = [float(gradient(lambda s, t=t: soft_loss(s, teacher, t) / t**2, student).norm()) for t in (50.0, 100.0)]
    assert scaled[1] / scaled[0] == pytest.approx(1, rel=0.01)
    assert plain[1] / plain[0] == pytest.approx(1 / 4, rel=0.01)


def test_at_a_high_temperature_it_matches_logits() -> None:
    """(z - v) / (N T^2) for zero-mean logits, times T^2: equation 4."""
    student, teacher = logits(1), logits(2)
    found = gradient(lambda scores: soft_loss(scores, teacher, 1e4), student)
    torch.testing.assert_close(found, (student - teacher) / 7 / len(student), rtol=1e-3, atol=1e-6)


def test_a_student_that_says_what_the_teacher_says_has_no_gradient() -> None:
    same = logits(1)
    assert float(gradient(lambda scores: soft_loss(scores, same, 3.0), same).abs().max()) < 1e-15


# A student


def student(kind: type[Distilled] = Distilled, options: Distillation = HALF, **changes: Any) -> Distilled:
    torch.manual_seed(99)
    teacher = tiny.Net()
    with torch.no_grad():
        teacher(torch.randn(16, 1, 8, 8))  # statistics that are not a new batch norm's
    torch.manual_seed(0)
    return kind(
        tiny.Net(), tiny.recipe(**changes), tiny.CLASSES, "contiguous", 0,
        teacher=teacher, teacher_format="contiguous", options=options,
    )  # fmt: skip


def batch() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    images = torch.randn(8, 1, 8, 8, generator=generator)
    return images, torch.randn(8, tiny.CLASSES, generator=generator), torch.arange(8) % tiny.CLASSES


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_the_loss_is_the_weighted_mean_of_both(share: float) -> None:
    module = student(options=Distillation(temperature=2.5, soft_weight=share), label_smoothing=0.1)
    images, scores, labels = batch()
    with torch.no_grad():
        told = module.teacher(images)
    hard = F.cross_entropy(scores, labels, label_smoothing=0.1)
    expected = (1 - share) * hard + share * soft_loss(scores, told, 2.5)
    torch.testing.assert_close(module.loss(images, scores, labels), expected)


def test_the_teacher_is_frozen_and_no_part_of_the_module() -> None:
    module, plain = student(), tiny.module()
    assert list(module.state_dict()) == list(plain.state_dict())
    assert [name for name, _ in module.named_parameters()] == [name for name, _ in plain.named_parameters()]
    module.train()
    assert not any(part.training for part in module.teacher.modules())
    assert not any(parameter.requires_grad for parameter in module.teacher.parameters())


def test_the_teacher_goes_where_the_student_is() -> None:
    module = student().to("meta")
    module.on_fit_start()
    assert {tensor.device.type for tensor in module.teacher.state_dict().values()} == {"meta"}


def test_the_teacher_gets_images_in_its_own_memory_format() -> None:
    seen: list[bool] = []
    teacher = nn.Conv2d(3, 6, 8)
    module = Distilled(
        tiny.Net(), tiny.recipe(), tiny.CLASSES, "contiguous", 0,
        teacher=nn.Sequential(teacher, nn.Flatten()), teacher_format="channels_last", options=HALF,
    )  # fmt: skip
    teacher.register_forward_pre_hook(
        lambda layer, inputs: seen.append(inputs[0].is_contiguous(memory_format=torch.channels_last))
    )
    _, scores, labels = batch()
    module.loss(torch.randn(8, 3, 8, 8), scores, labels)
    assert seen == [True]
    assert teacher.weight.is_contiguous(memory_format=torch.channels_last)
    with pytest.raises(UserError, match=r"arch.memory_format=rows: choose one of contiguous, channels_last"):
        Distilled(tiny.Net(), tiny.recipe(), 6, "contiguous", 0, teacher=teacher, teacher_format="rows", options=HALF)


def test_another_number_of_classes_is_one_line() -> None:
    module = student()
    images, scores, labels = batch()
    with pytest.raises(
        UserError, match=r"the teacher tells 6 classes apart, the student 9; choose a teacher"
    ) as raised:
        module.loss(images, F.pad(scores, (0, 3)), labels)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("temperature", "soft_weight", "message"),
    [
        (0.0, 0.5, r"compression.steps: temperature=0.0: must be a number above 0"),
        (float("inf"), 0.5, r"compression.steps: temperature=inf: must be"),
        (float("nan"), 0.5, r"compression.steps: temperature=nan: must be"),
        (4.0, -0.1, r"compression.steps: soft_weight=-0.1: must be a number of at least 0 and at most 1"),
        (True, 0.5, r"compression.steps: temperature=True: must be a number"),
        ("warm", 0.5, r"compression.steps: temperature=warm: must be a number"),
        (4.0, 1.5, r"compression.steps: soft_weight=1.5: must be"),
        (4.0, float("nan"), r"compression.steps: soft_weight=nan: must be"),
    ],
)
def test_options_out_of_range(temperature: Any, soft_weight: float, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Distillation(temperature=temperature, soft_weight=soft_weight)


# Its training


class Stop(Exception):
    """What interrupts a run here."""


class Breaking(Distilled):
    """Raises at the training step that ``at`` names, counted from the start of this process's part."""

    at: ClassVar[int | None] = None
    count: ClassVar[int] = 0

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        if Breaking.at == Breaking.count:
            raise Stop
        Breaking.count += 1
        return super().training_step(batch, index)


def train(module: ImageClassifier, folder: Path) -> Outcome:
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    return train_and_test(module, tiny.data(), EPOCHS, None, tiny.WHERE, folder, None, lambda progress: None)


def test_a_resumed_run_equals_an_uninterrupted_one_and_leaves_the_teacher_as_it_was(tmp_path: Path) -> None:
    Breaking.at, Breaking.count = None, 0
    module = student(Breaking)
    before = weights_sha256(module.teacher)
    whole = train(module, tmp_path / "whole")
    assert whole.status == "done"
    assert weights_sha256(module.teacher) == before
    assert not any(part.training for part in module.teacher.modules())
    assert all(parameter.grad is None for parameter in module.teacher.parameters())

    Breaking.at, Breaking.count = STEPS + 3, 0
    with pytest.raises(Stop):
        train(student(Breaking), tmp_path / "broken")
    checkpoint, _ = latest(tmp_path / "broken")
    assert checkpoint is not None
    held = torch.load(checkpoint, weights_only=True)["state_dict"]
    assert list(held) == list(tiny.module().state_dict())

    Breaking.at, Breaking.count = None, 0
    torch.manual_seed(987)  # the new process is somewhere else in its stream of numbers
    resumed = train(student(Breaking), tmp_path / "broken")
    assert resumed.resumed_after == 1
    assert (resumed.weights_sha256, resumed.curves, resumed.metrics) == (
        whole.weights_sha256,
        whole.curves,
        whole.metrics,
    )


def test_without_a_soft_share_the_run_is_a_plain_one_bit_for_bit(tmp_path: Path) -> None:
    images, scores, labels = batch()
    module = student(options=Distillation(temperature=4.0, soft_weight=0))
    assert torch.equal(module.loss(images, scores, labels), tiny.module().loss(images, scores, labels))
    found, expected = train(module, tmp_path / "none"), train(tiny.module(), tmp_path / "plain")
    assert found.weights_sha256 == expected.weights_sha256
    assert found.curves == expected.curves


def test_a_distilled_student_comes_nearer_to_its_teacher() -> None:
    """Gradient steps on the soft loss alone lower what is left of it above the teacher's own entropy."""
    module = student(options=Distillation(temperature=2.0, soft_weight=1.0))
    images, _, labels = batch()
    module.net.eval()  # no dropout: the same numbers each time
    with torch.no_grad():
        told = module.teacher(images)
    least = float(soft_loss(told, told, 2.0))
    optimizer = torch.optim.SGD(module.net.parameters(), 0.05)
    gaps = []
    for _ in range(30):
        loss = module.loss(images, module(images), labels)
        gaps.append(float(loss.detach()) - least)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert gaps[-1] < gaps[0] / 4
