"""The loops that are compared do the same work."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from experiments.benchmarks import loops
from experiments.suite.paths import DATA_CACHE
from lightning_modules import experiment
from lightning_modules.callbacks.progress import Progress


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "WARM_UP", 0)


@pytest.mark.parametrize(("compared", "nets"), [("ours_and_bare", 2), ("ours", 1), ("usual", 1)])
def test_each_side_trains_the_same_net_for_as_many_steps(
    compared: str, nets: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: dict[int, list[tuple[int, ...]]] = {}
    build = experiment.build

    def watched(config: dict, cache: object) -> experiment.Experiment:
        built = build(config, cache)  # type: ignore[arg-type]
        seen = steps.setdefault(len(steps), [])
        built.module.net.register_forward_pre_hook(
            lambda net, inputs: seen.append(tuple(inputs[0].shape)) if net.training else None
        )
        return built

    monkeypatch.setattr(experiment, "build", watched)
    with loops.results_aside():
        found = getattr(loops, compared)(loops.configuration(loops.NETS["a net three times lighter"], 3))
    assert all(rate > 0 for rate in (found.values() if isinstance(found, dict) else [found]))
    assert list(steps.values()) == [[(64, 1, 32, 32)] * 3] * nets


def told(step: int, phase: str = "train") -> Progress:
    return Progress(phase, 1, 1, step, 9)


def test_a_turn_is_timed_without_what_is_done_between_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 50.0, 54.0, 58.0, 90.0, 91.0, 92.0])  # as each report comes, and as it is done with
    monkeypatch.setattr(loops.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(loops, "WARM_UP", 2)
    turns, between = loops.Turns(), list[int]()
    turns.between = between.append
    for progress in (told(0), told(2), told(6), told(6), told(0, "test")):
        turns.report(progress)
    assert between == [2, 4]
    assert turns.images_s({"recipe": {"batch_size": 10}}) == pytest.approx(4 * 10 / 4.0)


def test_the_lighter_net_is_three_times_lighter() -> None:
    full, light = (loops.macs(net) for net in loops.NETS)
    assert full / light == pytest.approx(3, abs=0.15)


def test_the_usual_pipeline_gives_the_same_numbers() -> None:
    """The same image, normalised, is what our batches hold, but for rounding."""
    built = experiment.build(loops.configuration((), 3), DATA_CACHE)
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
