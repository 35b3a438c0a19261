"""Nets as ONNX files, in float32 or in int8 that is really computed in int8, and their inference with ONNX Runtime.

A file's content is bytes here: who calls writes them. ``exported`` makes it of a net, ``quantised`` makes the int8 one of
that (onnxruntime.quantization's work, not ours), ``OnnxNet`` runs either, ``arithmetic`` says what it computes in.
"""

import itertools
import json
import logging
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from torch import nn

from lightning_modules.compression.quantization import plain
from lightning_modules.errors import CorruptFileError, UserError
from lightning_modules.random_streams import stream

OPSET = 20  # the exporter's own, so that nothing has to be converted
TOLERANCE = 1e-4  # between PyTorch's and ONNX Runtime's outputs, as a share of the largest where that is above 1
INPUT, OUTPUT = "images", "logits"
PRODUCTS = ("Conv", "Gemm", "MatMul")  # in the names of the operators that multiply by weights


@dataclass(frozen=True)
class Arithmetic:
    """How many of a file's convolutions and matrix products ONNX Runtime computes with integers, how many with floats.

    This is of the graph that runs on this machine, not of what the file asks for.
    """

    int8: int
    float32: int

    @property
    def real(self) -> bool:
        """Whether all of them are int8, so that none is simulated with floats."""
        return self.int8 > 0 and self.float32 == 0


class OnnxNet:
    """A file's net: images (N, C, H, W), an array or a tensor on the CPU -> logits (N, classes) float32.

    Args:
        model: the file, or its content.
        threads: that one call uses; 1 is the calling thread.
        simulated: an int8 file's rounding is done, but all is computed in float32, operator by operator. The difference
            to the integers is rounding, or what a CPU without VNNI loses where it adds products in 16 bits.

    Raises:
        CorruptFileError: it is no ONNX file, ONNX Runtime can't run it, or it was not exported here.
    """

    def __init__(self, model: Path | bytes, threads: int = 1, simulated: bool = False):
        options = _options(threads)
        if simulated:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._session = _session(model, options)
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)

    def __call__(self, images: npt.ArrayLike) -> npt.NDArray[np.float32]:
        (logits,) = self._session.run([OUTPUT], {INPUT: np.ascontiguousarray(images, np.float32)})
        return np.asarray(logits)

    @property
    def labels(self) -> list[str]:
        """The classes' names, in the order of the logits."""
        return json.loads(self.metadata["labels"])

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(C, H, W) of an image."""
        return tuple(self._session.get_inputs()[0].shape[1:])


class OnnxModule(nn.Module):
    """A file's net as a module without parameters, (N, C, H, W) -> logits (N, classes), to be tested like any other."""

    def __init__(self, model: Path | bytes):
        super().__init__()
        self._net = OnnxNet(model)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self._net(images.cpu())).to(images.device)


def exported(
    net: nn.Module, input_shape: Sequence[int], labels: Sequence[str], metadata: Mapping[str, str] | None = None
) -> bytes:
    """The float32 net as an ONNX file's content (opset 20), checked: valid, and equal to ``net`` in ONNX Runtime.

    In evaluation mode, with any number of images, (N, C, H, W) -> (N, classes). Weights are what they are used as
    (``quantization.plain``): parametrizations are gone, activations are not rounded.

    Args:
        input_shape: (C, H, W).
        labels: the classes' names, kept in the file as JSON.
        metadata: more texts to keep in the file.

    Raises:
        RuntimeError: outputs differ by more than ``TOLERANCE``.
    """
    net = plain(net).cpu().eval()
    images = torch.randn(3, *input_shape, generator=stream(0, "onnx"))
    with torch.no_grad(), _quiet():
        program = torch.onnx.export(
            net,
            (images[:2],),
            input_names=[INPUT],
            output_names=[OUTPUT],
            opset_version=OPSET,
            dynamic_shapes=({0: torch.export.Dim("N")},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # which it is for the old exporter only
    proto = _bare(program.model_proto)
    onnx.helper.set_model_props(proto, {"labels": json.dumps(list(labels)), **(metadata or {})})
    onnx.checker.check_model(proto, full_check=True)
    content = proto.SerializeToString()
    _compare(net, OnnxNet(content), images)
    return content


def quantised(
    model: bytes, batches: Iterable[npt.ArrayLike], per_channel: bool = False, symmetric: bool | None = None
) -> bytes:
    """The int8 net of a float32 one: static quantization by ONNX Runtime's own tool, min-max over ``batches``.

    The file says what is rounded where (QDQ: pairs of QuantizeLinear and DequantizeLinear), and ONNX Runtime makes integer
    operators of it. Activations are uint8, weights int8 (the pair that x86 has instructions for) and biases int32. Batch
    norm is folded before, by the exporter. The weights' levels are those of ``quantization.affine``, codes less 128. With
    a range a channel they are symmetric around zero, as ONNX Runtime has one zero point a layer.

    Args:
        batches: images (N, C, H, W) as the net gets them.
        per_channel: a range for each output channel of a weight.
        symmetric: whether the weights' levels are; None: as ``per_channel``.

    Raises:
        UserError: there is no batch.
        CorruptFileError: as ``OnnxNet``.
    """
    metadata = OnnxNet(model).metadata
    reader = _Batches(batches)
    with TemporaryDirectory() as folder, _quiet():
        source, target = Path(folder) / "float32.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(model)
        quantize_static(
            source,
            target,
            reader,
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=per_channel,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"WeightSymmetric": per_channel if symmetric is None else symmetric},
        )
        proto = onnx.load(target)
    onnx.helper.set_model_props(proto, metadata)
    onnx.checker.check_model(proto, full_check=True)
    return proto.SerializeToString()


def arithmetic(model: Path | bytes) -> Arithmetic:
    """Counts the operators of the graph that ONNX Runtime makes of a file for this machine. Raises CorruptFileError."""
    with TemporaryDirectory() as folder:
        options = _options(threads=1)
        options.optimized_model_filepath = str(Path(folder) / "optimised.onnx")
        _session(model, options)
        graph = onnx.load(options.optimized_model_filepath, load_external_data=False).graph
    products = Counter(
        "int8" if node.op_type.startswith("Q") or "Integer" in node.op_type else "float32"
        for node in graph.node
        if any(name in node.op_type for name in PRODUCTS)
    )
    return Arithmetic(products["int8"], products["float32"])


def _bare(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Without the exporter's notes, in which the sources' lines and their folders are."""
    graph = proto.graph
    for part in (proto, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return proto


class _Batches(CalibrationDataReader):
    """Batches, as the tool asks for them. Raises UserError where there is none."""

    def __init__(self, batches: Iterable[npt.ArrayLike]):
        batches = iter(batches)
        first = next(batches, None)
        if first is None:
            raise UserError("int8: needs at least one batch of images to find the ranges of the activations")
        self._batches = itertools.chain([first], batches)

    def get_next(self) -> dict[str, Any] | None:  # type: ignore[override]
        images = next(self._batches, None)
        return None if images is None else {INPUT: np.ascontiguousarray(images, np.float32)}


def _session(model: Path | bytes, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    """From bytes in any case: a file can't make it read another file."""
    name, content = ("ONNX file", model) if isinstance(model, bytes) else (str(model), model.read_bytes())
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own have no other base
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CorruptFileError(f"{name}: ONNX Runtime can't read it ({reason}); export it anew") from error
    names = [one.name for one in (*session.get_inputs(), *session.get_outputs())]
    if names != [INPUT, OUTPUT] or "labels" not in session.get_modelmeta().custom_metadata_map:
        raise CorruptFileError(f"{name}: is not a net that was exported here, with {INPUT}, {OUTPUT} and labels")
    return session


def _options(threads: int) -> onnxruntime.SessionOptions:
    """Threads that wait for work without spinning, as the project's all do: else they keep a busy machine's cores."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _compare(net: nn.Module, onnx_net: OnnxNet, images: torch.Tensor) -> None:
    with torch.no_grad():
        expected = net(images)
    found = torch.from_numpy(onnx_net(images))
    difference = float((found - expected).abs().max())
    if not difference <= TOLERANCE * max(1.0, float(expected.abs().max())):
        raise RuntimeError(f"the exported {type(net).__name__} differs from PyTorch's by {difference:.2g}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps what exporter and tool say of their own affairs from the user."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
