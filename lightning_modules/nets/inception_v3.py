"""Inception-v3, as torchvision has it.

Szegedy et al., 2015, "Rethinking the Inception Architecture for Computer Vision", arXiv:1512.00567: Table 1.
"""

from torch import nn
from torchvision.models import Inception3
from torchvision.models.inception import BasicConv2d

from lightning_modules.nets.blocks import check_sizes


class InceptionV3(Inception3):
    """Eleven inception modules: (N, in_channels, H, W) -> logits (N, num_classes).

    Images need 75 px; the paper's have 299. Without the auxiliary classifier, as papers, timm and pytorchcv count it
    (torchvision prints the parameters with it). Initialisation: torchvision's, normal with deviation 0.1. (It cuts at 20
    deviations, which takes long and changes nothing.)

    Raises:
        UserError: an argument is out of range.
    """

    def __init__(self, dropout: float = 0.5, num_classes: int = 1000, in_channels: int = 3):
        check_sizes(num_classes, in_channels)
        super().__init__(num_classes, aux_logits=False, init_weights=False, dropout=dropout)
        self.Conv2d_1a_3x3 = BasicConv2d(in_channels, 32, kernel_size=3, stride=2)
        self.apply(_init_as_torchvision)


def _init_as_torchvision(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.normal_(module.weight, std=0.1)
