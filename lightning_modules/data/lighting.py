"""AlexNet's colour augmentation: a shift along the principal components of ImageNet's colours."""

import torch
from torch import Tensor, nn

# Of the covariance of ImageNet's RGB values, as shares of 255: from fb.resnet.torch, which most code takes them from.
EIGENVALUES = torch.tensor([0.2175, 0.0188, 0.0045])
EIGENVECTORS = torch.tensor(  # one a column
    [[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]
)


class Lighting(nn.Module):
    """Adds to every pixel of (3, H, W) uint8 the same random colour (Krizhevsky et al. 2012, section 4.1).

    Args:
        deviation: of the normal distribution from which each component's share of its eigenvalue is drawn; the
            paper's is 0.1.
    """

    def __init__(self, deviation: float):
        super().__init__()
        self.deviation = deviation

    def forward(self, image: Tensor) -> Tensor:
        shift = 255 * EIGENVECTORS @ (EIGENVALUES * torch.randn(3) * self.deviation)
        return (image + shift[:, None, None]).round_().clamp_(0, 255).to(torch.uint8)
