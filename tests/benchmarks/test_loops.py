"""The loops that are compared do the same work."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from experiments.benchmarks import loops
from experiments.suite.paths import DATA_CACHE
from lightning_modules import experiment


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "STEPS", 3)
    monkeypatch.setattr(loops, "WARM_UP", 0)


@pytest.mark.parametrize("side", ["ours", "bare", "usual"])
def test_each_side_trains_the_same_net_for_as_many_steps(side: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[tuple[int, ...]] = []
    built_nets = []
    build = experiment.build

    def watched(config: dict, cache: object) -> experiment.Experiment:
        built = build(config, cache)  # type: ignore[arg-type]
        built.module.net.register_forward_pre_hook(
            lambda net, inputs: steps.append(tuple(inputs[0].shape)) if net.training else None
        )
        built_nets.append(built.module.net)
        return built

    monkeypatch.setattr(experiment, "build", watched)
    with loops.sides("a net three times lighter") as sides:
        assert sides[side]() > 0
    assert steps == [(64, 1, 32, 32)] * 3
    assert len(built_nets) == 1


def test_the_lighter_net_is_three_times_lighter() -> None:
    full, light = (loops.macs(net) for net in loops.NETS)
    assert full / light == pytest.approx(3, abs=0.15)


def test_the_usual_pipeline_gives_the_same_numbers() -> None:
    """The same image, normalised, is what our batches hold, but for rounding."""
    built = experiment.build(loops.configuration(()), DATA_CACHE)
    usual, _ = next(iter(loops.UsualImages(built).val_dataloader()))
    mine, _ = next(iter(built.data.val_dataloader()))
    torch.testing.assert_close(usual, mine[:64], atol=1e-5, rtol=0)


@contextmanager
def here(results: str | None) -> Iterator[None]:
    before = os.environ.pop("COMPACT_NETS_RESULTS", None)
    if results is not None:
        os.environ["COMPACT_NETS_RESULTS"] = results
    try:
        yield
    finally:
        os.environ.pop("COMPACT_NETS_RESULTS", None)
        if before is not None:
            os.environ["COMPACT_NETS_RESULTS"] = before


@pytest.mark.parametrize("before", [None, "elsewhere"])
def test_a_measurement_leaves_the_results_folder_alone(before: str | None) -> None:
    with here(before):
        with loops.results_aside():
            assert os.environ["COMPACT_NETS_RESULTS"] != before
        assert os.environ.get("COMPACT_NETS_RESULTS") == before
