"""What is seen in open mouths and eyes: the room's light cancels, teeth show above, shut ones show nothing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from generator_faces import face_points
from hypothesis import given
from hypothesis import strategies as st

from models.face import FaceParams, InnerLight
from models.inner_light import COLUMNS, MOST, PARTS, ROWS, Inside, look_inside, own_light, transfer_light
from models.morphable import EYES, INNER_LIPS, OUTER_LIPS
from models.motion import blend, mean, neutral_params


def opened(by: float = 16.0) -> np.ndarray:
    p = face_points()
    p[[14, 87, 317, 178, 402, 88, 318], 1] += by
    return p


def face(points: np.ndarray, teeth: float = 1.0, skin: float = 150.0, gain: float = 1.0) -> np.ndarray:
    """A plain face with a dark opening and a bright bar in its upper third."""
    picture = np.full((256, 256, 3), skin, np.float32)
    loop = points[list(INNER_LIPS), :2]
    inside = np.zeros((256, 256), np.uint8)
    cv2.fillPoly(inside, [np.rint(loop).astype(np.int32)], 255)
    picture[inside > 0] = 0.2 * skin
    third = loop[:, 1].min() + (loop[:, 1].max() - loop[:, 1].min()) / 3
    picture[(inside > 0) & (np.arange(256)[:, None] < third)] = teeth * skin
    return np.clip(picture * gain, 0, 255).astype(np.uint8)


def test_teeth_are_seen_above_and_dark_below() -> None:
    p = opened()
    seen = look_inside(face(p), p)
    assert seen.share.shape == (PARTS, ROWS, COLUMNS)
    assert seen.share.dtype == seen.known.dtype == np.float32
    assert (seen.share[0, 1, 2:6] > 0.7).all()  # the first and last rows see the lips' rim as well
    assert (seen.share[0, 4:7, 2:6] < 0.35).all()
    assert seen.known[0] == 1.0
    assert (look_inside(face(p, teeth=0.2), p).share[0, 1:7, 2:6] < 0.4).all()


def test_the_right_eye_is_seen_mirrored() -> None:
    p = face_points()
    picture = np.full((256, 256, 3), 100, np.uint8)
    for eye in EYES:  # lighter towards the nose
        x, y = p[list(eye.contour), 0], p[list(eye.contour), 1]
        half = np.s_[int(y.min()) - 1 : int(y.max()) + 2, int(x.min()) - 1 : int(x.max()) + 2]
        nearer = np.abs(np.arange(256)[half[1]] - 128) < np.abs(x.mean() - 128)
        picture[half] = np.where(nearer, 150, 60).astype(np.uint8)[None, :, None]
    seen = look_inside(picture, p)
    for i in (1, 2):
        assert seen.known[i] > 0.0
    np.testing.assert_allclose(seen.share[1], seen.share[2], atol=0.12)
    assert abs(seen.share[1, :, 0] - seen.share[1, :, -1]).min() > 0.3


@given(st.floats(0.7, 1.6), st.floats(90, 150))
def test_the_light_of_the_room_cancels(gain: float, skin: float) -> None:
    p = opened()
    a, b = (look_inside(face(p, skin=s, gain=g), p).share[0] for s, g in ((150.0, 1.0), (skin, gain)))
    np.testing.assert_allclose(a, b, atol=0.04)


def test_brighter_than_bright_is_bright_and_black_is_no_error() -> None:
    p = opened()
    assert look_inside(face(p, teeth=6.0, skin=40.0), p).share.max() == pytest.approx(MOST)
    assert (look_inside(np.zeros((256, 256, 3), np.uint8), p).share == 0).all()


def test_a_beard_does_not_make_the_mouth_light() -> None:
    p = opened()
    plain, bearded = face(p), face(p)
    lips = np.zeros((256, 256), np.uint8)
    cv2.fillPoly(lips, [np.rint(p[list(OUTER_LIPS), :2]).astype(np.int32)], 255)
    bearded[(cv2.dilate(lips, np.ones((41, 41))) > 0) & (lips == 0)] = 30
    middle = np.s_[0, 1:-1, 1:-1]
    np.testing.assert_allclose(look_inside(bearded, p).share[middle], look_inside(plain, p).share[middle], atol=0.12)


def test_a_tiny_face_shows_nothing() -> None:
    picture, p = face(opened()), opened()
    iod = float(np.linalg.norm(p[33] - p[263]))
    known = []
    for px in (14.0, 22.0, 60.0):
        small = cv2.resize(picture, None, fx=px / iod, fy=px / iod, interpolation=cv2.INTER_AREA)
        known.append(look_inside(small, p * np.float32(px / iod)).known[0])
    assert known[0] == 0.0
    assert 0.0 < known[1] < 1.0
    assert known[2] == 1.0


def test_a_mouth_below_the_picture_is_not_known() -> None:
    p = opened()
    assert look_inside(face(p), p).known[0] == 1.0
    assert look_inside(face(p)[: int(p[14, 1]) - 4].copy(), p).known[0] == 0.0


def test_what_a_dark_room_shows_is_not_known() -> None:
    p = opened()
    known = [look_inside(face(p, gain=g), p).known[0] for g in (0.05, 0.16, 1.0)]
    assert known[0] == 0.0
    assert 0.0 < known[1] < 1.0
    assert known[2] == 1.0


def test_a_point_shows_nothing_and_a_mouth_outside_the_picture_does_no_harm() -> None:
    p = face_points()
    p[list(INNER_LIPS), :2] = p[13, :2]
    assert look_inside(face(opened()), p).known[0] == 0.0
    for far in (4000.0, np.nan):
        q = opened()
        q[:, :2] += far
        seen = look_inside(face(opened()), q)
        assert np.isfinite(seen.share).all()
        assert np.isfinite(seen.known).all()
    assert (seen.known == 0.0).all()


def test_a_photo_with_a_slit_between_its_lips_shows_no_teeth() -> None:
    slit, wide = face_points(), opened(20.0)
    loop = list(INNER_LIPS)
    slit[loop, 1] = slit[13, 1] + 0.12 * (slit[loop, 1] - slit[13, 1])
    assert look_inside(face(slit), slit).known[0] > 0.0
    assert own_light(face(slit), slit).known[0] == 0.0
    assert own_light(face(wide), wide).known[0] == 1.0


def test_noise_hardly_moves_what_rests_and_a_change_comes_at_once() -> None:
    p, rng, inside = opened(), np.random.default_rng(0), Inside()
    plain, calm = [], []
    for _ in range(30):
        noisy = np.clip(face(p) + rng.normal(0, 12, (256, 256, 3)), 0, 255).astype(np.uint8)
        plain.append(look_inside(noisy, p).share[0])
        calm.append(inside.look(noisy, p).share[0])
    steps = [np.abs(np.diff(np.array(s[5:]), axis=0)).mean() for s in (plain, calm)]
    assert steps[1] < 0.5 * steps[0]
    seen, want = inside.look(face(p, teeth=0.2), p), look_inside(face(p, teeth=0.2), p)
    assert np.abs(seen.share[0] - want.share[0]).max() < 0.04
    inside.forget()
    np.testing.assert_array_equal(inside.look(face(p), p).share, look_inside(face(p), p).share)


def test_what_was_shut_is_not_remembered() -> None:
    shut, wide, inside = face_points(), opened(), Inside()
    shut[list(INNER_LIPS), :2] = shut[13, :2]
    inside.look(face(wide, teeth=0.2), shut)
    np.testing.assert_array_equal(inside.look(face(wide), wide).share[0], look_inside(face(wide), wide).share[0])


def light(level: float, known: tuple[float, float, float] = (1, 1, 1), contrast: float = 0.1) -> InnerLight:
    share = np.full((PARTS, ROWS, COLUMNS), level, np.float32)
    share[:, ::2] += contrast
    share[:, 1::2] -= contrast
    return InnerLight(share, np.array(known, np.float32))


def lit(given: InnerLight | None) -> FaceParams:
    return neutral_params().with_(light=given)


Light = InnerLight | None


def moved(source: Light, driver: Light, neutral: Light, mouth: float = 1.0, eyes: float = 1.0) -> InnerLight:
    got = transfer_light(lit(source), lit(driver), lit(neutral), mouth, np.full(2, eyes))
    assert got is not None
    return got


def test_a_driver_at_neutral_leaves_the_photos_light() -> None:
    own = light(0.7)
    got = moved(own, light(0.5), light(0.5))
    np.testing.assert_allclose(got.share, own.share, atol=1e-6)
    assert (got.known[1:] == 1.0).all()


def test_a_shut_photo_is_as_light_as_the_drivers_mouth() -> None:
    driver = light(0.3)
    got = moved(light(0.9, known=(0, 1, 1)), driver, light(0.6, known=(0, 1, 1)))
    np.testing.assert_array_equal(got.share[0], driver.share[0])
    assert got.known[0] == 1.0


def test_teeth_of_the_photo_go_only_with_a_neutral_that_looks_alike() -> None:
    own = light(0.9)
    alike, other = moved(own, light(0.3), light(0.88)), moved(own, light(0.3), light(0.4))
    assert alike.known[0] > 0.95
    np.testing.assert_allclose(alike.share[0], own.share[0] - 0.58, atol=1e-6)
    assert other.known[0] < 0.01
    assert moved(own, light(0.3), light(0.9, known=(0, 1, 1))).known[0] == 0.0


def test_eyes_of_less_contrast_change_less() -> None:
    pale, dark = light(0.7, contrast=0.05), light(0.7, contrast=0.2)
    brighter = light(0.9, contrast=0.2)
    assert np.allclose(moved(pale, brighter, dark).share[1] - pale.share[1], 0.05, atol=1e-5)
    assert np.allclose(moved(dark, light(0.9, contrast=0.05), pale).share[1] - dark.share[1], 0.2, atol=1e-5)


def test_gains_and_what_is_not_known() -> None:
    got = moved(light(0.7), light(0.5), light(0.5), mouth=0.0, eyes=0.5)
    np.testing.assert_allclose(got.known, [0.0, 0.5, 0.5])
    assert transfer_light(lit(light(1)), lit(None), lit(light(1))) is None
    np.testing.assert_array_equal(moved(light(1, (0, 1, 1)), light(0.5), None).known, [1, 0, 0])
    np.testing.assert_array_equal(moved(None, light(0.5), light(0.5)).known, [1, 0, 0])


def test_params_carry_it() -> None:
    a, b = light(0.2), light(0.6, known=(0, 1, 1))
    between = blend(lit(a), lit(b), 0.25).light
    assert between is not None
    np.testing.assert_allclose(between.known, [0.75, 1, 1])
    np.testing.assert_allclose(between.share[0], a.share[0], atol=1e-6)  # b's is not known
    np.testing.assert_allclose(between.share[1], a.share[1] + 0.1, atol=1e-6)
    fading = blend(lit(a), lit(None), 0.8).light
    assert fading is not None
    np.testing.assert_allclose(fading.known, 0.2)
    np.testing.assert_allclose(fading.share, a.share, atol=1e-6)
    average = mean([lit(a), lit(light(0.4)), lit(None)]).light
    assert average is not None
    np.testing.assert_allclose(average.share, light(0.3).share, atol=1e-6)
    assert blend(lit(None), lit(None), 0.5).light is None
