"""SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size.

Iandola et al., 2016, arXiv:1602.07360. Table 1 (architecture), Figure 2 (bypass), section 5.1
(metaparameters), section 6 and Table 3 (bypass), and the authors' Caffe files (initialisation, version 1.1).
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from lightning_modules.errors import UserError, check_choice

# Version 1.0 is the paper's. Version 1.1 is the authors' later release: a smaller conv1 and earlier pools.
CONV1 = {"1.0": {"out_channels": 96, "kernel_size": 7}, "1.1": {"out_channels": 64, "kernel_size": 3}}
POOL_AFTER = {"1.0": (1, 4, 8), "1.1": (1, 3, 5)}


class Fire(nn.Module):
    """Squeeze by 1x1, then expand by 1x1 and 3x3 side by side (Figure 1).

    (N, in_channels, H, W) -> (N, e1x1 + e3x3, H, W).
    """

    def __init__(self, in_channels: int, s1x1: int, e1x1: int, e3x3: int):
        super().__init__()
        self.squeeze1x1 = nn.Conv2d(in_channels, s1x1, kernel_size=1)
        self.expand1x1 = nn.Conv2d(s1x1, e1x1, kernel_size=1)
        self.expand3x3 = nn.Conv2d(s1x1, e3x3, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.squeeze1x1(x))
        return torch.relu(torch.cat([self.expand1x1(x), self.expand3x3(x)], dim=1))


class Bypass(nn.Module):
    """A layer plus its input: fire(x) + shortcut(x) (Figure 2).

    The released simple-bypass network adds after the fire module's ReLU and puts none behind the sum.
    """

    def __init__(self, fire: Fire, shortcut: nn.Module):
        super().__init__()
        self.fire = fire
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        return self.fire(x) + self.shortcut(x)


class SqueezeNet(nn.Module):
    """SqueezeNet 1.0 (Table 1) or 1.1, without, with simple or with complex bypass (Figure 2).

    (N, in_channels, H, W) -> logits (N, num_classes).

    Args:
        version: "1.0" is the paper's, "1.1" the authors' cheaper release.
        bypass: "simple" adds a fire module's input to its output where their widths agree (fire3, 5, 7, 9);
            "complex" adds it through a 1x1 convolution as well where they differ (fire2, 4, 6, 8).
        base_e: expand filters of fire2 (section 5.1).
        incr_e: expand filters added every ``freq`` fire modules.
        pct3x3: share of the expand filters that are 3x3, 0 to 1.
        freq: after how many fire modules the expand filters grow.
        squeeze_ratio: squeeze filters over expand filters (SR).
        stem: how conv1 meets the image. "paper": 7x7 or 3x3, stride 2, no padding; a 227 px image leads to maps of
            111, 55, 27, 13. "small": conv1 padded, so that 28 px lead to maps of 14, 7, 3, 1.

    Raises:
        UserError: a metaparameter is out of range or leaves a layer without filters.
    """

    def __init__(
        self,
        version: Literal["1.0", "1.1"] = "1.0",
        bypass: Literal["none", "simple", "complex"] = "none",
        num_classes: int = 1000,
        in_channels: int = 3,
        base_e: int = 128,
        incr_e: int = 128,
        pct3x3: float = 0.5,
        freq: int = 2,
        squeeze_ratio: float = 0.125,
        stem: Literal["paper", "small"] = "paper",
        dropout: float = 0.5,
    ):
        super().__init__()
        check_choice("arch.version", version, tuple(CONV1))
        check_choice("arch.bypass", bypass, ("none", "simple", "complex"))
        check_choice("arch.stem", stem, ("paper", "small"))
        for name, number in (("num_classes", num_classes), ("in_channels", in_channels)):
            if number < 1:
                raise UserError(f"{name}={number}: must be 1 or more")
        if not 0 <= dropout < 1:
            raise UserError(f"arch.dropout={dropout}: must be at least 0 and below 1")

        layers: dict[str, nn.Module] = {}
        kernel = CONV1[version]["kernel_size"]
        channels = CONV1[version]["out_channels"]
        padding = 0 if stem == "paper" else kernel // 2
        layers["conv1"] = nn.Conv2d(in_channels, channels, kernel, stride=2, padding=padding)
        layers["relu_conv1"] = nn.ReLU(inplace=True)
        layers["maxpool1"] = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        for index, (s1x1, e1x1, e3x3) in enumerate(fire_widths(base_e, incr_e, pct3x3, freq, squeeze_ratio), start=2):
            fire = Fire(channels, s1x1, e1x1, e3x3)
            layers[f"fire{index}"] = _with_bypass(fire, bypass, channels, e1x1 + e3x3)
            channels = e1x1 + e3x3
            if index in POOL_AFTER[version]:
                layers[f"maxpool{index}"] = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)
        layers["dropout9"] = nn.Dropout(dropout)
        layers["conv10"] = conv10 = nn.Conv2d(channels, num_classes, kernel_size=1)
        layers["relu_conv10"] = nn.ReLU(inplace=True)
        layers["avgpool10"] = nn.AdaptiveAvgPool2d(1)

        self.layers = nn.Sequential()
        for name, layer in layers.items():
            self.layers.add_module(name, layer)
        self.apply(_init_as_the_authors)
        nn.init.normal_(conv10.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x).flatten(1)


def fire_widths(base_e: int, incr_e: int, pct3x3: float, freq: int, squeeze_ratio: float) -> list[tuple[int, int, int]]:
    """(s1x1, e1x1, e3x3) of fire2 to fire9 from the metaparameters of section 5.1."""
    if freq < 1:
        raise UserError(f"arch.freq={freq}: fire modules grow every freq modules; choose 1 or more")
    for name, share in (("pct3x3", pct3x3), ("squeeze_ratio", squeeze_ratio)):
        if not math.isfinite(share):
            raise UserError(f"arch.{name}={share}: must be a finite number")
    widths = []
    for i in range(8):
        e = base_e + incr_e * (i // freq)
        e3x3 = round(pct3x3 * e)
        width = (round(squeeze_ratio * e), e - e3x3, e3x3)
        if min(width) < 1:
            raise UserError(
                f"fire{i + 2} would have {width} filters (squeeze 1x1, expand 1x1, expand 3x3); each needs at least one: "
                "change arch.base_e, arch.incr_e, arch.pct3x3 or arch.squeeze_ratio"
            )
        widths.append(width)
    return widths


def _with_bypass(fire: Fire, bypass: str, in_channels: int, out_channels: int) -> nn.Module:
    if bypass != "none" and in_channels == out_channels:
        return Bypass(fire, nn.Identity())
    if bypass == "complex":
        return Bypass(fire, nn.Conv2d(in_channels, out_channels, kernel_size=1))
    return fire


def _init_as_the_authors(module: nn.Module) -> None:
    """Caffe's "xavier": uniform with variance 1 / fan_in, biases zero (the authors' train_val.prototxt)."""
    if isinstance(module, nn.Conv2d):
        fan_in = module.weight[0].numel()
        limit = (3 / fan_in) ** 0.5
        nn.init.uniform_(module.weight, -limit, limit)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
