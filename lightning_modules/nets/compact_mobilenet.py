"""Compact-MNet: MobileNet that halves its maps in each of its first three layers.

First described without numbers in a Chinese blog post on MobileNet; published with a full table as FD-MobileNet: Improved
MobileNet with a Fast Downsampling Strategy, Qin et al., 2018, arXiv:1802.03750 (their code: qinzheng93/FD-MobileNet).
That paper's is the architecture here (conf/paper/fd_mobilenet.yaml).
"""

from torch import Tensor, nn

from lightning_modules.nets.mobilenet_v1 import Stem, init_he, stack

# Output channels and stride of the depthwise separable layers: three strides of 2 in a row, with that of the first
# convolution. The 32-fold reduction is complete at the sixth layer, MobileNet's at the twelfth.
BODY = ((64, 2), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 4, (1024, 1))


class CompactMobileNet(nn.Module):
    """Compact-MNet, published as FD-MobileNet. The layers are MobileNet's, the initialisation the authors' code's.

    (N, in_channels, H, W) -> logits (N, num_classes).

    Args:
        width: the width multiplier of each layer's channels; the paper's are 1, 0.5 and 0.25.
        stem: stride of the first convolution. "paper": 2; a 224 px image leads to maps of 112, 56, 28, 14, 7. "small":
            1; a 32 px image leads to maps of 32, 16, 8, 4, 2.

    Raises:
        UserError: an argument is none of these.
    """

    def __init__(self, width: float = 1.0, stem: Stem = "paper", num_classes: int = 1000, in_channels: int = 3):
        super().__init__()
        self.layers = stack(BODY, width, stem, num_classes, in_channels)
        self.apply(init_he)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
