"""VGG-16, as torchvision has it.

Simonyan and Zisserman, 2014, "Very Deep Convolutional Networks for Large-Scale Image Recognition", arXiv:1409.1556:
Table 1, configuration D.
"""

from torch import nn
from torchvision.models import VGG
from torchvision.models.vgg import cfgs, make_layers

from lightning_modules.nets.blocks import check_sizes


class VGG16(VGG):
    """Thirteen 3x3 convolutions, three dense layers, no batch norm: (N, in_channels, H, W) -> logits (N, num_classes).

    Images need 32 px. Initialisation: torchvision's (He et al., fan out; dense layers normal with deviation 0.01). The
    paper trained a shallower net first and took over its layers; later it found random weights good enough.

    Raises:
        UserError: an argument is out of range.
    """

    def __init__(self, dropout: float = 0.5, num_classes: int = 1000, in_channels: int = 3):
        check_sizes(num_classes, in_channels)
        features = make_layers(cfgs["D"])
        features[0] = nn.Conv2d(in_channels, 64, kernel_size=3, padding=1)
        super().__init__(features, num_classes, dropout=dropout)
