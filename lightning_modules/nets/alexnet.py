"""AlexNet, in one tower as torchvision has it, or in the two of the paper.

Krizhevsky et al., 2012, "ImageNet Classification with Deep Convolutional Neural Networks": two towers (Figure 2) and
local response normalisation (section 3.3). Krizhevsky, 2014, "One weird trick for parallelizing convolutional neural
networks", arXiv:1404.5997: one tower, other widths, no normalisation; torchvision's implementation.
"""

from torch import nn
from torchvision.models import AlexNet as OneTower

from lightning_modules.errors import check_choice
from lightning_modules.nets.blocks import check_sizes

HIDDEN = 4096  # numbers between the dense layers
MAP = 6 * 6  # pixels of the map that the first of them sees


class AlexNet(OneTower):
    """AlexNet of 2014 or, with two groups, of 2012.

    (N, in_channels, H, W) -> logits (N, num_classes). Images need 63 px, or 67 where the first convolution is not padded;
    the paper's have 227 (it says 224, but 227 lead to its map of 55 px after the first convolution).

    Args:
        groups: 1: torchvision's. 2: the paper's, whose second, fourth and fifth convolution see one tower each.
        narrow: layers have one in so many of their channels, 1 (all), 2, 4, 8 or 16.
        stem: "paper"; or "small": the first convolution of two towers is padded, as that of one always is.
        dropout: share of the inputs of the first two dense layers.

    One tower starts as torchvision's, with PyTorch's own initialisation; two as in section 5 of the paper: weights normal
    with deviation 0.01, biases 1 in the second, fourth and fifth convolution and the hidden dense layers, else 0.

    Raises:
        UserError: an argument is out of range.
    """

    def __init__(
        self,
        groups: int = 1,
        narrow: int = 1,
        stem: str = "paper",
        dropout: float = 0.5,
        num_classes: int = 1000,
        in_channels: int = 3,
    ):
        check_sizes(num_classes, in_channels)
        check_choice("arch.groups", groups, (1, 2))
        check_choice("arch.narrow", narrow, (1, 2, 4, 8, 16))
        check_choice("arch.stem", stem, ("paper", "small"))
        nn.Module.__init__(self)
        last, hidden = 256 // narrow, HIDDEN // narrow
        padding = 2 if stem == "small" else 0
        self.features = _one_tower(in_channels, narrow) if groups == 1 else _two_towers(in_channels, narrow, padding)
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(last * MAP, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, num_classes),
        )
        if groups == 2:
            _init_as_the_author(self)


def _one_tower(in_channels: int, narrow: int) -> nn.Sequential:
    """(N, in_channels, 224, 224) -> (N, 256 / narrow, 6, 6)."""
    a, b, c, d = (channels // narrow for channels in (64, 192, 384, 256))
    return nn.Sequential(
        nn.Conv2d(in_channels, a, kernel_size=11, stride=4, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(a, b, kernel_size=5, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(b, c, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(c, d, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(d, d, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(kernel_size=3, stride=2),
    )


def _two_towers(in_channels: int, narrow: int, padding: int) -> nn.Sequential:
    """(N, in_channels, 227, 227) -> (N, 256 / narrow, 6, 6)."""
    a, b, c = (channels // narrow for channels in (96, 256, 384))
    return nn.Sequential(
        nn.Conv2d(in_channels, a, kernel_size=11, stride=4, padding=padding),
        nn.ReLU(inplace=True),
        _response_norm(),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(a, b, kernel_size=5, padding=2, groups=2),
        nn.ReLU(inplace=True),
        _response_norm(),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(b, c, kernel_size=3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(c, c, kernel_size=3, padding=1, groups=2),
        nn.ReLU(inplace=True),
        nn.Conv2d(c, b, kernel_size=3, padding=1, groups=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(kernel_size=3, stride=2),
    )


def _response_norm() -> nn.LocalResponseNorm:
    """Section 3.3. The paper's alpha, 1e-4, is a factor of the sum over 5 channels; PyTorch's of their mean."""
    return nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)


def _init_as_the_author(net: OneTower) -> None:
    layers = [module for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    conv1, _, conv3, *_, fc8 = layers
    for layer in layers:
        nn.init.normal_(layer.weight, std=0.01)
        if layer.bias is not None:
            nn.init.constant_(layer.bias, 0.0 if layer in (conv1, conv3, fc8) else 1.0)
