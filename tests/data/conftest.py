"""Data sets for the tests of this folder: the real one where it is, small ones in their format; and a mirror."""

import gzip
import hashlib
import http.server
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml

from experiments.suite.paths import CONF, DATA_CACHE
from lightning_modules.data import fashion_mnist

TRAIN, TEST = 60, 20


def conf(name: str = "fashion_mnist") -> dict:
    return yaml.safe_load((CONF / "data" / f"{name}.yaml").read_text(encoding="utf-8"))


def idx(array: np.ndarray) -> bytes:
    """The IDX format: two zeros, 8 for bytes, the number of dimensions, each size as four bytes, the bytes."""
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@dataclass(frozen=True)
class Small:
    """A data set in Fashion-MNIST's files. Image number n is filled with n; test images count from 200."""

    arrays: dict[str, np.ndarray]

    @property
    def content(self) -> dict[str, bytes]:
        return {name: idx(array) for name, array in self.arrays.items()}

    @property
    def sha256(self) -> dict[str, str]:
        return {name: hashlib.sha256(content).hexdigest() for name, content in self.content.items()}

    def write(self, folder: Path, packed: bool) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.content.items():
            path = folder / (f"{name}.gz" if packed else name)
            path.write_bytes(gzip.compress(content) if packed else content)
        return folder

    def assert_equal(self, found: dict[str, np.ndarray]) -> None:
        assert list(found) == list(self.arrays)
        for name, array in self.arrays.items():
            assert found[name].dtype == np.uint8
            np.testing.assert_array_equal(found[name], array)


@pytest.fixture
def small() -> Small:
    arrays = []
    for count, first in ((TRAIN, 0), (TEST, 200)):
        arrays.append(np.broadcast_to(np.arange(first, first + count, dtype=np.uint8)[:, None, None], (count, 28, 28)))
        arrays.append(np.arange(count, dtype=np.uint8) % 10)
    return Small(dict(zip(conf()["sha256"], arrays, strict=True)))


@pytest.fixture(scope="session")
def real() -> dict[str, np.ndarray]:
    """The arrays of Fashion-MNIST; the test is skipped on a machine that has not got it."""
    names = list(conf()["sha256"])
    for folder in (fashion_mnist.DEBIAN_FOLDER, DATA_CACHE / "fashion_mnist"):
        if all((folder / f"{name}.gz").is_file() or (folder / name).is_file() for name in names):
            return fashion_mnist.load(folder, folder, conf()["sha256"], [], 1)
    pytest.skip("Fashion-MNIST is not on this machine")


class Mirror(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and counts; answers ``garbage`` instead where there is some."""

    requests = 0
    garbage = b""

    def do_GET(self) -> None:
        type(self).requests += 1
        if self.garbage:
            self.wfile.write(self.garbage)
        else:
            super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def serve() -> Iterator:
    """serve(folder, garbage=b"") -> (address, its handler's class)."""
    servers = []

    def start(folder: Path, garbage: bytes = b"") -> tuple[str, type[Mirror]]:
        kind = type("OneMirror", (Mirror,), {"requests": 0, "garbage": garbage})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(kind, directory=str(folder)))
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/", kind

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/"
