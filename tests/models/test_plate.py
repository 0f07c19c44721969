"""The plate: the picture where nobody stands, no ghosts behind the person, and together they give the picture back."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.plate import background_plate, margin_px, premultiplied_person, smooth_fill

SIZE = 200
Y, X = np.mgrid[:SIZE, :SIZE].astype(np.float32)


def disc(cx: float, cy: float, radius: float, soft: float = 4) -> np.ndarray:
    return np.clip((radius - np.hypot(X - cx, Y - cy)) / soft + 0.5, 0, 1).astype(np.float32)


def over(front: tuple[int, int, int], alpha: np.ndarray, back: np.ndarray) -> np.ndarray:
    return np.rint(alpha[..., None] * np.array(front) + (1 - alpha[..., None]) * back).astype(np.uint8)


@pytest.fixture
def studio() -> np.ndarray:
    noise = np.random.default_rng(3).normal(0, 1.2, (SIZE, SIZE, 3))
    return np.clip(np.stack([150 + X / 8, 160 + X / 8, 170 + Y / 8], -1) + noise, 0, 255)


def recomposed(person: np.ndarray, plate: np.ndarray) -> np.ndarray:
    return person[..., :3] + (1 - person[..., 3:]) * plate


def test_nobody_there(studio: np.ndarray) -> None:
    picture = studio.astype(np.uint8)
    np.testing.assert_array_equal(background_plate(picture, np.zeros((SIZE, SIZE), np.float32)), picture)


def test_a_plain_background_comes_back_without_a_trace_of_the_person(studio: np.ndarray) -> None:
    alpha = disc(100, 110, 50)
    plate = background_plate(over((40, 25, 20), alpha, studio), alpha).astype(float)
    smooth = np.stack([150 + X / 8, 160 + X / 8, 170 + Y / 8], -1)
    hole = alpha > 0
    assert np.abs(plate - smooth)[hole].mean() < 3
    assert cv2.GaussianBlur(np.abs(plate - smooth), (0, 0), 2)[hole].max() < 12, "a ghost of the outline"
    grain = (plate - cv2.GaussianBlur(plate, (0, 0), 1))[alpha > 0.99].std()
    assert 0.4 < grain < 2, "the filled part has the background's grain"


def test_beyond_the_margin_the_picture_itself(studio: np.ndarray) -> None:
    alpha = disc(100, 110, 50)
    picture = over((40, 25, 20), alpha, studio)
    plate = background_plate(picture, alpha)
    far = cv2.dilate((alpha > 0).astype(np.uint8), np.ones((2 * margin_px(picture) + 3,) * 2, np.uint8)) == 0
    np.testing.assert_array_equal(plate[far], picture[far])
    assert far.mean() > 0.5


def test_a_strand_the_matte_missed_belongs_to_the_person(studio: np.ndarray) -> None:
    alpha = disc(100, 110, 50)
    picture = over((40, 25, 20), alpha, studio)
    cv2.line(picture, (100, 62), (108, 53), (40, 25, 20), 1, cv2.LINE_AA)  # a wisp that leaves the outline
    plate = background_plate(picture, alpha)
    tip = (slice(54, 58), slice(103, 108))
    assert picture[tip].min() < 80, "the case has a strand"
    assert plate[tip].min() > 130, "its ghost stayed in the plate"
    person = premultiplied_person(picture, alpha, plate)
    assert person[tip][..., 3].max() > 0.5, "and it travels with the head"
    np.testing.assert_allclose(recomposed(person, plate), picture, atol=0.51)


def test_an_earring_the_matte_missed_neither_doubles_nor_vanishes(studio: np.ndarray) -> None:
    alpha = disc(100, 110, 50)
    picture = over((40, 25, 20), alpha, studio)
    cv2.circle(picture, (153, 120), 3, (250, 210, 40), -1, cv2.LINE_AA)
    plate = background_plate(picture, alpha)
    person = premultiplied_person(picture, alpha, plate)
    assert abs(float(picture[120, 154, 2]) - studio[120, 154, 2]) > 100, "the case has an earring"
    moved = np.array([[1, 0, -20], [0, 1, 0]], np.float32)
    shifted = recomposed(cv2.warpAffine(person, moved, (SIZE, SIZE)), plate)
    assert np.abs(shifted[120, 134] - picture[120, 154]).max() < 50, "it moved along"
    assert np.abs(shifted[120, 154] - studio[120, 154]).max() < 15, "and left nothing behind"


def test_soft_edges_lose_the_old_background(studio: np.ndarray) -> None:
    alpha = disc(100, 110, 50, soft=10)
    front = (60, 35, 25)
    picture = over(front, alpha, studio)
    person = premultiplied_person(picture, alpha, background_plate(picture, alpha))
    edge = (alpha > 0.2) & (alpha < 0.9)
    colour = person[edge][:, :3] / person[edge][:, 3:]
    naive = picture[edge]
    assert np.abs(naive - np.array(front, float)).mean() > 40, "the case has contaminated edges"
    assert np.abs(colour - np.array(front, float)).mean() < 15
    assert np.abs(person[..., 3] - alpha)[edge].mean() < 0.1


def test_a_line_goes_on_behind_the_person() -> None:
    wall = np.where(Y[..., None] < 100, np.array([200, 60, 50]), np.array([40, 90, 190])).astype(float)
    alpha = disc(100, 100, 45, soft=2)
    plate = background_plate(over((30, 30, 30), alpha, wall), alpha).astype(float)
    for x in (60, 140):  # 15 px inside the outline
        column = plate[:, x]
        assert np.abs(column[92] - wall[92, x]).mean() < 30
        assert np.abs(column[108] - wall[108, x]).mean() < 30


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_any_matte_composes_back_to_the_picture(seed: int) -> None:
    random = np.random.default_rng(seed)
    picture = random.integers(0, 256, (40, 56, 3), dtype=np.uint8)
    matte = np.clip(cv2.resize(random.normal(0.4, 0.8, (6, 8)), (56, 40), interpolation=cv2.INTER_CUBIC), 0, 1)
    matte = matte.astype(np.float32)
    plate = background_plate(picture, matte)
    person = premultiplied_person(picture, matte, plate)
    assert person.shape == (40, 56, 4)
    assert (person[..., :3] >= 0).all()
    assert (person[..., :3] <= 255 * person[..., 3:] + 1e-3).all()
    assert (person[..., 3] >= matte - 0.021).all()
    np.testing.assert_allclose(recomposed(person, plate), picture, atol=0.51)


def test_a_matte_over_everything_still_gives_a_plate() -> None:
    picture = np.full((64, 64, 3), 77, np.uint8)
    plate = background_plate(picture, np.ones((64, 64), np.float32))
    assert plate.shape == picture.shape
    assert (plate == 77).all()


def test_the_smooth_fill_is_harmonic() -> None:
    linear = np.repeat((X + 2 * Y)[..., None] / 600, 3, 2).astype(np.float32)  # planes are harmonic: they come back
    hole = np.hypot(X - 90, Y - 80) < 45
    spoilt = np.where(hole[..., None], np.float32(9), linear)
    filled = smooth_fill(spoilt, hole)
    assert np.abs(filled - linear).max() < 0.02
    np.testing.assert_array_equal(filled[~hole], linear[~hole])
