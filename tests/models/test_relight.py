"""Paint takes on the driver's light and keeps its own brightness over time; shut openings are left alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from models.generator_crop import with_rim
from models.inner_light import COLUMNS, ROWS, seen_light
from models.relight import Relight

S = 112


def network(level: float, paint: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """A network's input, skin of grey 150 with an opening, and its output: `paint` over the whole opening."""
    picture = np.full((S, S, 5), 150, np.uint8)
    picture[:, :, 3:] = 0
    for i, more in enumerate((0, 8)):
        plane = np.zeros((S, S), np.uint8)
        cv2.ellipse(plane, (56, 56), (26 + more, 10 + more), 0, 0, 360, 255, -1)
        picture[:, :, 3 + i] = plane
    picture[picture[:, :, 3] > 0, :3] = level
    painted = np.zeros((S, S, 4), np.float32)
    if paint:
        painted[picture[:, :, 3] > 0] = (paint, paint, paint, 1.0)
    return picture, painted


def shares(picture: np.ndarray, painted: np.ndarray, *, mouth: bool = True) -> np.ndarray:
    share = np.empty((ROWS, COLUMNS), np.float32)
    masks = with_rim(picture[:, :, 3:]) if mouth else picture[:, :, 3:]
    seen_light(picture, masks, share, painted)
    return share


@pytest.mark.parametrize("paint", [0.0, 120.0])
def test_a_mouth_becomes_as_light_as_asked(paint: float) -> None:
    picture, painted = network(90, paint)
    want = np.linspace(0.85, 1.15, ROWS, dtype=np.float32)[:, None].repeat(COLUMNS, 1)
    Relight(mouth=True).apply(picture, painted, want, 1.0)
    got = shares(picture, painted)
    assert np.abs(got - want)[:, 1:-1].max() < 0.08
    assert (got[:, [0, -1]] <= want[:, [0, -1]] + 0.05).all()  # corners get no light
    outside = with_rim(picture[:, :, 3:])[:, :, 0] == 0
    assert not painted[outside].any()


def test_half_known_goes_half_the_way_and_unknown_nowhere() -> None:
    dark = np.full((ROWS, COLUMNS), 0.2, np.float32)
    levels = []
    for known in (0.0, 0.5, 1.0):
        picture, painted = network(90)
        Relight(mouth=True).apply(picture, painted, dark, known)
        levels.append(float(shares(picture, painted).mean()))
    assert levels[0] == pytest.approx(float(shares(*network(90)).mean()))
    assert levels[1] == pytest.approx((levels[0] + levels[2]) / 2, abs=0.03)
    assert levels[2] == pytest.approx(0.2, abs=0.03)


def test_eyes_change_as_asked_but_never_by_much() -> None:
    for asked, most in ((0.62, 0.02), (0.1, 0.15), (1.2, 0.15)):
        picture, painted = network(90)
        Relight(mouth=False).apply(picture, painted, np.full((ROWS, COLUMNS), asked, np.float32), 1.0)
        change = float(shares(picture, painted, mouth=False).mean()) - 0.6
        assert np.sign(change) == np.sign(asked - 0.6)
        assert 0.7 * most < abs(change) < most + 0.01


def test_a_shut_opening_is_left_alone() -> None:
    picture, painted = network(90)
    picture[:, :, 3] = 0
    picture[56, 50:60, 3] = 255
    Relight(mouth=True).apply(picture, painted, np.full((ROWS, COLUMNS), 1.5, np.float32), 1.0)
    assert not painted.any()


def test_dull_teeth_do_not_dull_anothers_for_long() -> None:
    """A driver whose teeth are no lighter than its skin; a source whose painted teeth are half as light again."""
    dull, one = np.full((ROWS, COLUMNS), 0.8, np.float32), Relight(mouth=True)
    levels = []
    for _ in range(200):
        picture, painted = network(90, paint=180)
        one.apply(picture, painted, dull, 1.0)
        levels.append(float(shares(picture, painted).mean()))
    assert levels[0] < 0.9
    assert levels[-1] > 1.05
    assert np.abs(np.diff(levels)).max() < 0.04  # slowly
    one.forget()
    picture, painted = network(90, paint=180)
    one.apply(picture, painted, dull, 1.0)
    assert float(shares(picture, painted).mean()) == pytest.approx(levels[0])


def test_nothing_is_made_whiter_than_white() -> None:
    picture, painted = network(90)
    picture[picture[:, :, 3] == 0, :3] = 230
    Relight(mouth=True).apply(picture, painted, np.full((ROWS, COLUMNS), 1.5, np.float32), 1.0)
    finished = picture[:, :, :3] * (1 - painted[:, :, 3:]) + painted[:, :, :3]
    assert finished[picture[:, :, 3] > 0].max() < 216


def test_the_dark_of_a_mouth_is_redder_than_its_skin_and_teeth_are_not() -> None:
    one, hues = Relight(mouth=True), []
    one.colour(np.array([180, 140, 120], np.float32), teeth=False)
    for level in (0.15, 1.1):
        picture, painted = network(120)
        picture[:, :, :3] = (180, 140, 120)
        one.apply(picture, painted, np.full((ROWS, COLUMNS), level, np.float32), 1.0)
        finished = picture[:, :, :3] * (1 - painted[:, :, 3:]) + painted[:, :, :3]
        r, g, _ = finished[56, 56]
        hues.append(r / g)
    assert hues[0] > 1.8 * 180 / 140
    assert hues[1] < 1.02 * 180 / 140


@pytest.mark.parametrize("teeth", [False, True])
def test_painted_teeth_get_the_hue_of_teeth_and_the_photos_own_keep_theirs(teeth: bool) -> None:
    one, (picture, painted) = Relight(mouth=True), network(120)
    picture[:, :, :3] = (180, 140, 120)
    painted[picture[:, :, 3] > 0] = (150, 180, 150, 1.0)  # green
    before = painted.copy()
    one.colour(np.array([180, 140, 120], np.float32), teeth=teeth)
    one.apply(picture, painted, None, 0.0)
    r, g, _ = painted[56, 56, :3]
    luma = np.array([0.299, 0.587, 0.114])
    assert painted[56, 56, :3] @ luma == pytest.approx(before[56, 56, :3] @ luma, abs=0.5)
    if teeth:
        np.testing.assert_array_equal(painted, before)
    else:
        assert r / g > 0.95


def test_bands_are_as_sharp_as_they_were_seen() -> None:
    """Teeth above, dark below: what nodes measure is blurred by their width, and is not blurred again."""
    driver, _ = network(40)
    driver[:54][driver[:54, :, 3] > 0, :3] = 170
    want = np.empty((ROWS, COLUMNS), np.float32)
    seen_light(driver, with_rim(driver[:, :, 3:]), want)
    picture, painted = network(100)
    one = Relight(mouth=True)
    one.apply(picture, painted, want, 1.0)
    got = shares(picture, painted)
    middle = np.s_[:, 2:-2]
    assert np.abs(got[middle] - want[middle]).max() < 0.08
    assert want[2, 4] - want[-3, 4] > 0.7


@pytest.mark.parametrize("skin", [(255, 217, 0), (0, 0, 0)])
def test_skin_without_a_colour_leaves_numbers(skin: tuple[int, int, int]) -> None:
    one, (picture, painted) = Relight(mouth=True), network(90, paint=120)
    one.colour(np.array(skin, np.float32), teeth=False)
    one.apply(picture, painted, np.full((ROWS, COLUMNS), 0.1, np.float32), 1.0)
    assert np.isfinite(painted).all()


def test_a_slit_may_get_darker_but_not_lighter() -> None:
    for asked, changed in ((0.1, True), (1.4, False)):
        picture, painted = network(90, paint=120)
        picture[:, :, 3] = 0
        picture[55:57, 45:65, 3] = 255
        one, before = Relight(mouth=True), painted.copy()
        one.apply(picture, painted, np.full((ROWS, COLUMNS), asked, np.float32), 1.0)
        assert (not np.array_equal(painted, before)) is changed
