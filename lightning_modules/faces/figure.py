"""A person before the camera: everything about one face that is drawn at random, and the surfaces that it makes."""

from dataclasses import dataclass

import numpy as np

from lightning_modules.faces import hair as hairs
from lightning_modules.faces.camera import Camera, Pose, draw_camera, draw_companions, draw_pose
from lightning_modules.faces.expression import Expression, draw_expression
from lightning_modules.faces.eyes import draw_eyes, draw_teeth, mouth_values
from lightning_modules.faces.garment import draw_garment
from lightning_modules.faces.glasses import Glasses, draw_glasses
from lightning_modules.faces.head import LEFT_EYE, RIGHT_EYE, SKIN, TEETH, TONGUE, Head, normals
from lightning_modules.faces.headwear import draw_headwear
from lightning_modules.faces.jaw import outline
from lightning_modules.faces.mesh import Mesh
from lightning_modules.faces.occluders import draw_occluder
from lightning_modules.faces.person import Person, draw_person
from lightning_modules.faces.skin import draw_complexion

CENTRE = (36, 45, 30, 48, 54)  # landmarks whose mean is the middle of a face
INNER = slice(17, 68)  # all but the jaw: the points that must be in the picture


@dataclass(frozen=True)
class Figure:
    """Surfaces in the camera's frame, about the middle of the face; the first is the skin, ``lens`` is see-through.

    ``landmarks`` (68, 3); ``eyes_apart`` dm between the middles of the eyes.
    """

    person: Person
    expression: Expression
    pose: Pose
    camera: Camera
    meshes: list[Mesh]
    lens: Mesh | None
    glasses: Glasses | None
    landmarks: np.ndarray


def draw_figure(head: Head, rng: np.random.Generator, size: int, beside: Camera | None = None) -> Figure:
    """A figure for a picture of ``size`` pixels; a companion of the one that the camera ``beside`` sees, if given."""
    person = draw_person(head, rng)
    neutral = head.morphed(head.morphed(head.base, "macro", person.macro), "local", person.features)
    expression = draw_expression(head, rng)
    upright = head.morphed(neutral, "expr", expression.units)
    upright = upright + (NECK_AT - upright[head.landmarks[list(CENTRE)]].mean(0)) * np.array([0, 1, 1], np.float32)
    pose = draw_pose(rng)
    turned = pose.posed(upright)
    middle = turned[head.landmarks[list(CENTRE)]].mean(0)
    landmarks = turned[head.landmarks] - middle
    apart = np.linalg.norm(upright[head.landmarks[36:42]].mean(0) - upright[head.landmarks[42:48]].mean(0))
    if beside is None:
        camera = draw_camera(rng, landmarks[INNER], float(apart), size)
    else:
        camera = draw_companions(rng, beside, size)
    jaw = outline(head, camera.project(turned - middle))
    landmarks[: len(jaw)] = turned[jaw] - middle
    meshes = _of_head(head, person, expression, upright, turned, rng, pose)
    glasses = draw_glasses(rng) if rng.random() < 0.2 else None
    lens = None
    if glasses:
        frame, lens = glasses.meshes(head, upright, pose)
        meshes.append(frame)
    meshes = [_moved(mesh, middle) for mesh in meshes]
    if rng.random() < 0.14:
        meshes += draw_occluder(rng, landmarks, person.skin)
    return Figure(person, expression, pose, camera, meshes, _moved(lens, middle) if lens else None, glasses, landmarks)


NECK_AT = np.array([0.0, 7.05, 1.38], np.float32)  # dm: where the middle of the mean face is


def _moved(mesh: Mesh, middle: np.ndarray) -> Mesh:
    return Mesh(
        mesh.points - middle, mesh.triangles, mesh.normals, mesh.values, mesh.shade, mesh.two_sided, mesh.cutout
    )


def _of_head(
    head: Head, person: Person, expression: Expression, upright: np.ndarray, turned: np.ndarray, rng: np.random.Generator, pose: Pose
) -> list[Mesh]:  # fmt: skip
    complexion = draw_complexion(person, rng)
    facing, outward = normals(turned, head.triangles), normals(upright, head.triangles)
    straight = float(person.macro["african-female-young"] + person.macro["african-male-young"]
                     + person.macro["african-female-old"] + person.macro["african-male-old"]) < rng.uniform(0.3, 0.7)  # fmt: skip
    hair = hairs.draw_hair(person.hair, person.male > 0.5, person.age, straight, rng)
    hat = draw_headwear(rng) if rng.random() < 0.12 else None
    grown = hair.on_scalp(head.mean)
    paint = grown * (0.35 if hair.style == "bald" else 0.92)
    skin = Mesh(turned, _parts(head, SKIN), facing, complexion.values(head, paint), complexion.shade)
    eyes = draw_eyes(person.iris, expression.gaze, rng)
    teeth = draw_teeth(rng)
    meshes = [
        skin,
        Mesh(turned, _parts(head, RIGHT_EYE, LEFT_EYE), facing, eyes.values(head), eyes.shade),
        Mesh(turned, _parts(head, TEETH, TONGUE), facing, mouth_values(head), teeth.shade),
        draw_garment(rng, person.male < 0.5).mesh(head, upright, outward, pose),
    ]
    if hat and hat.hides_hair:
        grown = grown * (head.mean[:, 1] < hat.line - 0.35) * (hat.sort != "headscarf")
    strands = [hair.mesh(head, upright, outward, pose, grown)]
    if complexion.stubble > 0.45 and rng.random() < 0.7:
        beard = hairs.draw_beard(person.hair, rng)
        strands.append(beard.mesh(head, upright, outward, pose, hairs.beard_weights(head)))
    meshes += [mesh for mesh in strands if mesh]
    return meshes + (hat.meshes(head, upright, outward, pose) if hat else [])


def _parts(head: Head, *parts: int) -> np.ndarray:
    return head.triangles[np.isin(head.part[head.triangles[:, 0]], parts)]
