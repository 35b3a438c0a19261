"""The whole cascade as one ONNX file: pictures in, the points of all levels out, the crops in the graph."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch

from lightning_modules.errors import CorruptFileError
from lightning_modules.landmark_cascade import Cascade
from lightning_modules.onnx_files import OPSET, _bare, _options, _quiet
from lightning_modules.random_streams import stream

INPUT, OUTPUT = "pictures", "points"
TOLERANCE = 1e-3  # pixels between PyTorch's points and ONNX Runtime's
SIZES = ((2, 128, 128), (1, 97, 160))  # number, height and width of the pictures that the file is compared on


class OnnxCascade:
    """A file's cascade: pictures (N, 3, H, W) from 0 to 255 -> points (levels, N, K, 2) float32, in pixels.

    Raises:
        CorruptFileError: it is no ONNX file, ONNX Runtime can't run it, or it was not exported here.
    """

    def __init__(self, model: Path | bytes, threads: int = 1):
        name, content = ("ONNX file", model) if isinstance(model, bytes) else (str(model), model.read_bytes())
        try:
            self._session = onnxruntime.InferenceSession(content, _options(threads), ["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own have no other base
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise CorruptFileError(f"{name}: ONNX Runtime can't read it ({reason}); export it anew") from error
        names = [one.name for one in (*self._session.get_inputs(), *self._session.get_outputs())]
        if names != [INPUT, OUTPUT]:
            raise CorruptFileError(f"{name}: is no cascade that was exported here, with {INPUT} and {OUTPUT}")
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)

    def __call__(self, pictures: npt.ArrayLike) -> npt.NDArray[np.float32]:
        (points,) = self._session.run([OUTPUT], {INPUT: np.ascontiguousarray(pictures, np.float32)})
        return np.asarray(points)


def exported(cascade: Cascade, metadata: Mapping[str, str] | None = None, points: Sequence[str] = ()) -> bytes:
    """The file's content, checked: valid, and equal to ``cascade`` in ONNX Runtime for pictures of several sizes.

    Args:
        metadata: texts to keep in the file.
        points: their names, kept in the file as JSON.

    Raises:
        RuntimeError: points differ by more than ``TOLERANCE``.
    """
    cascade = cascade.cpu().eval()
    example = torch.zeros(2, 3, 96, 128)
    names = ("N", "H", "W")
    number, height, width = (torch.export.Dim(name, min=2) if name != "N" else torch.export.Dim(name) for name in names)
    with torch.no_grad(), _quiet():
        program = torch.onnx.export(
            cascade,
            (example,),
            input_names=[INPUT],
            output_names=[OUTPUT],
            opset_version=OPSET,
            dynamic_shapes=({0: number, 2: height, 3: width},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # which it is for the old exporter only
    proto = _bare(program.model_proto)
    onnx.helper.set_model_props(proto, {"points": json.dumps(list(points)), **(metadata or {})})
    onnx.checker.check_model(proto, full_check=True)
    content = proto.SerializeToString()
    compare(cascade, OnnxCascade(content))
    return content


def compare(cascade: Cascade, other: OnnxCascade) -> None:
    """Raises RuntimeError where the two differ by more than ``TOLERANCE`` pixels."""
    for number, height, width in SIZES:
        coarse = 255 * torch.rand(number, 3, 8, 8, generator=stream("onnx", height, width))
        # As smooth as photos: on noise, crops that differ by rounding show something else.
        pictures = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=True)
        with torch.no_grad():
            difference = float((torch.from_numpy(other(pictures)) - cascade(pictures)).abs().max())
        if not difference <= TOLERANCE:
            raise RuntimeError(f"the exported cascade differs from PyTorch's by {difference:.2g} pixels")
