"""What a forward pass reads, writes and keeps in memory, operation by operation: memory access cost and peak memory.

Ma et al., 2018, "ShuffleNet V2", arXiv:1807.11164, section 2: the memory access cost of a layer is the numbers of its
input, of its output and of its weights. Counted as PyTorch runs the net in evaluation mode, nothing fused, on the meta
device: shapes without numbers, so that nothing is computed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakIdKeyDictionary

from lightning_modules.nets.build import build_net
from lightning_modules.paper_cost import CLASSES

Kind = Literal["layer", "element-wise", "other"]

PRODUCTS = ("addmm", "mm", "bmm")  # what linear layers and products of maps come down to
NORMALISATIONS = ("batch_norm", "group_norm", "layer_norm")
# Other than torch.Tag.pointwise says: each number of these outputs comes from one of the input, and a copy computes none.
ALSO_POINTWISE = ("hardswish", "_prelu_kernel")
COPIES = ("clone", "copy")


@dataclass(frozen=True)
class Filters:
    """Of a convolution or linear layer. ``kernel``: (height, width), empty where it is linear; ``params`` with biases."""

    in_channels: int
    out_channels: int
    kernel: tuple[int, ...]
    groups: int
    params: int
    macs: int

    @property
    def depthwise(self) -> bool:
        return self.groups > 1 and self.groups == self.in_channels


@dataclass(frozen=True)
class Operation:
    """One operation on one image.

    ``layer``: dotted name of the module that runs it, empty where that is the net itself; ``name``: PyTorch's (relu, cat);
    ``reads``, ``writes``: numbers; ``shape``: of its output, (C, H, W) or (C,); ``after``: places, in the order of
    operations, of all those whose results have part in its own; ``filters``: a layer's, and no other's.
    """

    layer: str
    name: str
    kind: Kind
    reads: int
    writes: int
    shape: tuple[int, ...]
    after: frozenset[int]
    filters: Filters | None = None

    @property
    def access(self) -> int:
        """Memory access cost."""
        return self.reads + self.writes


@dataclass(frozen=True)
class ForwardPass:
    """``map_bytes``: of all tensors that live at once, the image among them, at the worst moment; the space that a kernel
    takes for itself is not known. ``weight_bytes``: of parameters and buffers, beside them all the time."""

    operations: tuple[Operation, ...]
    params: int
    weight_bytes: int
    map_bytes: int

    def total(self, kind: Kind) -> int:
        """Memory access cost of all operations of a kind."""
        return sum(operation.access for operation in self.operations if operation.kind == kind)

    @property
    def layers(self) -> list[tuple[Operation, Filters]]:
        """Convolutions and linear layers as they are run: twice where a layer is used twice."""
        return [(operation, operation.filters) for operation in self.operations if operation.filters]

    @property
    def macs(self) -> int:
        return sum(filters.macs for _, filters in self.layers)

    @property
    def activations(self) -> int:
        """Numbers in the outputs of convolutions and linear layers (Radosavovic et al. 2020, arXiv:2003.13678, 4)."""
        return sum(operation.writes for operation, _ in self.layers)


def access(net: nn.Module, input_shape: tuple[int, int, int]) -> int:
    """Memory access cost, in numbers, of the convolutions and linear layers of ``net`` on one image (C, H, W)."""
    return forward_pass(net, input_shape).total("layer")


def of_paper(arch: Mapping[str, Any]) -> int:
    """``access`` of the net that ``arch`` (a conf/arch file's content) describes, at its paper's input."""
    shape = tuple(arch["paper_input"])
    with torch.device("meta"):
        net = build_net(arch, CLASSES, shape[0])
    return access(net, shape)


def forward_pass(net: nn.Module, input_shape: tuple[int, int, int]) -> ForwardPass:
    """What ``net`` does with one image (C, H, W); the net is left as it was, wherever it lies.

    Raises:
        RuntimeError: a layer does not take what it is given, as where the image is too small.
    """
    weights = [*net.named_parameters(), *net.named_buffers()]
    shadows = {name: tensor.detach().to("meta") for name, tensor in weights}
    was_training = net.training
    recorder = _Recorder()
    hooks = recorder.follow(net)
    try:
        with torch.no_grad(), torch.device("meta"):
            image = torch.empty(1, *input_shape)
            recorder.keep([image], frozenset())
            with recorder:
                functional_call(net.eval(), shadows, (image,))
    finally:
        net.train(was_training)
        for hook in hooks:
            hook.remove()
    return ForwardPass(
        tuple(recorder.operations),
        sum(parameter.numel() for parameter in net.parameters()),
        sum(tensor.nbytes for _, tensor in weights),
        recorder.peak,
    )


class _Recorder(TorchDispatchMode):
    """Sees every operation of ATen, functional ones too. Tensors are told apart by their storage, which views share."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[Operation] = []
        self.peak = 0
        self._running = [""]  # the modules that are being run, the innermost last
        self._made_by: Any = WeakIdKeyDictionary()  # of each storage that is alive, the operations that it comes from

    def follow(self, net: nn.Module) -> list[Any]:
        """Hooks that tell which module runs; to be removed afterwards."""
        found: list[Any] = []
        for name, module in net.named_modules():
            found.append(module.register_forward_pre_hook(self._entering(name)))
            found.append(module.register_forward_hook(self._leave))
        return found

    def keep(self, tensors: Sequence[Tensor], after: frozenset[int]) -> None:
        """They take memory from now on, as long as anybody holds them."""
        for tensor in tensors:
            self._made_by[tensor.untyped_storage()] = after
        self.peak = max(self.peak, sum(storage.nbytes() for storage in self._made_by))

    def _entering(self, name: str) -> Callable[..., None]:
        return lambda module, inputs: self._running.append(name)

    def _leave(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self._running.pop()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        read, given = list(_tensors([args, *(kwargs or {}).values()])), list(_tensors(result))
        # A view is another tensor over the storage of an input, and costs nothing; what is changed in place is the input.
        known = {id(tensor.untyped_storage()) for tensor in read}
        inputs = {id(tensor) for tensor in read}
        written = [tensor for tensor in given if id(tensor) in inputs or id(tensor.untyped_storage()) not in known]
        after = frozenset().union(*(self._made_by.get(tensor.untyped_storage(), frozenset()) for tensor in read))
        if read and written:
            after |= {self._note(func, args, read, written, after)}
        self.keep(written, after)
        return result

    def _note(
        self, func: Any, args: Any, read: Sequence[Tensor], written: Sequence[Tensor], after: frozenset[int]
    ) -> int:
        name = func.overloadpacket.__name__.removesuffix("_")  # in place or not
        filters = _filters(name, args, written[0])
        self.operations.append(
            Operation(
                layer=self._running[-1],
                name=name,
                kind="layer" if filters else "element-wise" if _is_element_wise(name, func) else "other",
                reads=sum(tensor.numel() for tensor in read),
                writes=sum(tensor.numel() for tensor in written),
                shape=tuple(written[0].shape[1:]),
                after=after,
                filters=filters,
            )
        )
        return len(self.operations) - 1


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)


def _is_element_wise(name: str, func: Any) -> bool:
    """Section 2, G4: ReLU, addition and the like. Depthwise convolutions, which the paper adds to them, are layers here."""
    if name in COPIES:
        return False
    return torch.Tag.pointwise in func.tags or name in ALSO_POINTWISE or any(norm in name for norm in NORMALISATIONS)


def _filters(name: str, args: Any, output: Tensor) -> Filters | None:
    """Of ``convolution(input, weight, bias, ...)`` or a matrix product, one image at a time; None of all else."""
    if name == "convolution":
        maps, weight, bias, transposed, groups = args[0], args[1], args[2], args[6], args[8]
        return Filters(
            in_channels=maps.shape[1],
            out_channels=output.shape[1],
            kernel=tuple(weight.shape[2:]),
            groups=groups,
            params=weight.numel() + (0 if bias is None else bias.numel()),
            macs=(maps if transposed else output).numel() * weight[0].numel(),
        )
    if name in PRODUCTS:
        maps, weight = args[-2:]
        return Filters(
            in_channels=maps.shape[-1],
            out_channels=output.shape[-1],
            kernel=(),
            groups=1,
            params={"addmm": weight.numel() + args[0].numel(), "mm": weight.numel(), "bmm": 0}[name],
            macs=output.numel() * maps.shape[-1],
        )
    return None
