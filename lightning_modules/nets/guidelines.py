"""The benchmark networks behind the four guidelines for fast nets: to be timed, not trained.

Ma et al., ShuffleNet V2, 2018, arXiv:1807.11164, section 2: one net for each of Tables 1 to 4 (G1 to G4). Each is ten
blocks that keep the size of their map, without a classifier, and has about the same multiply-adds whatever is varied.
The paper mentions no batch norm and no biases, and in the nets of G1 to G3 no ReLU: there are none. Weights are random.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from lightning_modules.errors import UserError

BLOCKS = 10


class ChannelRatio(nn.Module):
    """G1: blocks of two 1x1 convolutions, c1 -> c2 and c2 -> c1 (Table 1). (N, c1, H, W) -> (N, c1, H, W).

    Args:
        num_classes: unused, as in all nets of this file; other nets have it.
        in_channels: what the first layer takes, here ``c1``; None means that.

    Raises:
        UserError: an argument is out of range, or the images have other channels than the net's maps.
    """

    def __init__(self, c1: int = 128, c2: int = 128, num_classes: int = 1000, in_channels: int | None = None):
        super().__init__()
        _check_positive(c1=c1, c2=c2)
        _check_maps(in_channels, c1)
        self.layers = _sequence(
            "block", BLOCKS, lambda: nn.Sequential(OrderedDict(conv1=_convolution(c1, c2), conv2=_convolution(c2, c1)))
        )
        _init(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class GroupConvolutions(nn.Module):
    """G2: 1x1 convolutions of so many groups (Table 2). (N, channels, H, W) -> (N, channels, H, W).

    Raises:
        UserError: an argument is out of range, the groups don't divide the channels, or the images have other channels.
    """

    def __init__(self, channels: int = 128, groups: int = 1, num_classes: int = 1000, in_channels: int | None = None):
        super().__init__()
        _check_positive(channels=channels, groups=groups)
        if channels % groups:
            raise UserError(f"arch.groups={groups}: must divide arch.channels={channels}")
        _check_maps(in_channels, channels)
        self.layers = _sequence("conv", BLOCKS, lambda: _convolution(channels, channels, groups=groups))
        _init(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Parallel(nn.ModuleDict):
    """Its parts side by side, their outputs added: (N, C, H, W) -> (N, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        first, *others = self.values()
        y = first(x)
        for part in others:
            y = y + part(x)
        return y


class Fragments(nn.Module):
    """G3: blocks of ``fragments`` 1x1 convolutions, in series or in parallel (Table 3). (N, k, H, W) -> (N, k, H, W).

    Each convolution has k -> k channels with k = round(channels / sqrt(fragments)): so a block has as many multiply-adds
    as one convolution of ``channels``, but for the rounding. How parallel branches are joined is not in the paper's text;
    here they are added.

    Args:
        channels: of the block of one fragment, by which the paper names its columns.

    Raises:
        UserError: an argument is out of range, or the images don't have k channels.
    """

    def __init__(
        self,
        channels: int = 128,
        fragments: int = 1,
        parallel: bool = False,
        num_classes: int = 1000,
        in_channels: int | None = None,
    ):
        super().__init__()
        _check_positive(channels=channels, fragments=fragments)
        k = fragment_channels(channels, fragments)
        _check_maps(in_channels, k)

        def block() -> nn.Module:
            series = _sequence("fragment", fragments, lambda: _convolution(k, k))
            return Parallel(dict(series.named_children())) if parallel else series

        self.layers = _sequence("block", BLOCKS, block)
        _init(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def fragment_channels(channels: int, fragments: int) -> int:
    """channels / sqrt(fragments), rounded: so many convolutions k -> k have the multiply-adds of one of ``channels``.

    Raises:
        UserError: there are so many fragments that nothing is left.
    """
    k = round(channels / fragments**0.5)
    if k < 1:
        raise UserError(f"arch.fragments={fragments}: leaves no channel of arch.channels={channels}")
    return k


class Bottleneck(nn.Module):
    """ResNet's unit (He et al., 2015, arXiv:1512.03385, Figure 5): 1x1 to a quarter of the channels, 3x3, 1x1 back.

    (N, channels, H, W) -> (N, channels, H, W). As there, the last ReLU is behind the sum.
    """

    def __init__(self, channels: int, relu: bool, shortcut: bool):
        super().__init__()
        inner = channels // 4
        self.conv1 = _convolution(channels, inner)
        self.conv2 = _convolution(inner, inner, kernel_size=3)
        self.conv3 = _convolution(inner, channels)
        self.activation: Callable[[Tensor], Tensor] = torch.relu if relu else _unchanged
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = self.activation(self.conv1(x))
        y = self.activation(self.conv2(y))
        y = self.conv3(y)
        return self.activation(x + y if self.shortcut else y)


class ElementWise(nn.Module):
    """G4: ResNet's bottlenecks with and without ReLU and shortcut (Table 4). (N, channels, H, W) -> (N, channels, H, W).

    Args:
        channels: of a unit's input and output; a multiple of 4.
        relu: behind each convolution (the unit's last behind the sum), or nowhere.
        shortcut: the unit's input is added to its output, or not.

    Raises:
        UserError: ``channels`` is no multiple of 4, or the images have other channels.
    """

    # The paper's c is "the number of channels in unit", at a size of the map that it does not state. At the other tables'
    # 56 x 56 it can only be the outer one. Were it the inner one, with outer c or 4c, the net of c = 128 would have 11
    # or 17 * c**2 multiply-adds a unit and pixel in place of 17/16 * c**2: times the printed images a second that is
    # more than the GPU's peak. Its twenty 1x1 convolutions alone would take longer than the whole is printed to take,
    # by the printed time of ten such convolutions in Table 3. tests/nets/test_guidelines.py computes both.
    def __init__(
        self,
        channels: int = 128,
        relu: bool = True,
        shortcut: bool = True,
        num_classes: int = 1000,
        in_channels: int | None = None,
    ):
        super().__init__()
        if channels < 4 or channels % 4:
            raise UserError(f"arch.channels={channels}: must be a multiple of 4, for the 3x3 convolution has a quarter")
        _check_maps(in_channels, channels)
        self.layers = _sequence("block", BLOCKS, lambda: Bottleneck(channels, relu, shortcut))
        _init(self, "relu" if relu else "linear")

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def _convolution(in_channels: int, out_channels: int, kernel_size: int = 1, groups: int = 1) -> nn.Conv2d:
    """Keeps the size of its map."""
    return nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, groups=groups, bias=False)


def _sequence(name: str, number: int, part: Callable[[], nn.Module]) -> nn.Sequential:
    """name1, name2, ..., one after the other."""
    return nn.Sequential(OrderedDict((f"{name}{index}", part()) for index in range(1, number + 1)))


def _unchanged(x: Tensor) -> Tensor:
    return x


def _init(net: nn.Module, nonlinearity: Literal["linear", "relu"] = "linear") -> None:
    """He et al.'s: thirty layers neither blow numbers up nor let them fade, and tiny numbers would be slow ones."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_uniform_(module.weight, nonlinearity=nonlinearity)


def _check_positive(**arguments: int) -> None:
    for name, number in arguments.items():
        if number < 1:
            raise UserError(f"arch.{name}={number}: must be 1 or more")


def _check_maps(in_channels: int | None, channels: int) -> None:
    """There is no stem in front that could take anything else than the net's own maps."""
    if in_channels not in (None, channels):
        raise UserError(
            f"in_channels={in_channels}: this net is timed, not trained, on maps of {channels} channels;"
            f" set arch.paper_input=[{channels},56,56]"
        )
