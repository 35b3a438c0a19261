"""The cascade as one ONNX file: its points are PyTorch's, for pictures of any size and number."""

import numpy as np
import pytest
import torch

from lightning_modules.errors import CorruptFileError
from lightning_modules.landmark_onnx import OnnxCascade, exported
from tests.faces_made import faces
from tests.test_landmark_cascade import cascade


@pytest.mark.slow
def test_points_are_pytorch_s_to_a_thousandth_of_a_pixel() -> None:
    made = cascade()
    content = exported(made, {"run": "made"}, ["a", "b", "c", "d", "e"])
    net = OnnxCascade(content)
    assert net.metadata == {"run": "made", "points": '["a", "b", "c", "d", "e"]'}
    for number, size in ((1, 64), (5, 100), (2, 251)):
        pictures = faces(number, size, size).images.transpose(0, 3, 1, 2)  # type: ignore[union-attr]
        with torch.no_grad():
            expected = made(torch.from_numpy(np.ascontiguousarray(pictures))).numpy()
        assert np.abs(net(pictures) - expected).max() < 1e-3
    assert b".py" not in content  # no source of this machine


def test_a_file_that_is_none() -> None:
    with pytest.raises(CorruptFileError, match="ONNX Runtime can't read it"):
        OnnxCascade(b"nothing")
