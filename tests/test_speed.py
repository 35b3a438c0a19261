"""How the speed of a net is measured."""

import time

import pytest
import torch
from torch import Tensor, nn

from lightning_modules import speed
from tests.test_paper_cost import arch


@pytest.mark.parametrize("memory_format", ["contiguous", "channels_last"])
def test_the_net_is_ready_for_use_in_its_memory_format(memory_format: str) -> None:
    net = speed.build(arch("squeezenet", memory_format=memory_format))
    weight = next(parameter for parameter in net.parameters() if parameter.ndim == 4)
    assert not net.training
    assert weight.is_contiguous(memory_format=torch.channels_last) == (memory_format == "channels_last")


def test_its_layers_can_be_others() -> None:
    seen: list[nn.Module] = []
    assert speed.build(arch("squeezenet"), seen.append) is seen[0]


class Counted(nn.Module):
    """Takes ``seconds`` a batch and remembers what it was given."""

    def __init__(self, seconds: float):
        super().__init__()
        self.seconds = seconds
        self.seen: list[tuple[tuple[int, ...], bool, int]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append((tuple(x.shape), torch.is_grad_enabled(), torch.get_num_threads()))
        time.sleep(self.seconds)
        return x


def test_images_per_second_of_batches_of_the_paper_s_input() -> None:
    net, threads = Counted(0.005), torch.get_num_threads()
    sample = speed.timer(net, speed.noise(arch("squeezenet"), batch=8), seconds=0.05)
    warmed_up = len(net.seen)
    assert warmed_up > 2 and set(net.seen) == {((8, 3, 227, 227), False, speed.THREADS)}
    found = sample()
    batches = len(net.seen) - warmed_up - 2  # two of which warm up
    assert 2 <= batches <= 10
    assert 1 / 0.005 < found <= 8 / 0.005  # images, not batches; a busy machine only takes longer
    sample()
    assert len(net.seen) == warmed_up + 2 * (batches + 2)  # as many each time
    assert torch.get_num_threads() == threads


def test_a_batch_that_takes_longer_is_measured_once() -> None:
    net = Counted(0.01)
    sample = speed.timer(net, speed.noise(arch("squeezenet"), batch=1), seconds=0.001)
    warmed_up = len(net.seen)
    sample()
    assert len(net.seen) == warmed_up + 3


def test_the_reference_is_the_same_work_each_time() -> None:
    sample = speed.reference()
    began = time.perf_counter()
    found = [sample() for _ in range(3)]
    taken = time.perf_counter() - began
    assert 9 * 0.005 < taken < 9 * 20 * speed.REFERENCE_S
    assert min(found) > 1e3 and max(found) < 10 * min(found)
