"""One picture of one face, with its landmarks."""

from dataclasses import dataclass

import numpy as np

from lightning_modules.faces.background import draw_background
from lightning_modules.faces.figure import Figure, draw_figure
from lightning_modules.faces.head import head, unit
from lightning_modules.faces.light import Light, Shadows, draw_light
from lightning_modules.faces.markup import five_points
from lightning_modules.faces.mesh import Mesh
from lightning_modules.faces.photograph import exposed, photograph
from lightning_modules.faces.raster import Fragments, fragments, nearest

VERSION = 2  # of the pictures: raised whenever any of them changes
FINER = 2  # pixels rendered for one of the picture, each way
SPLITS = ("train", "val", "test")
ATTRIBUTES = ("yaw", "pitch", "roll", "scale", "occlusion")
HIDDEN_BY = 0.07  # dm in front of a point, from which on something hides it
COMPANY = 0.08  # the share of pictures with a second person in them
DARK_LENS = 0.7  # the opacity from which on a lens hides the eye


@dataclass(frozen=True)
class Face:
    """``picture``: a JPEG file; ``points`` (68, 2) float32 pixels, the first pixel's centre at 0; ``hidden`` (68,) bool.

    ``yaw``, ``pitch``, ``roll`` in degrees; ``scale``: distance of the eyes' middles by the picture's width.
    """

    picture: bytes
    points: np.ndarray
    hidden: np.ndarray
    yaw: float
    pitch: float
    roll: float
    scale: float

    def attributes(self) -> np.ndarray:
        """What ATTRIBUTES names: (5,) float32."""
        return np.array([self.yaw, self.pitch, self.roll, self.scale, self.hidden.mean()], np.float32)


def generator(seed: int, split: str, index: int) -> np.random.Generator:
    """The random numbers of a face: a stream of its own for every key, so that every face is a person of its own."""
    return np.random.default_rng([VERSION, seed, SPLITS.index(split), index])


def render(seed: int, split: str, index: int, size: int = 128) -> Face:
    """Face ``index`` of a split of the set ``seed``, on ``size`` x ``size`` pixels."""
    rng = generator(seed, split, index)
    fine = FINER * size
    figure = draw_figure(head(), rng, fine)
    light = draw_light(rng)
    scene = draw_background(rng, fine) * (0.35 if light.flash else 1.0)
    if rng.random() < COMPANY:
        scene = _drawn(draw_figure(head(), rng, fine, beside=figure.camera), light, scene, fine)[0]
    image, depth, skin = _drawn(figure, light, scene, fine)
    points = figure.camera.project(figure.landmarks)
    hidden = _hidden(figure, points, depth)
    picture = photograph(rng, exposed(rng, image, skin), size)
    points = (points / FINER - 0.5).astype(np.float32)
    eyes = five_points(points)[:2]
    scale = float(np.linalg.norm(eyes[0] - eyes[1])) / size
    return Face(picture, points, hidden, figure.pose.yaw, figure.pose.pitch, figure.pose.roll, scale)


def _drawn(figure: Figure, light: Light, scene: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The image (H, W, 3) in linear light, its depth (H, W), and the colours (n, 3) of the skin in it."""
    shadows = _shadows(figure.meshes, light)
    image = scene.reshape(-1, 3).copy()
    depth = np.full(size * size, np.inf, np.float32)
    found = [_fragments(mesh, figure, size) for mesh in figure.meshes]
    pixel, far = (np.concatenate([getattr(part, name) for part in found]) for name in ("pixel", "depth"))
    seen = nearest(pixel, far, size * size)
    depth[pixel[seen]] = far[seen]
    starts = np.cumsum([0] + [len(part) for part in found])
    order = np.sort(seen)
    skin = np.empty((0, 3), np.float32)
    for number, (mesh, part) in enumerate(zip(figure.meshes, found, strict=True)):
        low, high = np.searchsorted(order, (starts[number], starts[number + 1]))
        visible = part[order[low:high] - starts[number]]
        colours = _shaded(mesh, visible, light, shadows)
        image[visible.pixel] = colours
        skin = colours if number == 0 else skin
    if figure.lens is not None and figure.glasses is not None:
        glass = _fragments(figure.lens, figure, size)
        glass = glass[glass.depth < depth[glass.pixel]]
        glass = glass[np.unique(glass.pixel, return_index=True)[1]]
        image[glass.pixel] *= 1 - figure.glasses.opacity
        image[glass.pixel] += _shaded(figure.lens, glass, light, shadows)
    return image.reshape(scene.shape), depth.reshape(size, size), skin


def _fragments(mesh: Mesh, figure: Figure, size: int) -> Fragments:
    found = fragments(figure.camera.project(mesh.points), -mesh.points[:, 2], mesh.triangles, size, mesh.two_sided)
    if mesh.cutout is None:
        return found
    return found[mesh.cutout(found.interpolate(mesh.triangles, mesh.values[:, :3]))]


def _shadows(meshes: list[Mesh], light: Light) -> Shadows:
    starts = np.cumsum([0] + [len(mesh.points) for mesh in meshes])
    triangles = np.concatenate([mesh.triangles + start for mesh, start in zip(meshes, starts, strict=False)])
    points = np.concatenate([mesh.points for mesh in meshes])
    near = (np.abs(points) < 2.5) @ np.ones(3, np.float32) == 3  # dm about the face; what is farther is cloth
    first, second, third = triangles.T
    return Shadows(light, points, triangles[near[first] & near[second] & near[third]])


def _shaded(mesh: Mesh, visible: Fragments, light: Light, shadows: Shadows) -> np.ndarray:
    if not len(visible):
        return np.empty((0, 3), np.float32)
    corners = np.concatenate([mesh.points, mesh.normals, mesh.values], 1)
    at = visible.interpolate(mesh.triangles, corners)
    return np.maximum(mesh.shade(at[:, 6:], unit(at[:, 3:6]), shadows.lit(at[:, :3]), light), 0)


def _hidden(figure: Figure, points: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Which of the landmarks (68,) something stands in front of, be it the face itself."""
    size = len(depth)
    column, row = np.clip(points.astype(np.int32), 1, size - 2).T
    around = np.stack([depth[row + down, column + right] for down in (-1, 0, 1) for right in (-1, 0, 1)])
    hidden = -figure.landmarks[:, 2] > around.max(0) + HIDDEN_BY
    if figure.glasses is not None and figure.glasses.opacity > DARK_LENS:
        hidden[36:48] = True
    return hidden
