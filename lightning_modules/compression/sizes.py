"""Where the bytes of a compressed file go."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from lightning_modules.compression.bits import bytes_of
from lightning_modules.compression.coded import Coded


@dataclass(frozen=True)
class TensorSizes:
    """Of one tensor: bytes by part, its streams of codes by part, and the ``fillers`` among their entries."""

    parts: Mapping[str, int]
    coded: Mapping[str, Coded]
    fillers: int = 0

    @property
    def total(self) -> int:
        return sum(self.parts.values())


@dataclass(frozen=True)
class Sizes:
    """Of a whole file: ``file`` is what belongs to no tensor, by part.

    Parts: "codes" of weights; "index", their positions; "codebooks"; "code tables" and "block sizes" of Huffman codes;
    "numbers" stored as they are; "signs"; "scales", with zero points; "metadata"; "header", names, shapes, checksums.
    """

    file: Mapping[str, int]
    tensors: Mapping[str, TensorSizes]

    @property
    def parts(self) -> dict[str, int]:
        """Bytes of the file by part, the largest first; they add up to ``total``."""
        found = Counter(self.file)
        for tensor in self.tensors.values():
            found.update(tensor.parts)
        return dict(found.most_common())

    @property
    def total(self) -> int:
        """Bytes of the file."""
        return sum(self.parts.values())

    @property
    def coded(self) -> dict[str, Coded]:
        """All tensors' streams of codes together, by part."""
        found: dict[str, Coded] = {}
        for tensor in self.tensors.values():
            for part, one in tensor.coded.items():
                sum_ = found.get(part, Coded(0, 0, 0.0))
                found[part] = Coded(sum_.count + one.count, sum_.bits + one.bits, sum_.entropy + one.entropy)
        return found

    @property
    def fillers(self) -> int:
        return sum(tensor.fillers for tensor in self.tensors.values())


def fixed_length_bytes(layers: int, stored: int, biases: int, code_bits: int, index_bits: int) -> int:
    """Bytes of a file of pruned and shared weights in codes of one width, as the authors of Deep Compression wrote it.

    Each layer has the count of its entries (4 bytes), a codebook and biases in float32; each entry a code and a relative
    index. Their file of SqueezeNet also fills up a byte at the end of each layer's codes and of its indices, which
    cannot be known from sums: less than two bytes a layer.

    Args:
        layers: of the net.
        stored: entries of all layers, fillers among them.
        biases: of all layers.
        code_bits: of a code; the codebook has 2 to the power of it.
        index_bits: of a relative index.
    """
    numbers = layers * 2**code_bits + biases
    return layers * 4 + numbers * 4 + bytes_of(stored * (code_bits + index_bits))
