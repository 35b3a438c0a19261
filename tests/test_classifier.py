"""What is measured, against a computation by hand."""

import math
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from lightning_modules.classifier import ImageClassifier
from lightning_modules.errors import UserError
from tests import tiny
from tests.test_metrics import ranks_by_hand

CLASSES = 8


class Echo(nn.Module):
    """Its input is its answer, so that a test chooses the logits."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Linear(1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


def silent_trainer() -> pl.Trainer:
    return pl.Trainer(
        accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False,
    )  # fmt: skip


def after_test(logits: Tensor, labels: Tensor, sizes: list[int]) -> tuple[ImageClassifier, dict[str, float]]:
    """The module after a test on these logits (N, CLASSES), in batches of these sizes."""
    module = ImageClassifier(Echo(), tiny.recipe(), CLASSES, "contiguous", seed=0)
    batches: Any = list(zip(logits[:, :, None, None].split(sizes), labels.split(sizes), strict=True))
    found = silent_trainer().test(module, dataloaders=DataLoader(batches, batch_size=None), verbose=False)[0]
    return module, {name: float(value) for name, value in found.items()}


def drawn(images: int = 50, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(images, CLASSES, generator=generator), torch.randint(CLASSES, (images,), generator=generator)


@pytest.mark.parametrize("sizes", [[50], [20, 20, 10], [49, 1]])
def test_the_metrics_of_a_test_by_hand(sizes: list[int]) -> None:
    logits, labels = drawn()
    module, found = after_test(logits, labels, sizes)
    ranks = np.array(ranks_by_hand(logits, labels))
    shifted = logits.double().numpy() - logits.double().numpy().max(1, keepdims=True)
    log_share = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    loss = -log_share[np.arange(50), labels.numpy()].mean()
    assert set(found) == {"test/loss", "test/top1_acc", "test/top1_err", "test/top5_acc", "test/top5_err"}
    assert found["test/loss"] == pytest.approx(loss, rel=1e-5)
    assert found["test/top1_acc"] == pytest.approx(100 * (ranks < 1).mean(), abs=1e-4)
    assert found["test/top5_acc"] == pytest.approx(100 * (ranks < 5).mean(), abs=1e-4)
    assert found["test/top1_err"] == pytest.approx(100 - found["test/top1_acc"], abs=1e-4)
    assert found["test/top5_err"] == pytest.approx(100 - found["test/top5_acc"], abs=1e-4)
    assert 0 < found["test/top1_acc"] < found["test/top5_acc"] < 100
    np.testing.assert_array_equal(module.top1_correct.numpy(), ranks < 1)
    np.testing.assert_array_equal(module.top5_correct.numpy(), ranks < 5)
    assert torch.equal(module.predicted, logits.argmax(1))


def test_the_confusion_matrix_has_the_true_class_by_row() -> None:
    logits, labels = drawn()
    module, _ = after_test(logits, labels, [30, 20])
    expected = np.zeros((CLASSES, CLASSES), dtype=int)
    for true, predicted in zip(labels.tolist(), logits.argmax(1).tolist(), strict=True):
        expected[true, predicted] += 1
    np.testing.assert_array_equal(module.confusion.numpy(), expected)


def test_each_number_agrees_with_the_images_it_counts_where_scores_are_equal() -> None:
    """SqueezeNet ends in a ReLU: many classes score exactly zero."""
    logits, labels = drawn(400)
    module, found = after_test(torch.relu(logits - 0.8), labels, [200, 200])
    assert found["test/top1_acc"] == pytest.approx(100 * float(module.top1_correct.float().mean()), abs=1e-4)
    assert found["test/top5_acc"] == pytest.approx(100 * float(module.top5_correct.float().mean()), abs=1e-4)


def test_a_second_test_starts_from_nothing() -> None:
    logits, labels = drawn()
    module, first = after_test(logits, labels, [50])
    batches: Any = [(logits[:, :, None, None], labels)]
    again = silent_trainer().test(module, dataloaders=DataLoader(batches, batch_size=None), verbose=False)[0]
    assert again == pytest.approx(first)
    assert len(module.top1_correct) == 50
    assert int(module.confusion.sum()) == 50


def test_label_smoothing_is_for_training_alone() -> None:
    logits, labels = drawn()
    images = logits[:, :, None, None]
    module = ImageClassifier(Echo(), tiny.recipe(label_smoothing=0.2), CLASSES, "contiguous", seed=0)
    module.trainer = tiny.WHERE.trainer(1, logger=False, enable_checkpointing=False)
    trained = module.training_step((images, labels), 1)
    shares = F.log_softmax(logits.double(), 1)
    wanted = torch.full((50, CLASSES), 0.2 / CLASSES, dtype=torch.float64)
    wanted[torch.arange(50), labels] += 0.8
    assert float(trained) == pytest.approx(float(-(wanted * shares).sum(1).mean()), rel=1e-5)
    module.validation_step((images, labels), 0)
    plain = module.running("val")["loss"]
    assert plain == pytest.approx(float(F.cross_entropy(logits, labels)), rel=1e-6)
    assert plain != pytest.approx(float(trained), rel=1e-3)


def dropped(monkeypatch: pytest.MonkeyPatch, seed: int, epoch: int) -> list[float]:
    module = ImageClassifier(nn.Dropout(0.5), tiny.recipe(output_bias=None), CLASSES, "contiguous", seed)
    monkeypatch.setattr(ImageClassifier, "current_epoch", epoch)
    module.train().on_train_epoch_start()
    return torch.cat([module(torch.ones(2, 20, 1, 1)) for _ in range(3)]).flatten().tolist()


def test_dropout_is_a_function_of_seed_and_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn_masks = {(seed, epoch): dropped(monkeypatch, seed, epoch) for seed in (0, 1) for epoch in (0, 1, 2)}
    torch.manual_seed(123)
    for (seed, epoch), mask in drawn_masks.items():
        assert dropped(monkeypatch, seed, epoch) == mask
    assert len({tuple(mask) for mask in drawn_masks.values()}) == 6
    assert 0.0 in drawn_masks[0, 0]


def test_the_output_bias_of_the_recipe() -> None:
    torch.manual_seed(0)
    as_made = tiny.Net().output.bias.detach().clone()
    left: Any = tiny.module(0, output_bias=None).net
    assert torch.equal(left.output.bias.detach(), as_made)
    changed: Any = tiny.module(0, output_bias=0.5).net
    assert changed.output.bias.tolist() == [0.5] * tiny.CLASSES


def test_the_memory_format_is_the_nets_and_the_images() -> None:
    images = torch.randn(2, 1, 8, 8)
    answers = []
    for memory_format in ("contiguous", "channels_last"):
        torch.manual_seed(0)
        module = ImageClassifier(tiny.Net(), tiny.recipe(), tiny.CLASSES, memory_format, 0).eval()
        seen: list[Tensor] = []

        def note(net: nn.Module, inputs: tuple[Tensor, ...], seen: list[Tensor] = seen) -> None:
            seen.append(inputs[0])

        module.net.register_forward_pre_hook(note)
        answers.append(module(images.expand(2, 4, 8, 8)[:, :1]).detach())
        weight: Any = module.net.get_parameter("conv.weight")
        wanted = torch.channels_last if memory_format == "channels_last" else torch.contiguous_format
        assert weight.is_contiguous(memory_format=wanted)
        assert seen[0].is_contiguous(memory_format=wanted)
    torch.testing.assert_close(*answers)


def test_a_memory_format_that_is_none() -> None:
    with pytest.raises(UserError, match=r"arch\.memory_format=chanels_last"):
        ImageClassifier(Echo(), tiny.recipe(), CLASSES, "chanels_last", 0)


def test_a_diverged_net_has_no_loss() -> None:
    logits, labels = drawn(10)
    _, found = after_test(logits * float("nan"), labels, [10])
    assert math.isnan(found["test/loss"])
