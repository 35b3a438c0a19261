"""How a head is turned, and where in the picture it comes."""

from dataclasses import dataclass

import numpy as np

from lightning_modules.faces.noise import smoothstep

NECK = np.array([0.0, 6.45, 0.25], np.float32)  # dm; the head turns about it
MARGIN = 0.02  # of the picture's width: no point of brows, eyes, nose and mouth is nearer to its edge


@dataclass(frozen=True)
class Pose:
    """Degrees. ``yaw``: to the viewer's right, ``pitch``: up, ``roll``: clockwise. The body follows in part."""

    yaw: float
    pitch: float
    roll: float
    body_yaw: float
    body_roll: float

    def posed(self, points: np.ndarray) -> np.ndarray:
        """Points (n, 3) of the upright figure -> where they are once head and body are turned."""
        at = points - NECK
        of_head = smoothstep(-0.55, 0.05, at[:, 1] + 0.35 * (at[:, 2] - 0.15))[:, None]
        head = at @ turn(self.yaw, self.pitch, self.roll).T
        body = at @ turn(self.body_yaw, 0.0, self.body_roll).T
        return body + (head - body) * of_head

    def head(self) -> np.ndarray:
        """The head's rotation (3, 3)."""
        return turn(self.yaw, self.pitch, self.roll)


def turn(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """The rotation (3, 3) that turns first by ``yaw``, then by ``pitch``, then by ``roll``; degrees as in Pose."""
    y, p, r = np.radians((yaw, -pitch, -roll))
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return (about_z @ about_x @ about_y).astype(np.float32)


def draw_pose(rng: np.random.Generator) -> Pose:
    yaw = rng.normal(0, 14) if rng.random() < 0.6 else rng.normal(0, 29)
    yaw = float(np.clip(yaw, -62, 62))
    pitch = float(np.clip(rng.normal(1, 9), -32, 32))
    roll = float(np.clip(rng.normal(0, 8) if rng.random() < 0.8 else rng.normal(0, 20), -45, 45))
    body = yaw * rng.uniform(0.2, 1.0) + rng.normal(0, 12)
    return Pose(yaw, pitch, roll, float(np.clip(body, -60, 60)), float(roll * 0.25 + rng.normal(0, 3)))


@dataclass(frozen=True)
class Camera:
    """``distance`` dm from the face; ``scale``: pixels a dm there; ``offset`` (2,): pixels of the face's centre."""

    distance: float
    scale: float
    offset: np.ndarray

    def project(self, points: np.ndarray) -> np.ndarray:
        """Points (n, 3) in the camera's frame -> (n, 2) pixels, y down; the first pixel's centre is at 0.5."""
        near = self.distance / np.maximum(self.distance - points[:, 2:], 0.05 * self.distance)
        return points[:, :2] * near * (self.scale * np.array([1, -1], np.float32)) + self.offset


def draw_camera(rng: np.random.Generator, inner: np.ndarray, eyes_apart: float, size: int) -> Camera:
    """A camera that sees a face of some size somewhere in a picture of ``size`` pixels.

    ``inner`` (n, 3): points about the face's centre that have to be in the picture, in the camera's frame; ``eyes_apart``
    in dm. Sizes and places are spread as in pictures of people, widely.
    """
    distance = float(np.exp(rng.uniform(np.log(5), np.log(35))))
    share = np.clip(np.exp(rng.normal(np.log(0.16), 0.34)), 0.065, 0.33)
    near = Camera(distance, 1.0, np.zeros(2)).project(inner)
    extent = np.ptp(near, axis=0).max()
    scale = min(share * size / eyes_apart, (1 - 4 * MARGIN) * size / extent)
    low, high = near.min(0) * scale, near.max(0) * scale
    spread = (0.22, 0.2) if rng.random() < 0.3 else (0.08, 0.09)
    at = np.array([0.5, 0.46]) * size + rng.normal(0, spread) * size
    offset = np.clip(at, MARGIN * size - low, (1 - MARGIN) * size - high)
    return Camera(distance, float(scale), offset.astype(np.float32))


def draw_companions(rng: np.random.Generator, camera: Camera, size: int) -> Camera:
    """Where a second person is seen: beside the one whom ``camera`` sees, farther from the picture's middle, not larger."""
    out = np.sign(camera.offset[0] - size / 2) or 1.0
    aside = np.array([out * rng.uniform(1.3, 3.2), rng.uniform(-0.6, 0.8)]) * camera.scale
    return Camera(camera.distance, camera.scale * rng.uniform(0.55, 1.0), (camera.offset + aside).astype(np.float32))
