"""ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design.

Ma et al., 2018, arXiv:1807.11164. Table 5 (architecture), Figure 3c and 3d (units), and the authors' code,
megvii-model/ShuffleNet-Series (initialisation).
"""

from typing import Literal

import torch
from torch import Tensor, nn

from lightning_modules.errors import check_choice
from lightning_modules.nets.blocks import DepthwiseConv2d, channel_shuffle, check_multiplier, check_sizes
from lightning_modules.nets.shufflenet_v1 import init_as_the_authors

# Output channels of stage 2, 3, 4 and conv5 by scale (Table 5): they follow no common factor.
CHANNELS = {
    0.5: (48, 96, 192, 1024),
    1.0: (116, 232, 464, 1024),
    1.5: (176, 352, 704, 1024),
    2.0: (244, 488, 976, 2048),
}
CONV1_CHANNELS = 24
UNITS = (4, 8, 4)  # of stages 2 to 4; the first unit of each has stride 2


class ShuffleUnit(nn.Module):
    """A basic unit (Figure 3c) or, with stride 2, one for spatial down sampling (Figure 3d).

    Stride 1: (N, C, H, W) -> the same shape; half of the channels (the channel split) passes by, the other half goes
    through 1x1, 3x3 depthwise, 1x1. Stride 2: (N, C, H, W) -> (N, out_channels, ceil(H/2), ceil(W/2)); both branches
    have all channels. Then the two are concatenated and shuffled.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        half = out_channels // 2
        self.branch1 = nn.Sequential() if stride == 1 else _down_sampling(in_channels, half)
        self.branch2 = nn.Sequential(
            nn.Conv2d(half if stride == 1 else in_channels, half, kernel_size=1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
            DepthwiseConv2d(half, stride=stride),
            nn.BatchNorm2d(half),
            nn.Conv2d(half, half, kernel_size=1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
        )
        self.split = stride == 1

    def forward(self, x: Tensor) -> Tensor:
        x1, x2 = x.chunk(2, dim=1) if self.split else (x, x)
        return channel_shuffle(torch.cat([self.branch1(x1), self.branch2(x2)], dim=1), groups=2)


def _down_sampling(in_channels: int, out_channels: int) -> nn.Sequential:
    """The left branch of Figure 3d."""
    return nn.Sequential(
        DepthwiseConv2d(in_channels, stride=2),
        nn.BatchNorm2d(in_channels),
        nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class ShuffleNetV2(nn.Module):
    """ShuffleNet V2 ``scale`` x (Table 5).

    (N, in_channels, H, W) -> logits (N, num_classes). The authors' code has dropout before the classifier of 2x; the
    paper has none, nor has this net.

    Args:
        scale: 0.5, 1, 1.5 or 2: the widths that Table 5 gives.
        stem: "paper": conv1 has stride 2; a 224 px image leads to maps of 112, 56, 28, 14, 7. "small": stride 1, so that
            32 px lead to maps of 32, 16, 8, 4, 2.

    Raises:
        UserError: an argument is out of range.
    """

    def __init__(
        self,
        scale: float = 1.0,
        num_classes: int = 1000,
        in_channels: int = 3,
        stem: Literal["paper", "small"] = "paper",
    ):
        super().__init__()
        check_multiplier("arch.scale", scale)
        check_choice("arch.scale", scale, tuple(CHANNELS))
        check_choice("arch.stem", stem, ("paper", "small"))
        check_sizes(num_classes, in_channels)
        c1 = CONV1_CHANNELS
        c2, c3, c4, c5 = CHANNELS[scale]

        conv1 = nn.Conv2d(in_channels, c1, 3, stride=2 if stem == "paper" else 1, padding=1, bias=False)
        self.conv1 = nn.Sequential(conv1, nn.BatchNorm2d(c1), nn.ReLU(inplace=True))
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.stage2 = _stage(UNITS[0], c1, c2)
        self.stage3 = _stage(UNITS[1], c2, c3)
        self.stage4 = _stage(UNITS[2], c3, c4)
        conv5 = nn.Conv2d(c4, c5, kernel_size=1, bias=False)
        self.conv5 = nn.Sequential(conv5, nn.BatchNorm2d(c5), nn.ReLU(inplace=True))
        self.globalpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(c5, num_classes)
        self.apply(init_as_the_authors)
        nn.init.normal_(conv1.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.conv1(x))
        x = self.conv5(self.stage4(self.stage3(self.stage2(x))))
        return self.fc(self.globalpool(x).flatten(1))


def _stage(units: int, in_channels: int, out_channels: int) -> nn.Sequential:
    first = ShuffleUnit(in_channels, out_channels, stride=2)
    rest = [ShuffleUnit(out_channels, out_channels, stride=1) for _ in range(units - 1)]
    return nn.Sequential(first, *rest)
