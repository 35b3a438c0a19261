"""The small MobileNetV2 of the landmark cascade: the same net for both levels.

Yu Tingsong, "Cascaded MobileNet-V2 for facial landmarks" (in Chinese), March 2018, and the network files beside it. Its
blocks are those of Sandler et al., 2018, arXiv:1801.04381, with ReLU in place of ReLU6.
"""

from collections import OrderedDict

from torch import Tensor, nn

from lightning_modules.errors import UserError, check_choice
from lightning_modules.nets.blocks import DepthwiseConv2d, PointwiseConv2d, check_sizes

FIRST = 16  # channels of the first convolution
STAGES = (24, 32, 64)  # output channels; two blocks each, the first of which has stride 2
MAP = 3  # pixels of a side of the last map, of 48 px
FEATURES = 256


class LandmarkMobileNetV2(nn.Module):
    """(N, in_channels, H, W) -> (N, num_classes): x and y of each point, so twice as many numbers as points.

    48 px lead to maps of 24, 12, 6 and 3. With images of another size the last map is averaged to 3x3, so that the net
    has the same parameters: 264,890 with t = 6 in all blocks, 3 channels and 5 points.

    Args:
        t: expansion of the blocks.
        last_t: of the last block, which the article's table has as 6 and its network file as 3 (237,818 parameters).
        dropout: share of the dense layer's features set to zero in training.

    Raises:
        UserError: an argument is out of range.
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 3, t: int = 6, last_t: int = 6, dropout: float = 0.1):
        super().__init__()
        check_sizes(num_classes, in_channels)
        check_choice("arch.last_t", last_t, (3, 6))
        if t < 2:
            raise UserError(f"arch.t={t}: must be 2 or more")
        if not 0 <= dropout < 1:
            raise UserError(f"arch.dropout={dropout}: must be at least 0 and below 1")
        self.conv1 = _conv_bn_relu(nn.Conv2d(in_channels, FIRST, 3, 2, padding=1, bias=False))
        channels = FIRST
        for number, width in enumerate(STAGES, start=1):
            last = number == len(STAGES)
            self.add_module(
                f"stage{number}",
                nn.Sequential(
                    InvertedResidual(channels, width, 2, t),
                    InvertedResidual(width, width, 1, last_t if last else t),
                ),
            )
            channels = width
        self.pool = nn.AdaptiveAvgPool2d(MAP)
        self.fc1 = nn.Linear(channels * MAP * MAP, FEATURES)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(FEATURES, num_classes)
        self.apply(_init_as_the_author)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        for number in range(1, len(STAGES) + 1):
            x = self.get_submodule(f"stage{number}")(x)
        x = self.relu(self.fc1(self.pool(x).flatten(1)))
        return self.fc2(self.dropout(x))


class InvertedResidual(nn.Module):
    """1x1 expansion, 3x3 depthwise, linear 1x1 projection; x added where stride and channels allow.

    (N, in_channels, H, W) -> (N, out_channels, ceil(H/stride), ceil(W/stride)).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, t: int):
        super().__init__()
        expanded = t * in_channels
        self.expansion = _conv_bn_relu(PointwiseConv2d(in_channels, expanded))
        self.depthwise = _conv_bn_relu(DepthwiseConv2d(expanded, stride=stride))
        self.projection = nn.Sequential(
            OrderedDict(conv=PointwiseConv2d(expanded, out_channels), bn=nn.BatchNorm2d(out_channels))
        )
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        y = self.projection(self.depthwise(self.expansion(x)))
        return x + y if self.residual else y


def _conv_bn_relu(convolution: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(OrderedDict(conv=convolution, bn=nn.BatchNorm2d(convolution.out_channels), relu=nn.ReLU()))


def _init_as_the_author(module: nn.Module) -> None:
    """He's normal initialisation of convolutions, from the number of their inputs; dense layers with deviation 0.01."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
        nn.init.zeros_(module.bias)
