"""ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices.

Zhang et al., 2017, arXiv:1707.01083. Table 1 (architecture), Figure 2 (unit), section 3.2 (bottleneck), sections 4.1.1
and 4.1.2 (groups, shuffle), and the authors' code, megvii-model/ShuffleNet-Series (initialisation, filters of conv1).
"""

from typing import Literal

import torch
from torch import Tensor, nn

from lightning_modules.errors import UserError, check_choice
from lightning_modules.nets.blocks import DepthwiseConv2d, channel_shuffle, check_multiplier, check_sizes

STAGE2_CHANNELS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}  # by groups, at 1x (Table 1); stages 3 and 4 double them
UNITS = (4, 8, 4)  # of stages 2 to 4; the first unit of each has stride 2
PAPER_SCALES = "0.25, 0.5, 1, 1.5 and 2"


class ShuffleUnit(nn.Module):
    """1x1 group convolution, channel shuffle, 3x3 depthwise, 1x1 group convolution, and a shortcut (Figure 2b, 2c).

    Stride 1 adds the input: (N, in_channels, H, W) -> the same shape. Stride 2 concatenates its 3x3 average pool:
    -> (N, out_channels, ceil(H/2), ceil(W/2)). The paper doesn't say which of the two comes first there; swapped, the
    net is the same with its channels numbered backwards.

    Args:
        first_groups: groups of the first 1x1 convolution.
        groups: of the shuffle and of the second 1x1 convolution.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, first_groups: int, groups: int, shuffle: bool):
        super().__init__()
        middle = bottleneck(out_channels, groups)
        residual = out_channels if stride == 1 else out_channels - in_channels
        self.shuffle_groups = groups if shuffle else 1
        self.gconv1 = nn.Conv2d(in_channels, middle, kernel_size=1, groups=first_groups, bias=False)
        self.bn1 = nn.BatchNorm2d(middle)
        self.dwconv = DepthwiseConv2d(middle, stride=stride)
        self.bn2 = nn.BatchNorm2d(middle)
        self.gconv2 = nn.Conv2d(middle, residual, kernel_size=1, groups=groups, bias=False)
        self.bn3 = nn.BatchNorm2d(residual)
        self.avgpool = nn.AvgPool2d(kernel_size=3, stride=2, padding=1) if stride == 2 else None

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.gconv1(x)))
        if self.shuffle_groups > 1:
            y = channel_shuffle(y, self.shuffle_groups)
        y = self.bn3(self.gconv2(self.bn2(self.dwconv(y))))
        if self.avgpool is None:
            return torch.relu(x + y)
        return torch.relu(torch.cat([y, self.avgpool(x)], dim=1))


class ShuffleNetV1(nn.Module):
    """ShuffleNet ``scale`` x with ``groups`` groups (Table 1).

    (N, in_channels, H, W) -> logits (N, num_classes).

    Args:
        groups: of the 1x1 convolutions (g): 1, 2, 3, 4 or 8, each with the widths that Table 1 gives it. The first one
            of stage 2 has too few inputs and is not grouped (section 3.3).
        scale: factor on the channels of the stages; the paper's are 0.25, 0.5, 1, 1.5 and 2.
        shuffle: whether channels are shuffled behind the first 1x1 convolution of each unit (section 4.1.2).
        stem: "paper": conv1 has stride 2; a 224 px image leads to maps of 112, 56, 28, 14, 7. "small": stride 1, so that
            32 px lead to maps of 32, 16, 8, 4, 2.

    Raises:
        UserError: an argument is out of range, or the groups don't divide a stage's channels at this scale.
    """

    def __init__(
        self,
        groups: int = 3,
        scale: float = 1.0,
        shuffle: bool = True,
        num_classes: int = 1000,
        in_channels: int = 3,
        stem: Literal["paper", "small"] = "paper",
    ):
        super().__init__()
        check_choice("arch.groups", groups, tuple(STAGE2_CHANNELS))
        check_multiplier("arch.scale", scale)
        check_choice("arch.shuffle", shuffle, (True, False))
        check_choice("arch.stem", stem, ("paper", "small"))
        check_sizes(num_classes, in_channels)
        groups = int(groups)  # of 3.0, which the choice lets pass
        c1 = conv1_channels(groups, scale)
        c2, c3, c4 = stage_channels(groups, scale)

        conv1 = nn.Conv2d(in_channels, c1, 3, stride=2 if stem == "paper" else 1, padding=1, bias=False)
        self.conv1 = nn.Sequential(conv1, nn.BatchNorm2d(c1), nn.ReLU(inplace=True))
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.stage2 = _stage(UNITS[0], c1, c2, 1, groups, shuffle)
        self.stage3 = _stage(UNITS[1], c2, c3, groups, groups, shuffle)
        self.stage4 = _stage(UNITS[2], c3, c4, groups, groups, shuffle)
        self.globalpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(c4, num_classes)
        self.apply(init_as_the_authors)
        nn.init.normal_(conv1.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.conv1(x))
        x = self.stage4(self.stage3(self.stage2(x)))
        return self.fc(self.globalpool(x).flatten(1))


def _stage(
    units: int, in_channels: int, out_channels: int, first_groups: int, groups: int, shuffle: bool
) -> nn.Sequential:
    """``first_groups``: groups of the stage's first 1x1 convolution."""
    first = ShuffleUnit(in_channels, out_channels, 2, first_groups, groups, shuffle)
    rest = [ShuffleUnit(out_channels, out_channels, 1, groups, groups, shuffle) for _ in range(units - 1)]
    return nn.Sequential(first, *rest)


def bottleneck(out_channels: int, groups: int) -> int:
    """A quarter of a unit's output channels (section 3.2), as the nearest multiple of ``groups``.

    The quarter is no multiple in stage 2 at g = 4 and 0.5x, for one, a net of which the paper prints the error but not
    the channels.
    """
    return max(1, int(out_channels / 4 / groups + 0.5)) * groups


def conv1_channels(groups: int, scale: float) -> int:
    """The filters of conv1, which don't follow ``scale``.

    24 at 1x and 1.5x, 48 at 2x, 12 at 0.5x and there 16 at g = 8 (the authors' code). At 0.25x their code has no net: 12
    again, and at g = 8, which doesn't divide what 12 leave to the first unit, 8; both come nearest to the 13 MFLOPs
    of Table 2.
    """
    if scale >= 1:
        return 48 if scale >= 2 else 24
    if groups == 8:
        return 16 if scale >= 0.5 else 8
    return 12


def stage_channels(groups: int, scale: float) -> list[int]:
    """The output channels of stages 2 to 4. Raises UserError where they are no multiple of ``groups``."""
    found = []
    for stage in (2, 3, 4):
        exact = scale * STAGE2_CHANNELS[groups] * 2 ** (stage - 2)
        width = round(exact)
        if abs(exact - width) > 1e-6 or width % groups:
            raise UserError(
                f"arch.scale={scale}: stage{stage} would have {exact:g} channels, no multiple of arch.groups={groups}; "
                f"the paper's scales are {PAPER_SCALES}"
            )
        found.append(width)
    conv1 = conv1_channels(groups, scale)
    if found[0] <= conv1:
        raise UserError(
            f"arch.scale={scale}: stage2 would have {found[0]} channels, no more than the {conv1} of conv1 that it takes "
            f"over; the paper's scales are {PAPER_SCALES}"
        )
    return found


def init_as_the_authors(module: nn.Module) -> None:
    """The authors' code of both ShuffleNets: normal, with a deviation of 1 / (inputs of a filter) and, in fc, 0.01."""
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, std=1.0 / module.weight.shape[1])
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.ones_(module.weight)
        nn.init.constant_(module.bias, 0.0001)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
        nn.init.zeros_(module.bias)
