"""PeleeNet: a DenseNet of conventional convolutions for mobile devices, and the DenseNet-41 that it grew from.

Wang et al., 2018, "Pelee: A Real-Time Object Detection System on Mobile Devices", arXiv:1804.06882. Table 1 (the
network), Figure 1 (two-way dense layer), Figure 2 (stem block), Figure 3 (bottleneck width), Table 2 (the ablation, each
of whose columns is an argument here), and the authors' PyTorch code (bottleneck factors, dropout, initialisation).
"""

from typing import Literal

import torch
from torch import Tensor, nn

from lightning_modules.errors import UserError, check_choice
from lightning_modules.nets.blocks import PointwiseConv2d, check_sizes

BOTTLENECK = (1, 2, 4, 4)  # dynamic width of each stage over the growth rate, in the authors' code; DenseNet's is 4
DEEPER = (3, 4, 8, 6)  # dense layers of each stage (Table 1)
# DenseNet-41 has 18 dense layers (1 + 2 * 18 + 3 transitions + 1 = 41), PeleeNet three more. The paper does not say which
# three. With these, its first four dense layers cost the 342 million multiply-adds of Figure 3(b), and the saving that
# the figure shows in them is the 28.5 % of the whole network (with its last 1x1 convolution) that the text speaks of.
SHALLOWER = (2, 3, 8, 5)


class Stem(nn.Module):
    """A cheap stem of two ways (Figure 2): (N, in_channels, H, W) -> (N, channels, H/4, W/4); with stride 1 H/2, W/2."""

    def __init__(self, in_channels: int, channels: int, stride: int):
        super().__init__()
        self.stem1 = conv(in_channels, channels, kernel_size=3, stride=stride)
        self.stem2a = conv(channels, channels // 2, kernel_size=1)
        self.stem2b = conv(channels // 2, channels, kernel_size=3, stride=2)
        self.pool = nn.MaxPool2d(kernel_size=2, stride=2, ceil_mode=True)  # as large as stem2b's map on odd sizes too
        self.stem3 = conv(2 * channels, channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem1(x)
        return self.stem3(torch.cat([self.pool(x), self.stem2b(self.stem2a(x))], dim=1))


class DenseNetStem(nn.Sequential):
    """DenseNet's stem, with the smaller convolution that section 2.2 gives DenseNet-41; shapes as Stem's."""

    def __init__(self, in_channels: int, channels: int, stride: int):
        super().__init__(
            conv(in_channels, channels, kernel_size=3, stride=stride),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
        )


class DenseLayer(nn.Module):
    """DenseNet's layer, or PeleeNet's with two ways (Figure 1): (N, C, H, W) -> (N, C + growth_rate, H, W).

    Each way of the two has half the bottleneck and half the growth rate; the second sees 5x5 pixels.
    """

    def __init__(self, in_channels: int, bottleneck: int, growth_rate: int, two_way: bool, post_activation: bool):
        super().__init__()

        def way(ways: int, convolutions: int) -> nn.Sequential:
            width, k = bottleneck // ways, growth_rate // ways
            layers = [conv(in_channels, width, 1, post_activation=post_activation)]
            for channels in (width, k)[:convolutions]:
                layers.append(conv(channels, k, 3, post_activation=post_activation))
            return nn.Sequential(*layers)

        self.branches = nn.ModuleList([way(2, 1), way(2, 2)] if two_way else [way(1, 1)])

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, *(branch(x) for branch in self.branches)], dim=1)


class PeleeNet(nn.Module):
    """PeleeNet (Table 1); with all six choices False, DenseNet-41, from which the ablation starts (Table 2).

    (N, in_channels, H, W) -> logits (N, num_classes).

    Args:
        growth_rate: channels that a dense layer adds (k), a multiple of 4. The stem has as many, DenseNet-41's three
            quarters: 32 and 24 in the paper. So the growth rate scales the whole net.
        no_compression: a transition keeps its channels; DenseNet halves them.
        post_activation: convolution, batch norm, ReLU; DenseNet has batch norm, ReLU, convolution. Comes with a 1x1
            convolution after the last stage (section 2.1, "Composite function"), where DenseNet has batch norm and ReLU.
        dynamic_bottleneck: the 1x1 convolution of a dense layer makes 1, 2, 4, 4 times ``growth_rate`` channels in stages
            1 to 4, and no more than it gets; DenseNet's always 4 times.
        stem_block: the stem of Figure 2; DenseNet-41 has a 3x3 convolution, then a max pool.
        two_way: the dense layer of Figure 1.
        deeper: 3, 4, 8, 6 dense layers instead of 2, 3, 8, 5.
        dropout: share of the pooled features; 0.05 in the authors' code.
        stem: "paper": a 224 px image leads to maps of 56, 28, 14, 7. "small": the first convolution has stride 1, so that
            32 px lead to maps of 16, 8, 4, 2.

    Weights are drawn as in the authors' code: convolutions normal with variance 2 / fan_out, the classifier normal with
    deviation 0.01.

    Raises:
        UserError: an argument is out of range.
    """

    def __init__(
        self,
        growth_rate: int = 32,
        no_compression: bool = True,
        post_activation: bool = True,
        dynamic_bottleneck: bool = True,
        stem_block: bool = True,
        two_way: bool = True,
        deeper: bool = True,
        dropout: float = 0.05,
        num_classes: int = 1000,
        in_channels: int = 3,
        stem: Literal["paper", "small"] = "paper",
    ):
        super().__init__()
        check_sizes(num_classes, in_channels)
        check_choice("arch.stem", stem, ("paper", "small"))
        if growth_rate < 4 or growth_rate % 4:
            raise UserError(f"arch.growth_rate={growth_rate}: must be a multiple of 4, such as the paper's 32")
        if not 0 <= dropout < 1:
            raise UserError(f"arch.dropout={dropout}: must be at least 0 and below 1")

        stride = 2 if stem == "paper" else 1
        layers: dict[str, nn.Module] = {}
        channels = growth_rate if stem_block else growth_rate * 3 // 4
        layers["stem"] = (Stem if stem_block else DenseNetStem)(in_channels, channels, stride)
        for stage, depth in enumerate(DEEPER if deeper else SHALLOWER):
            for index in range(depth):
                width = min(BOTTLENECK[stage] * growth_rate, channels) if dynamic_bottleneck else 4 * growth_rate
                dense = DenseLayer(channels, width, growth_rate, two_way, post_activation)
                layers[f"stage{stage + 1}_dense{index + 1}"] = dense
                channels += growth_rate
            if stage < 3:
                out_channels = channels if no_compression else channels // 2
                layers[f"transition{stage + 1}"] = nn.Sequential(
                    conv(channels, out_channels, 1, post_activation=post_activation),
                    nn.AvgPool2d(kernel_size=2, stride=2),
                )
                channels = out_channels
        layers["transition4"] = (
            conv(channels, channels, 1)
            if post_activation
            else nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
        )
        layers["pool"] = nn.AdaptiveAvgPool2d(1)
        layers["flatten"] = nn.Flatten()
        layers["dropout"] = nn.Dropout(dropout)
        layers["classifier"] = nn.Linear(channels, num_classes)

        self.layers = nn.Sequential()
        for name, layer in layers.items():
            self.layers.add_module(name, layer)
        self.apply(_init_as_the_authors)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def conv(
    in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, post_activation: bool = True
) -> nn.Sequential:
    """The composite function, after the convolution or before it; the convolution keeps the map's size over stride."""
    if kernel_size == 1:
        convolution = PointwiseConv2d(in_channels, out_channels)
    else:
        convolution = nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=False)
    if post_activation:
        return nn.Sequential(convolution, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))
    return nn.Sequential(nn.BatchNorm2d(in_channels), nn.ReLU(inplace=True), convolution)


def _init_as_the_authors(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
        nn.init.zeros_(module.bias)
