"""Budget paper chooses each architecture's own recipe; two optimiser steps of it with its own net, in this process."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import SGD, RMSprop

from experiments.suite.compose import compose
from experiments.suite.paths import CONF
from lightning_modules.experiment import build, run
from lightning_modules.training import weights_sha256
from tests.data.folders import image_folder
from tests.nets.test_build import TRUNKS

CLASSES = ("n01440764", "n01443537", "n01484850", "n01491361")
CLASSIC = {"alexnet", "vgg16", "googlenet", "inception_v3"}  # up to 134 million parameters: seconds a step
SIDE = {"inception_v3": 96}  # pixels; its stem leaves nothing of 64
OPTIMIZERS = {"sgd": SGD, "rmsprop": RMSprop}
ARCHITECTURES = sorted(
    ({path.stem for path in (CONF / "recipe").glob("*.yaml")} & {path.stem for path in (CONF / "arch").glob("*.yaml")})
    - {"landmark_mobilenet_v2"}  # which finds points, not classes
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imagenet")
    return image_folder(folder, dict.fromkeys(CLASSES, 6), dict.fromkeys(CLASSES, 1))


def config(name: str, *more: str) -> dict[str, Any]:
    side = SIDE.get(name, 64)
    sizes = (f"data.size={side}", f"data.resize={side + 8}", "data.num_classes=4", "recipe.batch_size=4")
    where = ("trainer=cpu", "trainer.threads=1", "trainer.workers=0", "logger=none")
    return compose((f"arch={name}", "budget=paper", *sizes, *where, *more))


def test_every_architecture_has_its_recipe() -> None:
    assert (
        sorted({path.stem for path in (CONF / "arch").glob("*.yaml")} - {*TRUNKS, "landmark_mobilenet_v2"})
        == ARCHITECTURES
    )


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in CLASSIC)) for name in ARCHITECTURES]
)
def test_two_steps(name: str, root: Path, tmp_path: Path) -> None:
    chosen = config(name, f"data.root={root}", "budget.images_seen=8", "budget.train_images=8")
    assert chosen["recipe"]["name"] == chosen["arch"]["name"] == name
    experiment = build(chosen, tmp_path / "cache")
    before = weights_sha256(experiment.module.net)
    outcome = run(experiment, tmp_path, None, lambda progress: None)
    assert outcome.status == "done" and outcome.weights_sha256 != before
    (epoch,) = outcome.curves
    assert all(math.isfinite(epoch[metric]) for metric in ("train/loss", "val/loss"))
    (path,) = tmp_path.glob("epoch-*.ckpt")
    loaded = torch.load(path, weights_only=True)
    assert loaded["global_step"] == 2
    assert all(tensor.isfinite().all() for tensor in loaded["state_dict"].values() if tensor.is_floating_point())
    check_groups(experiment.module, chosen["recipe"])


def memory(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def check_groups(module: Any, recipe: dict[str, Any]) -> None:
    """The optimiser has each parameter once, and without weight decay those that the recipe excludes."""
    optimizer = module.trainer.optimizers[0]
    assert type(optimizer) is OPTIMIZERS[recipe["optimizer"]]
    named = dict(module.net.named_parameters())
    vectors = [(vector, group["weight_decay"]) for group in optimizer.param_groups for vector in group["params"]]
    assert sum(vector.numel() for vector, _ in vectors) == sum(parameter.numel() for parameter in named.values())
    decay = {memory(vector): number for vector, number in vectors}  # parameters are views of their group's vector
    depthwise = {
        f"{name}.weight"
        for name, layer in module.net.named_modules()
        if isinstance(layer, torch.nn.Conv2d) and layer.groups == layer.in_channels > 1
    }
    excluded = recipe["decay_exclude"]
    for name, parameter in named.items():
        free = ("vectors" in excluded and parameter.ndim == 1) or ("depthwise" in excluded and name in depthwise)
        assert decay[memory(parameter)] == (0.0 if free else recipe["weight_decay"]), name
    assert "depthwise" not in excluded or len(depthwise) >= 10
