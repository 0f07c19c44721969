import numpy as np
import pytest
from generator_faces import face_points, picture

from models.generator_crop import EYE, MOUTH, crop_matrix, cut, eye_masks, mouth_masks, to_crop, to_picture, turn
from models.morphable import EYES, INNER_LIPS, LOWER_INNER_LIP, OUTER_LIPS


def test_the_mouth_lies_inside_its_crop_at_any_roll() -> None:
    for roll in (-0.6, 0.0, 0.6):
        p = face_points(roll=roll)
        q = to_crop(p[list(OUTER_LIPS)], crop_matrix(p, MOUTH))
        assert q.min() > 10
        assert q.max() < MOUTH.pixels - 11


def test_crop_is_the_same_at_any_roll_and_size() -> None:
    a, b = face_points(), face_points(size=512, iod=170.0, roll=0.4)
    qa, qb = (to_crop(p[list(OUTER_LIPS)], crop_matrix(p, MOUTH)) for p in (a, b))
    np.testing.assert_allclose(qa, qb, atol=0.05)


def test_crop_stands_still_while_the_jaw_drops() -> None:
    p = face_points()
    q = p.copy()
    q[[17, 14, 152, 87, 317], 1] += 20
    np.testing.assert_array_equal(crop_matrix(p, MOUTH), crop_matrix(q, MOUTH))


def test_a_turned_head_keeps_its_crop_size() -> None:
    p = face_points()
    c, s = np.cos(0.5), np.sin(0.5)
    q = (p - p.mean(0)) @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]], np.float32) + p.mean(0)
    k = [np.hypot(*crop_matrix(x.astype(np.float32), MOUTH)[:, 0]) for x in (p, q)]
    assert k[0] == pytest.approx(k[1], rel=1e-3)


def test_right_eye_is_mirrored_onto_the_left() -> None:
    p = face_points()
    left, right = (to_crop(p[list(e.corners)], crop_matrix(p, EYE, e)) for e in EYES)
    # inner corners: image-left corner of the subject's left eye, image-right corner of the right eye
    np.testing.assert_allclose(left[0], right[1], atol=1.5)
    np.testing.assert_allclose(left[1], right[0], atol=1.5)


def test_cut_and_place_agree_on_pixel_centres() -> None:
    rgb = np.zeros((256, 256, 3), np.uint8)
    p = face_points()
    m = crop_matrix(p, MOUTH)
    x, y = np.rint(p[13, :2]).astype(int)
    rgb[y, x] = 255
    crop = cut(rgb, m, MOUTH.pixels)
    found = np.unravel_index(crop[..., 0].argmax(), crop.shape[:2])[::-1]
    np.testing.assert_allclose(found, to_crop(np.array([[x, y]], np.float32), m)[0], atol=0.75)


def test_strong_minification_averages() -> None:
    p = face_points(size=2048, iod=900.0)
    checker = ((np.indices((2048, 2048)).sum(0) % 2) * 255).astype(np.uint8)
    crop = cut(np.repeat(checker[..., None], 3, 2), crop_matrix(p, MOUTH), MOUTH.pixels)
    inner = crop[10:-10, 10:-10].astype(float)
    assert abs(inner.mean() - 127.5) < 2
    assert inner.std() < 12


def test_masks_cover_what_they_name() -> None:
    p = face_points()
    p[[*LOWER_INNER_LIP, *OUTER_LIPS[11:]], 1] += 15  # open the mouth
    m = crop_matrix(p, MOUTH)
    inner, lips = np.moveaxis(mouth_masks(p, m), -1, 0)
    centre = to_crop(p[list(INNER_LIPS)].mean(0, keepdims=True), m)[0].round().astype(int)
    assert inner[centre[1], centre[0]] == 255
    assert lips.astype(int).sum() > inner.astype(int).sum() > 0
    assert inner[0].max() == 0
    assert (lips[inner == 255] == 255).all()


def test_shut_lids_leave_no_opening() -> None:
    p = face_points()
    e = EYES[0]
    wide = eye_masks(p, crop_matrix(p, EYE, e), e).astype(int).sum()
    p[list(e.upper)] = p[list(e.lower)]
    assert eye_masks(p, crop_matrix(p, EYE, e), e).astype(int).sum() < 0.25 * wide


def test_turn_changes_sign_with_the_mirror() -> None:
    p = face_points()
    p[263, 2] += 10
    a, b = turn(p), turn(p, mirrored=True)
    assert a[0] > 0 > b[0]  # larger z is nearer: the image-right side has come closer
    assert a[1] == b[1]


def test_corners_of_the_crop_surround_it() -> None:
    p = face_points()
    m = crop_matrix(p, MOUTH)
    c = to_picture(MOUTH.pixels, m)
    side = MOUTH.side * np.linalg.norm(p[33] - p[263])
    assert np.linalg.norm(c[1] - c[0]) == pytest.approx(side, rel=1e-3)
    assert cut(picture(), m, MOUTH.pixels).shape == (MOUTH.pixels, MOUTH.pixels, 3)
