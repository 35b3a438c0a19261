"""How many faces a second the cascade of landmark nets finds, from pictures in memory to points, a hundred at a time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from experiments.suite.compose import compose
from lightning_modules.landmark_speed import PICTURE, build
from lightning_modules.random_streams import stream

BATCH = 100
BATCHES = 4  # of a sample
NAME = "cascade, both levels (faces/s)"


@contextmanager
def sides() -> Iterator[dict[str, Callable[[], float]]]:
    """A sampler of faces per second on all threads, crops included."""
    config = compose(["task=landmarks", "landmarks.crop=box"])
    cascade = build(config["arch"], config["landmarks"])
    pictures = torch.randint(0, 256, (BATCH, *PICTURE), generator=stream("pictures"), dtype=torch.uint8)
    with torch.inference_mode():
        cascade(pictures)  # a warm-up

    @torch.inference_mode()
    def sample() -> float:
        began = time.perf_counter()
        for _ in range(BATCHES):
            cascade(pictures)
        return BATCH * BATCHES / (time.perf_counter() - began)

    yield {NAME: sample}
