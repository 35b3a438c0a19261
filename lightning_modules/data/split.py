"""The validation split: a stored list of training images, drawn once with a seed.

It is stored, not only seeded, since a library may change what it draws from a seed. A new data set's is made by
``store("name", draw(labels, images=6000, seed=0))``; of one whose labels are not at hand by ``draw_any``.
"""

import hashlib
from pathlib import Path

import numpy as np

from lightning_modules.data.names import file_name
from lightning_modules.errors import CorruptFileError, UserError

FOLDER = Path(__file__).parent / "splits"


def draw(labels: np.ndarray, images: int, seed: int) -> np.ndarray:
    """(images,) sorted indices into ``labels``, equally many of each class."""
    generator = np.random.Generator(np.random.PCG64(seed))
    classes = np.unique(labels)
    share, rest = divmod(images, len(classes))
    if rest:
        raise ValueError(f"{images} images cannot be shared equally by {len(classes)} classes")
    chosen = [generator.permutation(np.flatnonzero(labels == label))[:share] for label in classes]
    return np.sort(np.concatenate(chosen))


def draw_any(of: int, images: int, seed: int) -> np.ndarray:
    """(images,) sorted indices below ``of``, whatever their classes."""
    return np.sort(np.random.Generator(np.random.PCG64(seed)).permutation(of)[:images])


def store(name: str, indices: np.ndarray) -> str:
    """Writes the split, an index a line; returns the SHA-256 of the file."""
    content = "".join(f"{index}\n" for index in indices)
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{file_name(name)}.txt").write_text(content, encoding="ascii")
    return hashlib.sha256(content.encode()).hexdigest()


def read(name: str, sha256: str) -> np.ndarray:
    """(images,) sorted indices of the validation images.

    Raises:
        UserError: none is stored.
        CorruptFileError: it was changed.
    """
    path = FOLDER / f"{file_name(name)}.txt"
    if not path.is_file():
        raise UserError(f"data={name}: no validation split is stored in lightning_modules/data/splits/{path.name}")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise CorruptFileError(
            f"lightning_modules/data/splits/{path.name} was changed (its SHA-256 differs); restore it"
        )
    return np.array(content.split(), dtype=np.int64)
