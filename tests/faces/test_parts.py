"""Light, hair, cloth, glasses, backgrounds and photographs, each by itself."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from lightning_modules.faces.background import draw_background
from lightning_modules.faces.camera import Pose
from lightning_modules.faces.colour import linear, luminance
from lightning_modules.faces.expression import draw_expression
from lightning_modules.faces.eyes import draw_eyes
from lightning_modules.faces.garment import CUTS, draw_garment
from lightning_modules.faces.glasses import draw_glasses
from lightning_modules.faces.hair import draw_hair
from lightning_modules.faces.head import head, normals
from lightning_modules.faces.headwear import SORTS, draw_headwear
from lightning_modules.faces.light import Light, Shadows
from lightning_modules.faces.noise import in_space, sheet, smoothstep, volume
from lightning_modules.faces.photograph import exposed, photograph
from lightning_modules.faces.scalp import Reach, scalp

UPRIGHT = Pose(0, 0, 0, 0, 0)
OUTWARD = normals(head().mean, head().triangles)
BLACK, WHITE = np.zeros(3, np.float32), np.ones(3, np.float32)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def lamp(**changed: object) -> Light:
    front = np.array([0, 0, 1], np.float32)
    return replace(Light(front, WHITE, front, BLACK, BLACK, BLACK, softness=0.01), **changed)  # type: ignore[arg-type]


def test_light_falls_off_with_the_angle_and_not_behind() -> None:
    normals = np.array([[0, 0, 1], [0, np.sin(1), np.cos(1)], [0, 0, -1]], np.float32)
    found = lamp().diffuse(normals, np.ones(3, np.float32), np.ones(3, np.float32))
    assert found[:, 0].tolist() == pytest.approx([1, np.cos(1), 0], abs=1e-5)


def test_what_is_behind_something_is_in_its_shadow() -> None:
    sheet_at = np.array(
        [[-1, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1], [-3, -3, -1], [3, -3, -1], [3, 3, -1], [-3, 3, -1]], np.float32
    )
    triangles = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]], np.int32)
    shadows = Shadows(lamp(), sheet_at, triangles)
    assert shadows.lit(np.array([[0, 0, -1], [2, 2, -1], [0, 0, 1]], np.float32)).tolist() == pytest.approx([0, 1, 1])


def test_noise_is_standard_repeats_itself_and_falls_as_one_over_f() -> None:
    for table in (sheet(), volume()):
        assert abs(table.mean()) < 1e-3 and table.std() == pytest.approx(1, abs=1e-3)
    power = np.abs(np.fft.fft2(sheet())) ** 2
    low, high = power[0, 4:8].mean(), power[0, 64:128].mean()
    assert np.log(low / high) / np.log(96 / 6) == pytest.approx(2, abs=0.5)  # amplitude 1/f is power 1/f^2
    points = rng().normal(size=(50, 3)).astype(np.float32)
    assert np.array_equal(
        in_space(rng(1), points, 1.0), in_space(rng(1), points + 3, 1.0)
    )  # three tables' lengths further


def test_smoothstep_goes_both_ways() -> None:
    assert smoothstep(0, 1, np.array([-1, 0.5, 2])).tolist() == [0, 0.5, 1]
    assert smoothstep(1, 0, np.array([-1, 0.5, 2])).tolist() == [1, 0.5, 0]


def test_hair_grows_on_the_crown_and_not_on_the_face() -> None:
    crown, forehead, cheek, nape = [0, 8.35, 0.3], [0, 7.75, 1.35], [0.4, 7.0, 1.2], [0, 7.0, -0.4]
    places = np.array([crown, forehead, cheek, nape], np.float32)
    assert scalp(places, 0, 0).tolist() == [1, 0, 0, 1]
    assert scalp(places, 0, crown=0.6).tolist() == [0, 0, 0, 1]


def test_hair_stays_out_of_the_head() -> None:
    reach = Reach(head().mean)
    points = np.array([[0, 7.5, 0.5], [0.3, 7.9, 0.5], [0, 9.5, 0.4]], np.float32)
    pushed = points
    for _ in range(20):
        pushed = reach.pushed_out(pushed, 0.05)
    assert pushed[0, 1] > 8.2 or np.linalg.norm(pushed[0] - [0, 7.5, 0.42]) > 0.6
    assert pushed[1, 1] > 8.1
    assert np.array_equal(pushed[2], points[2])


@pytest.mark.parametrize("seed", range(6))
def test_ribbons_of_hair_hang_together_and_are_near_the_head(seed: int) -> None:
    hair = draw_hair(WHITE, male=bool(seed % 2), age=0.3, straight=True, rng=rng(seed))
    mesh = hair.mesh(head(), head().mean, OUTWARD, UPRIGHT, hair.on_scalp(head().mean))
    if mesh is None:
        assert hair.style == "bald"
        return
    assert np.isfinite(mesh.points).all() and mesh.triangles.max() == len(mesh.points) - 1
    away = np.linalg.norm(mesh.points - UPRIGHT.posed(np.array([[0, 7.5, 0.42]], np.float32)), axis=1)
    assert np.quantile(away, 0.1) > 0.5 and away.max() < 1.5 + hair.length * 1.2


def test_every_cut_leaves_the_face_free_and_covers_the_shoulders() -> None:
    seen = set()
    for seed in range(60):
        garment = draw_garment(rng(seed), woman=bool(seed % 2))
        seen.add(garment.cut)
        places = np.array([[0, 7, 1.4, 1], [0, 6.6, 1.3, 1], [1.7, 5.45, 0.1, 1], [-1.7, 5.45, 0.1, 1]], np.float32)
        assert garment.covers(places).tolist() == [False, False, True, True], garment.cut
    assert seen == set(CUTS)


def test_every_hat_leaves_the_eyes_free_and_a_mask_covers_the_mouth() -> None:
    seen = set()
    for seed in range(60):
        wear = draw_headwear(rng(seed))
        seen.add(wear.sort)
        eyes, mouth, crown = [0.3, 7.34, 1.33], [0, 6.65, 1.5], [0, 8.35, 0.3]
        covered = wear.covers(np.array([eyes, mouth, crown], np.float32)).tolist()
        assert covered == {"mask": [False, True, False], "headband": [False] * 3}.get(wear.sort, [False, False, True])
        for mesh in wear.meshes(head(), head().mean, OUTWARD, UPRIGHT):
            assert np.isfinite(mesh.points).all() and mesh.triangles.max() < len(mesh.points)
    assert seen == set(SORTS)


def test_glasses_sit_in_front_of_the_eyes_and_reach_the_ears() -> None:
    frame, lens = draw_glasses(rng()).meshes(head(), head().mean, UPRIGHT)
    eyes = UPRIGHT.posed(head().mean[head().landmarks[36:48]])
    assert lens.points[:, 2].max() > eyes[:, 2].max()
    middle = [eyes[:6, :2].mean(0), eyes[6:, :2].mean(0)]
    half = len(lens.points) // 2
    for part, eye in zip((lens.points[:half], lens.points[half:]), middle, strict=True):
        assert np.abs(part[:, :2].mean(0) - eye).max() < 0.1
    assert frame.points[:, 2].min() < UPRIGHT.posed(np.array([[0, 7.3, 0.4]], np.float32))[0, 2]


def test_an_eye_is_dark_in_its_middle_and_light_around() -> None:
    eyes = draw_eyes(linear([(90, 60, 40)])[0], (0.0, 0.0), rng())
    angle = np.array([0.0, 0.33, 0.8])
    towards = np.stack([np.sin(angle), 0 * angle, np.cos(angle), np.ones(3)], 1).astype(np.float32)
    colours = eyes.shade(
        towards, np.tile([0, 0, 1], (3, 1)).astype(np.float32), np.zeros(3, np.float32), lamp(above=WHITE, below=WHITE)
    )
    pupil, iris, white = luminance(colours)
    assert pupil < iris < white


def test_expressions_move_known_units_by_shares() -> None:
    for seed in range(40):
        found = draw_expression(head(), rng(seed))
        assert set(found.units) <= set(head().morphs["expr"])
        assert all(0 <= weight <= 1 for weight in found.units.values())


def test_backgrounds_are_dull_and_have_the_spectrum_of_scenes() -> None:
    images = [draw_background(rng(seed), 64) for seed in range(24)]
    assert all(image.shape == (64, 64, 3) and np.isfinite(image).all() and image.min() >= 0 for image in images)
    saturation = [1 - image.mean((0, 1)).min() / image.mean((0, 1)).max() for image in images]
    assert np.median(saturation) < 0.4
    assert len({image.tobytes() for image in images}) == 24


def test_exposure_brings_skin_to_the_middle_and_never_blows_it_out() -> None:
    for bright in (0.01, 0.2, 5.0):
        image = np.full((8, 8, 3), bright, np.float32)
        found = [exposed(rng(seed), image, image.reshape(-1, 3)) for seed in range(20)]
        assert 0.35 < np.median(found) < 0.85 and np.max(found) < 1
    highlight = np.full((8, 8, 3), 0.2, np.float32)
    highlight[0, 0] = 3.0
    assert exposed(rng(), highlight, highlight[1:].reshape(-1, 3))[0, 0].max() <= 1


def test_a_photograph_is_a_jpeg_of_the_size() -> None:
    image = np.full((96, 96, 3), 0.5, np.float32)
    for seed in range(12):
        found = Image.open(io.BytesIO(photograph(rng(seed), image, 48)))
        assert (found.format, found.size) == ("JPEG", (48, 48))
        assert 60 < np.asarray(found).mean() < 200
