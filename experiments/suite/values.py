"""What a field's type does not say about its value, and no other part would find before training."""

import math
import re
from collections.abc import Mapping
from typing import Any

from experiments.suite.fields import scalars
from lightning_modules.compression.steps import check as check_steps
from lightning_modules.errors import UserError, check_choice
from lightning_modules.landmark_options import Options
from lightning_modules.recipe import PRECISIONS

TASKS = ("classification", "landmarks")
ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps")
# What every file of a group must have; recipes say so themselves (lightning_modules/recipe.py).
REQUIRED = {
    "arch": ("name", "net", "paper_input", "memory_format"),
    "data": ("name", "dataset", "num_classes", "channels", "size", "mean", "std", "validation", "root"),
    "recipe": ("name", "augment"),
    "compression": ("name", "start", "teacher", "steps", "file"),
    "budget": ("name", "images_seen", "train_images", "val_images", "test_images", "stem", "image_size", "narrow"),
    "trainer": ("accelerator", "devices", "precision", "threads", "workers"),
    "logger": ("name", "mode", "project", "entity"),
}
ADDRESS = re.compile(r"(https?|ftp)://[^/\s]+\S*")
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,39}")
PROJECT = re.compile(r"[^/\\#?%:]{1,128}")  # what W&B takes
TAG = re.compile(r".{1,64}")  # what W&B takes


def check_values(config: Mapping[str, Any]) -> None:
    """Raises UserError, naming the field and what it may be."""
    for group, names in REQUIRED.items():
        for name in names:
            if name not in config[group]:
                raise UserError(f"{group}.{name}: missing; add it to the file of conf/{group}")
    for path, value in scalars(config):
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"{path}={value}: must be a finite number")
    check_choice("task", config["task"], TASKS)
    for group in REQUIRED:
        if "name" in config[group]:
            _check_name(group, config[group]["name"])
    _check_arch(config["arch"])
    _check_data(config["data"])
    padding, size = config["recipe"]["augment"].get("crop_padding", 0), config["data"]["size"]
    if padding >= size:
        raise UserError(f"recipe.augment.crop_padding={padding}: must be below data.size={size}")
    if config["task"] == "landmarks":
        Options.of(config["landmarks"])
    check_steps(config["compression"])
    check_choice("trainer.accelerator", config["trainer"]["accelerator"], ACCELERATORS)
    check_choice("trainer.precision", config["trainer"]["precision"], PRECISIONS)
    _check_least(config, "trainer", devices=1, workers=0)
    _check_logger(config["logger"], config["tags"])


def _check_name(group: str, name: str) -> None:
    """Names become folders: none leads elsewhere."""
    if not NAME.fullmatch(name):
        raise UserError(f"{group}.name={name}: up to 40 letters, digits, '_', '-' and '.' only, for it names folders")


def _check_arch(arch: Mapping[str, Any]) -> None:
    shape = arch["paper_input"]
    if len(shape) != 3 or not all(type(number) is int and number > 0 for number in shape):
        raise UserError(f"arch.paper_input={shape}: must be [channels, height, width], whole numbers above 0")


def _check_data(data: Mapping[str, Any]) -> None:
    for name in ("channels", "size", "resize", "timeout_s"):
        if (number := data.get(name)) is not None and number < 1:
            raise UserError(f"data.{name}={number}: must be 1 or more")
    for name in ("mean", "std"):
        _check_per_channel(data, name)
    for mirror in data.get("mirrors") or ():
        if re.match(r"\w+://[^/]*@", str(mirror)):
            raise UserError("data.mirrors: a user or password in an address would stand in files; leave it out")
        if not isinstance(mirror, str) or not ADDRESS.fullmatch(mirror):
            raise UserError(f"data.mirrors=[{mirror}]: not an http(s) address such as https://example.org/folder")


def _check_per_channel(data: Mapping[str, Any], name: str) -> None:
    numbers = [number for number in data[name] if isinstance(number, (int, float)) and (name == "mean" or number > 0)]
    if len(numbers) != len(data[name]) or len(numbers) != data["channels"]:
        kind = "numbers" if name == "mean" else "numbers above 0"
        raise UserError(f"data.{name}={data[name]}: must be {data['channels']} {kind}, one a channel")


def _check_least(config: Mapping[str, Any], group: str, **least: int) -> None:
    for name, number in least.items():
        if config[group][name] < number:
            raise UserError(f"{group}.{name}={config[group][name]}: must be {number} or more")


def _check_logger(logger: Mapping[str, Any], tags: list[Any]) -> None:
    """What W&B would refuse once the run has begun."""
    check_choice("logger.mode", logger["mode"], ("offline", "online"))
    for name in ("project", "entity"):
        if logger[name] is not None and not PROJECT.fullmatch(logger[name]):
            raise UserError(f"logger.{name}={logger[name]}: 1 to 128 characters, none of them / \\ # ? % :")
    for tag in tags:
        if not isinstance(tag, str) or not TAG.fullmatch(tag):
            raise UserError(f"tags=[{tag}]: each must be a text of 1 to 64 characters")
