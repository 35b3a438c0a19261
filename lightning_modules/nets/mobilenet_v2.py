"""MobileNetV2: Inverted Residuals and Linear Bottlenecks.

Sandler et al., 2018, arXiv:1801.04381. Table 1 and Figure 4(d) (bottleneck), Table 2 (architecture), section 5 (width
multiplier), and the authors' TensorFlow-Slim files (rounding of widths, initialisation, dropout).
"""

from typing import Literal

from torch import Tensor, nn

from lightning_modules.errors import UserError, check_choice
from lightning_modules.nets.blocks import DepthwiseConv2d, PointwiseConv2d, check_multiplier, check_sizes

# Table 2: expansion t, output channels c, repeats n, stride s of the first of them.
BOTTLENECKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
FIRST, LAST = 32, 1280  # channels of the first convolution and of the last one before the pool


class Bottleneck(nn.Module):
    """Inverted residual (Table 1): 1x1 expansion, 3x3 depthwise, linear 1x1 projection; x added where shapes agree.

    (N, in_channels, H, W) -> (N, out_channels, ceil(H/stride), ceil(W/stride)). With t = 1 there is no expansion: the
    authors' code and the parameters they print leave that layer out.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, t: int):
        super().__init__()
        expanded = t * in_channels
        self.expansion = conv_bn_relu6(PointwiseConv2d(in_channels, expanded)) if t > 1 else nn.Identity()
        self.depthwise = conv_bn_relu6(DepthwiseConv2d(expanded, stride=stride))
        self.projection = nn.Sequential(PointwiseConv2d(expanded, out_channels), nn.BatchNorm2d(out_channels))
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        y = self.projection(self.depthwise(self.expansion(x)))
        return x + y if self.residual else y


class MobileNetV2(nn.Module):
    """MobileNetV2 (Table 2). (N, in_channels, H, W) -> logits (N, num_classes).

    Args:
        width: multiplies the channels of every layer, rounded to multiples of 8 (see ``scaled``). Below 1 the last
            convolution keeps its 1280 (section 5). The paper's: 0.35, 0.5, 0.75, 1.0, 1.4.
        stem: stride of the first convolution. "paper": 2, a 224 px image leads to maps of 112, 56, 28, 14, 7 and one of
            32 px to 16, 8, 4, 2, 1. "small": 1, and 32 px lead to maps of 32, 16, 8, 4, 2.
        dropout: share of the pooled features set to zero in training; the authors' code keeps 0.8 of them.

    Batch norm's epsilon and momentum are PyTorch's; the authors' running statistics (decay 0.997) are for longer runs.

    Raises:
        UserError: an argument is out of range.
    """

    def __init__(
        self,
        width: float = 1.0,
        num_classes: int = 1000,
        in_channels: int = 3,
        stem: Literal["paper", "small"] = "paper",
        dropout: float = 0.2,
    ):
        super().__init__()
        check_multiplier("arch.width", width)
        check_choice("arch.stem", stem, ("paper", "small"))
        check_sizes(num_classes, in_channels)
        if not 0 <= dropout < 1:
            raise UserError(f"arch.dropout={dropout}: must be at least 0 and below 1")

        channels = scaled(FIRST, width)
        stride = 2 if stem == "paper" else 1
        self.conv1 = conv_bn_relu6(nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False))
        for number, (t, c, n, s) in enumerate(BOTTLENECKS, start=1):
            blocks = nn.Sequential()
            for i in range(n):
                blocks.append(Bottleneck(channels, scaled(c, width), s if i == 0 else 1, t))
                channels = scaled(c, width)
            self.add_module(f"bottleneck{number}", blocks)
        last = scaled(LAST, max(width, 1.0))
        self.conv2 = conv_bn_relu6(PointwiseConv2d(channels, last))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(last, num_classes)  # Table 2's last row: on a 1x1 map, a 1x1 convolution
        self.apply(_init_as_the_authors)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        for number in range(1, len(BOTTLENECKS) + 1):
            x = self.get_submodule(f"bottleneck{number}")(x)
        x = self.avgpool(self.conv2(x))
        return self.classifier(self.dropout(x.flatten(1)))


def scaled(channels: int, width: float) -> int:
    """``channels`` times ``width``, to the nearest multiple of 8, at least 8 and never below 90 % of the product.

    The paper does not say how it rounds. This is the authors' code (slim/nets/mobilenet/mobilenet.py), and it gives the
    parameters of all their released checkpoints; those printed for width 1.4 can't be reproduced (discrepancies, D17).
    """
    exact = channels * width
    rounded = max(8, int(exact + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * exact else rounded + 8


def conv_bn_relu6(convolution: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU6())  # in place it is slower


def _init_as_the_authors(module: nn.Module) -> None:
    """Normal with deviation 0.09, cut off at two deviations; biases zero (training_scope in slim's mobilenet.py)."""
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.trunc_normal_(module.weight, std=0.09, a=-0.18, b=0.18)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
