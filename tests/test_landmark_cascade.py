"""The cascade: a level learns, goes on as if it had not been stopped, and all levels work on whole pictures alike."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from experiments.suite.compose import compose
from experiments.suite.paths import CONF
from lightning_modules import cascade_files, landmark_compression, landmark_experiment
from lightning_modules.callbacks.progress import ReportProgress
from lightning_modules.crops import cropped, face_boxes, to_picture, whole
from lightning_modules.data.batches import Normalise
from lightning_modules.errors import CorruptFileError, UserError
from lightning_modules.landmark_augment import FaceAugment
from lightning_modules.landmark_cascade import Cascade, LandmarkCascade, points_of, rule_of
from lightning_modules.landmark_data import Faces, LandmarkData
from lightning_modules.landmark_experiment import Experiment
from lightning_modules.landmark_options import Options
from lightning_modules.nets import LandmarkMobileNetV2
from lightning_modules.recipe import Recipe
from tests.faces_made import faces, options
from tests.tiny import WHERE

HALF = Normalise((0.5,) * 3, (0.5,) * 3)
CASES: tuple[dict[str, Any], ...] = ({}, {"crop": "box"}, {"crop": "box", "applied": "twice"}, {"crop": "random"})
COUNTS = {"train": 96, "val": 20, "test": 24}


def recipe(**changes: Any) -> Recipe:
    content = yaml.safe_load((CONF / "recipe" / "landmarks.yaml").read_text(encoding="utf-8"))
    return Recipe.of({**content, "batch_size": 16, **changes})


def experiment(epochs: int = 2, **changes: Any) -> Experiment:
    splits = {name: Faces.of(faces(count, seed, 48)) for seed, (name, count) in enumerate(COUNTS.items())}
    chosen = Options.of(options(size=32, **changes))
    data = LandmarkData(splits, chosen, FaceAugment(flip=True, rotate=10.0), HALF, 16, seed=0)
    torch.manual_seed(0)
    module = LandmarkCascade(LandmarkMobileNetV2(), recipe(), chosen, "channels_last", seed=0)
    return Experiment(module, data, recipe(), chosen, epochs, WHERE)


def run(made: Experiment, folder: Path, levels: tuple[nn.Module, ...] = ()) -> landmark_experiment.Outcome:
    folder.mkdir(exist_ok=True)
    return landmark_experiment.run(made, levels, folder, None, lambda progress: None)


def test_a_level_learns_and_level_2_begins_where_it_ended(tmp_path: Path) -> None:
    first = experiment(epochs=12)
    before = run(experiment(epochs=1), tmp_path / "short")
    level_1 = run(first, tmp_path / "level_1")
    assert level_1.metrics["test/nme"] < 0.6 * before.metrics["test/nme"]
    second = experiment(epochs=12, crop="box")
    level_2 = run(second, tmp_path / "level_2", (first.module.net,))
    assert level_2.points is not None and level_2.points.shape == (24, 5, 2)
    assert set(level_2.nmes) == {"", "_pupil", "_box", "_diagonal"}
    assert level_2.metrics["test/nme"] == pytest.approx(level_2.nmes[""].mean())
    assert {"val/nme", "val/best_nme", "test/fr10", "test/auc10", "test/nme_diagonal_median"} <= set(level_2.metrics)
    # The same nets on whole pictures say the same, but for the crops' rounding to bytes.
    nets = (first.module.net, second.module.net)
    cascade = Cascade(nets, 32, HALF, rule_of(second.options)).eval()
    pictures = torch.from_numpy(second.data.splits["test"].images).permute(0, 3, 1, 2)  # type: ignore[arg-type]
    with torch.no_grad():
        found = cascade(pictures)
    assert found.shape == (2, 24, 5, 2)
    assert (found[1] - torch.from_numpy(level_2.points)).abs().median() < 0.2
    # A test of the same net on the true points' crop trains nothing.
    oracle = experiment(epochs=0, crop="box", applied="true_box")
    true_box = run(oracle, tmp_path / "true_box", nets)
    assert true_box.weights_sha256 == level_2.weights_sha256 and true_box.curves == []
    assert not list((tmp_path / "true_box").glob("*.ckpt"))


def test_a_level_that_was_stopped_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole_run = run(experiment(epochs=3), tmp_path / "whole")
    stopped = experiment(epochs=3)

    class Stop(Exception):
        pass

    def after_two(progress: Any) -> None:
        if progress.phase == "train" and progress.epoch == 3:
            raise Stop

    (tmp_path / "stopped").mkdir()
    with pytest.raises(Stop):
        landmark_experiment.run(stopped, (), tmp_path / "stopped", None, after_two)
    resumed = run(experiment(epochs=3), tmp_path / "stopped")
    assert resumed.resumed_after == 2
    assert resumed.weights_sha256 == whole_run.weights_sha256
    assert resumed.metrics == whole_run.metrics and resumed.curves == whole_run.curves


def test_the_loss_that_diverges_is_an_outcome(tmp_path: Path) -> None:
    made = experiment()
    made = replace(
        made,
        module=LandmarkCascade(LandmarkMobileNetV2(), recipe(lr=1e30, clip_norm=None), made.options, "contiguous", 0),
    )
    found = run(made, tmp_path / "run")
    assert found.status == "diverged" and set(found.metrics) == {"train/diverged_epoch", "train/diverged_step"}


def test_cost_is_of_all_nets_that_a_picture_goes_through() -> None:
    config = {"arch": {}}
    one, two, thrice, alone = (landmark_experiment.cost(config, experiment(**changes))["run"] for changes in CASES)
    assert one["params"] == alone["params"] == 264_890 and two["params"] == thrice["params"] == 2 * 264_890
    assert (two["macs"], thrice["macs"], alone["macs"]) == (2 * one["macs"], 3 * one["macs"], one["macs"])
    assert (one["levels"], two["levels"], thrice["levels"]) == (1, 2, 2)


def cascade() -> Cascade:
    torch.manual_seed(1)
    levels = [LandmarkMobileNetV2().eval() for _ in range(2)]
    with torch.no_grad():
        for level in levels:  # so that points lie apart, as a trained net's
            level.fc2.bias.copy_(torch.tensor([-0.2, -0.2, 0.2, -0.2, 0, 0, -0.1, 0.2, 0.1, 0.2]))
            level.fc2.weight.mul_(3)
    return Cascade(levels, 48, HALF, lambda points, sizes: face_boxes(points)).eval()


def test_the_cascade_is_its_levels_one_after_another() -> None:
    made = cascade()
    pictures = torch.from_numpy(faces(4, 0, 64).images).permute(0, 3, 1, 2)
    with torch.no_grad():
        found = made(pictures)
    boxes = whole(torch.full((4, 2), 64.0))
    for number, net in enumerate(made.levels):
        points = to_picture(points_of(net, cropped(faces(4, 0, 64).images, boxes, 48), HALF), boxes)
        assert (found[number] - points).abs().max() < 0.1  # crops are rounded to bytes here
        boxes = face_boxes(found[number])


def test_files_in_half_precision_there_and_back(tmp_path: Path) -> None:
    made = cascade()
    arch = {"name": "l", "net": "LandmarkMobileNetV2", "paper_input": [3, 48, 48], "memory_format": "channels_last"}
    about = {"arch": arch, "points": 5, "landmarks": options(crop="box"), "mean": [0.5] * 3, "std": [0.5] * 3}
    paths = [tmp_path / f"{number}.safetensors" for number in (1, 2)]
    for number, (path, net) in enumerate(zip(paths, made.levels, strict=True), 1):
        path.write_bytes(cascade_files.level_file(net, {**about, "level": number}))
        assert path.stat().st_size < 600_000
    loaded = cascade_files.load(paths)
    pictures = torch.from_numpy(faces(4, 0, 64).images).permute(0, 3, 1, 2)
    with torch.no_grad():
        assert (loaded(pictures) - made(pictures)).abs().max() < 0.1
    broken = paths[0].read_bytes()
    for content in (
        broken[:-9],
        b"nothing",
        cascade_files.level_file(nn.Linear(2, 2), {**about, "level": 1}),
        cascade_files.level_file(made.levels[0], {"level": 1}),
    ):
        paths[0].write_bytes(content)
        with pytest.raises(CorruptFileError, match=r"1.safetensors: is no level of a cascade"):
            cascade_files.load(paths)


@pytest.mark.parametrize("applied", ["twice", "true_box"])
def test_only_a_cascade_as_it_was_trained_is_compressed(applied: str) -> None:
    made = experiment(crop="box", applied=applied)
    with pytest.raises(UserError, match=f"landmarks.applied={applied}: a cascade is compressed as it was trained"):
        landmark_compression.check(made, compose(["compression=int8"])["compression"])
    landmark_compression.check(made, compose([])["compression"])
    landmark_compression.check(experiment(crop="box"), compose(["compression=int8"])["compression"])


def test_level_1_is_trained_on_for_shares_of_its_own_images(tmp_path: Path) -> None:
    """Not of level_2's, which sees fewer."""
    assert compose(["task=landmarks"])["landmarks"]["share"] == landmark_compression.FIRST_SHARE
    config = {**compose(["task=landmarks", "compression=int8"]), "seed": 0}
    made = landmark_compression._Compression(
        experiment(crop="box", share=0.5), config, tmp_path, None, ReportProgress(lambda progress: None)
    )
    level_1 = made._data(1, 2, [])
    assert (level_1.options.crop, level_1.options.share) == ("whole", 1.0)
    assert made._data(2, 2, [LandmarkMobileNetV2()]).options.share == 0.5


def test_level_2_drops_its_rate_at_the_steps_where_level_1_does() -> None:
    article = Recipe.of(yaml.safe_load((CONF / "recipe" / "landmark_mobilenet_v2.yaml").read_text(encoding="utf-8")))
    level_1, level_2 = Options.of(options()), Options.of(options(crop="article", share=0.6))
    assert list(landmark_experiment._of_level(article, level_1).drop_at) == [0.4, 0.5]
    # 80,000 and 100,000 of 120,000 steps.
    assert landmark_experiment._of_level(article, level_2).drop_at == pytest.approx([80 / 120, 100 / 120])
    assert landmark_experiment._of_level(article, replace(level_2, share=0.45)).drop_at == pytest.approx([0.4 / 0.45])
    with pytest.raises(UserError, match=r"landmarks.share=0.3: ends before the first of recipe.drop_at=\[0.4, 0.5\]"):
        landmark_experiment._of_level(article, replace(level_2, share=0.3))
    assert landmark_experiment._of_level(recipe(), level_2) == recipe()
