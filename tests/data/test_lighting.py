"""Shifts along the principal components of ImageNet's colours."""

import torch

from lightning_modules.data.lighting import EIGENVALUES, EIGENVECTORS, Lighting


def shifts(deviation: float, images: int) -> torch.Tensor:
    """(images, 3), of images of one grey, as shares of 255."""
    grey = torch.full((3, 2, 2), 128, dtype=torch.uint8)
    lighting = Lighting(deviation)
    torch.manual_seed(0)
    shifted = [lighting(grey) for _ in range(images)]
    assert all(image.dtype == torch.uint8 and torch.equal(image, image[:, :1, :1].expand(3, 2, 2)) for image in shifted)
    return torch.stack([(image[:, 0, 0].float() - 128) / 255 for image in shifted])


def test_the_components_are_orthonormal() -> None:
    torch.testing.assert_close(EIGENVECTORS.T @ EIGENVECTORS, torch.eye(3), atol=2e-4, rtol=0)


def test_the_shift_varies_along_each_component_as_its_eigenvalue_says() -> None:
    found = shifts(0.3, 4000) @ EIGENVECTORS
    wanted = 0.3 * EIGENVALUES
    assert float(found.mean(0).abs().max()) < 0.005
    torch.testing.assert_close(found.std(0)[:2], wanted[:2], rtol=0.1, atol=0)
    assert float(found.std(0)[2]) < 0.003  # below a grey level: what rounding leaves of it


def test_bytes_stay_bytes() -> None:
    torch.manual_seed(0)
    for value in (0, 255):
        edge = torch.full((3, 1, 1), value, dtype=torch.uint8)
        values = {int(Lighting(1.0)(edge)[0, 0, 0]) for _ in range(50)}
        assert value in values and all(abs(found - value) < 250 for found in values)
