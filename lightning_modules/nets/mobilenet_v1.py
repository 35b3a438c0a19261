"""MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications.

Howard et al., 2017, arXiv:1704.04861. Table 1 (body), Figure 3 (a layer), section 3.3 (width multiplier), Tables 4 and 5
(its full-convolution and its shallow twin). Initialisation: the authors' TensorFlow-Slim code, mobilenet_v1.py.
"""

from collections.abc import Callable, Iterable
from typing import Literal

from torch import Tensor, nn

from lightning_modules.errors import check_choice
from lightning_modules.nets.blocks import DepthwiseConv2d, PointwiseConv2d, check_multiplier, check_sizes

Stem = Literal["paper", "small"]

# Output channels and stride of each layer after the first one. Table 1 prints stride 2 for the last depthwise
# convolution as well, but its map is 7x7 before and after (conf/paper/discrepancies.yaml, D16).
BEFORE, ALIKE, AFTER = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)), (512, 1), ((1024, 2), (1024, 1))
BODY = (*BEFORE, ALIKE, ALIKE, ALIKE, ALIKE, ALIKE, *AFTER)
SHALLOW_BODY = (*BEFORE, *AFTER)
FIRST_CHANNELS = 32
MIN_CHANNELS = 8  # of a narrow net's layer, in the authors' code


class Conv(nn.Sequential):
    """A 3x3 convolution, batch norm and ReLU (Figure 3, left).

    (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)


class DepthwiseSeparable(nn.Sequential):
    """A 3x3 depthwise, then a 1x1 convolution, with batch norm and ReLU after each (Figure 3, right).

    (N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        self.conv_dw = DepthwiseConv2d(in_channels, stride=stride)
        self.bn_dw = nn.BatchNorm2d(in_channels)
        self.relu_dw = nn.ReLU(inplace=True)
        self.conv_pw = PointwiseConv2d(in_channels, out_channels)
        self.bn_pw = nn.BatchNorm2d(out_channels)
        self.relu_pw = nn.ReLU(inplace=True)


class MobileNetV1(nn.Module):
    """MobileNet (Table 1), Conv MobileNet (Table 4) or Shallow MobileNet (Table 5).

    (N, in_channels, H, W) -> logits (N, num_classes).

    Args:
        width: the width multiplier alpha of each layer's channels; the paper's are 1, 0.75, 0.5 and 0.25.
        convolution: "separable", or "full" 3x3 convolutions in the place of the depthwise separable ones.
        shallow: without the five layers of 14x14 maps and 512 channels.
        stem: stride of the first convolution. "paper": 2; a 224 px image leads to maps of 112, 56, 28, 14, 7. "small":
            1; a 32 px image leads to maps of 32, 16, 8, 4, 2.
        init: "slim", the authors', or "he", with which the authors of FD-MobileNet trained their own MobileNets.

    Raises:
        UserError: an argument is none of these.
    """

    def __init__(
        self,
        width: float = 1.0,
        convolution: Literal["separable", "full"] = "separable",
        shallow: bool = False,
        stem: Stem = "paper",
        init: Literal["slim", "he"] = "slim",
        num_classes: int = 1000,
        in_channels: int = 3,
    ):
        super().__init__()
        check_choice("arch.convolution", convolution, ("separable", "full"))
        check_choice("arch.shallow", shallow, (True, False))
        check_choice("arch.init", init, ("slim", "he"))
        layer = DepthwiseSeparable if convolution == "separable" else Conv
        body = SHALLOW_BODY if shallow else BODY
        self.layers = stack(body, width, stem, num_classes, in_channels, layer)
        self.apply(init_as_slim if init == "slim" else init_he)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def stack(
    body: Iterable[tuple[int, int]],
    width: float,
    stem: Stem,
    num_classes: int,
    in_channels: int,
    layer: Callable[[int, int, int], nn.Module] = DepthwiseSeparable,
) -> nn.Sequential:
    """conv0, conv1, ..., avgpool, fc: a MobileNet with a ``layer`` for each (channels, stride) of ``body``.

    Raises:
        UserError: a width that is not above 0, an unknown stem, no class or no input channel.
    """
    check_multiplier("arch.width", width)
    check_choice("arch.stem", stem, ("paper", "small"))
    check_sizes(num_classes, in_channels)
    channels = scaled(FIRST_CHANNELS, width)
    layers = nn.Sequential()
    layers.add_module("conv0", Conv(in_channels, channels, stride=2 if stem == "paper" else 1))
    for index, (base, stride) in enumerate(body, start=1):
        layers.add_module(f"conv{index}", layer(channels, scaled(base, width), stride))
        channels = scaled(base, width)
    layers.add_module("avgpool", nn.AdaptiveAvgPool2d(1))
    layers.add_module("flatten", nn.Flatten())
    layers.add_module("fc", nn.Linear(channels, num_classes))
    return layers


def scaled(channels: int, width: float) -> int:
    """alpha times the channels, cut to a whole number, at least 8 (the authors' code)."""
    return max(MIN_CHANNELS, int(channels * width))


def init_as_slim(module: nn.Module) -> None:
    """Normal with deviation 0.09, cut at two deviations, for each kind of layer; bias zero (mobilenet_v1_arg_scope)."""
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.trunc_normal_(module.weight, std=0.09, a=-0.18, b=0.18)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def init_he(module: nn.Module) -> None:
    """Normal with variance 2 / fan: fan-in for depthwise, fan-out for other layers; bias zero (FD-MobileNet's code).

    That code means the first convolution, too, but misses it by a misspelt name.
    """
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        mode = "fan_in" if isinstance(module, DepthwiseConv2d) else "fan_out"
        nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
