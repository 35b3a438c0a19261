"""GoogLeNet (Inception v1), as torchvision has it.

Szegedy et al., 2014, "Going Deeper with Convolutions", arXiv:1409.4842: Table 1. Two things differ from the paper: batch
norm behind each convolution, and 3x3 where the paper has 5x5 convolutions.
"""

from torch import nn
from torchvision.models import GoogLeNet as TorchvisionGoogLeNet
from torchvision.models.googlenet import BasicConv2d

from lightning_modules.nets.blocks import check_sizes


class GoogLeNet(TorchvisionGoogLeNet):
    """Nine inception modules: (N, in_channels, H, W) -> logits (N, num_classes). Images need 15 px.

    Without the two auxiliary classifiers, which help training only: the parameters that papers and torchvision print are
    those without. Initialisation: torchvision's, normal with deviation 0.01. (It cuts at 200 deviations, which takes long
    and changes nothing.)

    Raises:
        UserError: an argument is out of range.
    """

    def __init__(self, dropout: float = 0.2, num_classes: int = 1000, in_channels: int = 3):
        check_sizes(num_classes, in_channels)
        super().__init__(num_classes, aux_logits=False, init_weights=False, dropout=dropout)
        self.conv1 = BasicConv2d(in_channels, 64, kernel_size=7, stride=2, padding=3)
        self.apply(_init_as_torchvision)


def _init_as_torchvision(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.normal_(module.weight, std=0.01)
