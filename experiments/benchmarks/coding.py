"""A .cnz file of AlexNet's weights, pruned and shared as in Deep Compression's table 4: only coding, no k-means.

    encode (s), decode (s)                a file written, and read again, on two cores or fewer
    memory                                the most that either takes at once, in sizes of the weights in float32
    payload/entropy                       bits of codes and relative indices, over the least that there could be
    codes/s, dahuffman (codes/s)          the same slice of codes there and back, ours and a coder in plain Python

How many weights a layer has and keeps and their bits are the paper's. The weights themselves are drawn: normal ones, of
which the largest are kept, each with the nearest of values at equal distances (the paper's linear initialisation).
"""

import tempfile
import time
import tracemalloc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from dahuffman import HuffmanCodec
from scipy.special import ndtri

from experiments.benchmarks.rounds import Side
from experiments.suite import paper
from lightning_modules.compression import cnz, huffman
from lightning_modules.compression.forms import Shared

TABLE = "deep_compression.table4_alexnet"
SLICE = 2**22  # codes


@contextmanager
def sides() -> Iterator[Mapping[str, Side]]:
    layers = [row for row in paper.table(TABLE).rows if row["layer"] != "total"]
    generator = np.random.default_rng(0)
    tensors = {row["layer"]: drawn(row, generator) for row in layers}
    index_bits = {row["layer"]: row["index_bits_pq"] for row in layers}
    symbols = np.concatenate([form.codes.numpy() for form in tensors.values()])[-SLICE:]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "alexnet.cnz"
        sizes = cnz.write(path, tensors, {}, index_bits=index_bits)
        coded = sizes.coded.values()
        yield {
            "encode (s)": lambda: seconds(lambda: cnz.write(path, tensors, {}, index_bits=index_bits)),
            "decode (s)": lambda: seconds(lambda: cnz.read(path)),
            "memory": lambda: memory(path, tensors, index_bits),
            "payload/entropy": lambda: sum(one.bits for one in coded) / sum(one.entropy for one in coded),
            "codes/s": lambda: len(symbols) / seconds(lambda: ours(symbols)),
            "dahuffman (codes/s)": lambda: len(symbols) / seconds(lambda: dahuffmans(symbols.tolist())),
        }


def drawn(row: Mapping[str, Any], generator: np.random.Generator) -> Shared:
    """A layer of so many weights, share kept, and bits. One of the codes is left for the zero of fillers."""
    density, clusters = row["weights_pct"] / 100, 2 ** row["weight_bits_pq"] - 1
    gaps = generator.geometric(density, int(row["weights"] * density))
    positions = np.cumsum(gaps) - 1
    positions = positions[positions < row["weights"]]
    kept = np.abs(ndtri(density / 2 * (1 - generator.random(len(positions), np.float32))))
    values = kept * generator.choice([-1, 1], len(kept))
    codebook = np.linspace(values.min(), values.max(), clusters, dtype=np.float32)
    codes = np.rint((values - values.min()) / (values.max() - values.min()) * (clusters - 1)).astype(np.int64)
    return Shared((row["weights"],), torch.from_numpy(codes), torch.from_numpy(codebook), torch.from_numpy(positions))


def seconds(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def memory(path: Path, tensors: Mapping[str, Shared], index_bits: Mapping[str, int]) -> float:
    """Codes and positions that are written are counted, and those that are read."""
    held = sum(8 * 2 * len(form.codes) + 4 * len(form.codebook) for form in tensors.values())
    dense = sum(4 * form.shape[0] for form in tensors.values())
    encoding = peak(lambda: cnz.write(path, tensors, {}, index_bits=index_bits))
    return max(held + encoding, peak(lambda: cnz.read(path))) / dense


def peak(work: Any) -> int:
    """The most bytes that numpy and Python allocate at once."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def ours(symbols: np.ndarray) -> np.ndarray:
    """Counted, coded, and decoded again."""
    lengths = huffman.code_lengths(huffman.histogram(symbols, int(symbols.max()) + 1))
    return huffman.decode(*huffman.encode(symbols, lengths), lengths, len(symbols))


def dahuffmans(symbols: list[int]) -> list[int]:
    codec = HuffmanCodec.from_data(symbols)
    decoded: Any = codec.decode(codec.encode(symbols))
    return list(decoded)
