"""ONNX files: equal to PyTorch's nets, described, really int8, refused where damaged."""

import copy
import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch
import yaml
from torch import Tensor, nn

from experiments.suite.paths import CONF
from lightning_modules import speed
from lightning_modules.compression.batch_norm_folding import fold
from lightning_modules.compression.quantization import Quantization, affine, quantise
from lightning_modules.errors import CorruptFileError, UserError
from lightning_modules.nets.blocks import DepthwiseConv2d, PointwiseConv2d, channel_shuffle
from lightning_modules.nets.build import build_net
from lightning_modules.onnx_files import INPUT, OPSET, Arithmetic, OnnxNet, arithmetic, exported, quantised
from tests.nets.against import randomised, settled
from tests.nets.test_build import TRUNKS

ARCHS = sorted({path.stem for path in (CONF / "arch").glob("*.yaml")} - set(TRUNKS))
SIZES = {"alexnet": 64, "inception_v3": 75}  # the smallest images they take; others 32
LABELS = ["bag", "coat", "tee", "boot", "ä"]


class Small(nn.Module):
    """Something of every family: batch norm, depthwise, pointwise, shuffle, two branches, a sum, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.depthwise = nn.Sequential(DepthwiseConv2d(8), nn.BatchNorm2d(8))
        self.pointwise = PointwiseConv2d(8, 8, bias=True)
        self.output = nn.Linear(16, len(LABELS))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x + torch.relu(self.pointwise(self.depthwise(x)))
        x = channel_shuffle(torch.cat([x, nn.functional.relu6(-x)], dim=1), 2)
        return self.output(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))


def images(count: int = 4, seed: int = 0) -> Tensor:
    return torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


CALIBRATION = [images(16, seed) for seed in range(4)]


@dataclass(frozen=True)
class Export:
    net: nn.Module
    content: bytes
    said: str


@pytest.fixture(scope="module")
def export() -> Export:
    """One for all tests: an export takes seconds. The net was in training mode, channels last."""
    torch.set_num_threads(1)
    net = randomised(Small()).train().to(memory_format=torch.channels_last)
    with io.StringIO() as said, redirect_stdout(said), redirect_stderr(said):
        content = exported(net, (1, 8, 8), LABELS, {"run": "small-0"})
        return Export(net, content, said.getvalue())


@pytest.fixture(scope="module")
def net(export: Export) -> nn.Module:
    return copy.deepcopy(export.net).eval()


@pytest.fixture(scope="module")
def float_file(export: Export) -> bytes:
    return export.content


@pytest.fixture(scope="module")
def int8_file(float_file: bytes) -> bytes:
    return quantised(float_file, CALIBRATION)


def test_the_file_computes_what_the_net_computes(net: nn.Module, float_file: bytes, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(float_file)
    for count in (1, 2, 7):
        found = OnnxNet(path)(images(count))
        with torch.no_grad():
            expected = net(images(count))
        assert found.dtype == np.float32
        assert expected.std() > 0.01
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)


def test_it_takes_arrays_and_tensors_of_any_layout(float_file: bytes) -> None:
    onnx_net = OnnxNet(float_file)
    expected = onnx_net(images())
    assert np.array_equal(onnx_net(images().numpy()), expected)
    assert np.array_equal(onnx_net(images().contiguous(memory_format=torch.channels_last)), expected)
    with torch.inference_mode():
        assert np.array_equal(onnx_net(images()), expected)


def test_the_file_says_what_it_takes_and_gives(float_file: bytes, int8_file: bytes) -> None:
    for content in (float_file, int8_file):
        onnx_net = OnnxNet(content)
        assert onnx_net.labels == LABELS
        assert onnx_net.input_shape == (1, 8, 8)
        assert onnx_net.metadata["run"] == "small-0"
        proto = onnx.load_from_string(content)
        assert [opset.version for opset in proto.opset_import if not opset.domain] == [OPSET]
        batch = proto.graph.input[0].type.tensor_type.shape.dim[0]
        assert (proto.graph.input[0].name, batch.dim_param) == (INPUT, "N")
        assert str(Path.cwd()).encode() not in content


def test_exporting_leaves_the_net_alone_and_says_nothing(export: Export) -> None:
    assert export.net.training
    before = randomised(Small()).state_dict()
    assert all(torch.equal(value, before[name]) for name, value in export.net.state_dict().items())
    assert export.said == ""


def test_a_file_that_differs_is_not_made(float_file: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = SimpleNamespace(model_proto=onnx.load_from_string(float_file))
    monkeypatch.setattr(torch.onnx, "export", lambda *arguments, **more: wrong)
    with pytest.raises(RuntimeError, match="the exported Small differs from PyTorch's by"):
        exported(Small(), (1, 8, 8), LABELS)


def test_int8_is_really_int8(float_file: bytes, int8_file: bytes) -> None:
    assert arithmetic(float_file) == Arithmetic(int8=0, float32=4)
    assert arithmetic(int8_file) == Arithmetic(int8=4, float32=0)
    assert arithmetic(int8_file).real
    assert not arithmetic(float_file).real


def test_int8_is_nearly_the_float_net(float_file: bytes, int8_file: bytes) -> None:
    expected, found = OnnxNet(float_file)(images(64, 9)), OnnxNet(int8_file)(images(64, 9))
    assert 0 < rms(found - expected) < 0.05 * rms(expected)


def test_per_channel(float_file: bytes) -> None:
    content = quantised(float_file, CALIBRATION, per_channel=True)
    assert arithmetic(content) == Arithmetic(int8=4, float32=0)
    weights = tensors(content)
    assert len(weights["pointwise.weight_scale"]) == 8
    assert len(weights["output.weight_scale"]) == 5
    assert not weights["pointwise.weight_zero_point"].any()


def test_the_weights_of_the_file_are_those_that_training_rounds(net: Small, int8_file: bytes) -> None:
    """With one range a layer, ONNX Runtime's tool finds our codes: what quantization-aware training made is what runs."""
    found = tensors(int8_file)
    for name in ("pointwise", "output"):  # the others have a batch norm, which is folded
        expected = affine(net.get_submodule(name).weight)  # type: ignore[arg-type]
        codes = found[f"{name}.weight_quantized"].astype(int) + 128
        assert np.array_equal(codes, expected.codes.numpy())
        assert float(found[f"{name}.weight_scale"]) == pytest.approx(float(expected.scale), rel=1e-6)
        assert int(found[f"{name}.weight_zero_point"]) + 128 == int(expected.zero_point)


def test_simulated_and_real_int8_agree(net: nn.Module, int8_file: bytes) -> None:
    """Rounded in PyTorch, by ONNX Runtime in floats, and in integers: as far from float32, and nearer to each other."""
    test = images(64, 9)
    real, simulated = (OnnxNet(int8_file, simulated=each)(test) for each in (False, True))
    folded = copy.deepcopy(net)
    fold(folded)
    with torch.no_grad():
        expected = folded(test).numpy()
        quantise(folded, Quantization(activations=True), CALIBRATION)
        ours = folded(test).numpy()
    assert rms(real - simulated) < 0.5 * rms(real - expected)
    assert 0.3 < rms(ours - expected) / rms(real - expected) < 1.5


def test_int8_needs_images(float_file: bytes) -> None:
    with pytest.raises(UserError, match="int8: needs at least one batch"):
        quantised(float_file, [])


def test_it_is_timed_like_any_net(float_file: bytes) -> None:
    images = speed.noise({"paper_input": [1, 8, 8], "memory_format": "contiguous"}, batch=2)
    sample = speed.timer(OnnxNet(float_file, speed.THREADS), images, seconds=0.001)
    assert sample() > 0


def test_another_net_is_refused() -> None:
    """It can be run, but says nothing of its classes."""
    relu = onnx.helper.make_node("Relu", ["x"], ["y"])
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, 8, 8]) for name in "xy")
    opset = onnx.helper.make_opsetid("", OPSET)
    proto = onnx.helper.make_model(
        onnx.helper.make_graph([relu], "other", [x], [y]), opset_imports=[opset], ir_version=10
    )
    with pytest.raises(CorruptFileError, match="ONNX file: is not a net that was exported here"):
        OnnxNet(proto.SerializeToString())


@pytest.mark.parametrize("content", [b"", b"no onnx file", bytes(1000), b"\xff" * 1000])
def test_what_is_no_file_of_this_kind_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"broken\.onnx: ") as caught:
        OnnxNet(path)
    assert "\n" not in str(caught.value)


def test_a_shortened_file_is_refused(float_file: bytes, tmp_path: Path) -> None:
    path = tmp_path / "short.onnx"
    path.write_bytes(float_file[: len(float_file) // 2])
    with pytest.raises(CorruptFileError, match=r"short\.onnx: "):
        OnnxNet(path)


@pytest.mark.slow
@pytest.mark.timeout(900)  # AlexNet and VGG on a busy machine
@pytest.mark.parametrize("name", ARCHS)
def test_every_architecture(name: str) -> None:
    """Exports, equals PyTorch's, and all its convolutions and linear layers run in int8, not far from float32."""
    arch = yaml.safe_load((CONF / "arch" / f"{name}.yaml").read_text(encoding="utf-8"))
    size = SIZES.get(name, 32)
    settle = settled if size <= 64 else randomised  # on 64 px
    net = settle(build_net(arch, num_classes=10, in_channels=3))
    content = exported(net, (3, size, size), [str(number) for number in range(10)])
    batch = torch.randn(8, 3, size, size, generator=torch.Generator().manual_seed(1))
    expected = OnnxNet(content)(batch)
    with torch.no_grad():
        reference = net(batch).numpy()
    assert np.abs(reference - expected).max() < 1e-4 * max(1, np.abs(reference).max())
    assert str(Path.cwd()).encode() not in content
    layers = sum(isinstance(layer, (nn.Conv2d, nn.Linear)) for layer in net.modules())
    assert arithmetic(content) == Arithmetic(int8=0, float32=layers)
    for per_channel in (False, True):
        small = quantised(content, [batch], per_channel)
        assert arithmetic(small) == Arithmetic(int8=layers, float32=0)
        assert len(small) < 0.4 * len(content)


def tensors(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of a file by their names."""
    return {one.name: onnx.numpy_helper.to_array(one) for one in onnx.load_from_string(content).graph.initializer}


def rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(x**2)))
