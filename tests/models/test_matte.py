"""The matte: colours decide inside the band, doubts outside it are settled, and only the one person stays."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.assets import asset_path
from models.closed_form import closed_form_alpha
from models.errors import UserError
from models.matte import SALIENCY, SEGMENTER, MatteNetworks, person_matte, refine_matte

SIZE = 160
Y, X = np.mgrid[:SIZE, :SIZE].astype(np.float32)


def disc(cx: float, cy: float, radius: float, soft: float = 1.5) -> np.ndarray:
    return np.clip((radius - np.hypot(X - cx, Y - cy)) / soft + 0.5, 0, 1).astype(np.float32)


def mixed(alpha: np.ndarray, front: tuple[int, int, int], back: np.ndarray) -> np.ndarray:
    return np.rint(alpha[..., None] * np.array(front) + (1 - alpha[..., None]) * back).astype(np.uint8)


def oval(cx: float, cy: float, width: float, height: float) -> np.ndarray:
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    return np.stack([cx + width / 2 * np.cos(turn), cy + height / 2 * np.sin(turn)], -1).astype(np.float32)


@pytest.fixture
def backdrop() -> np.ndarray:
    return np.stack([60 + X / 4, 120 + Y / 4, 190 - X / 4], -1)


def test_the_laplacian_has_affine_functions_of_colour_in_its_null_space(backdrop: np.ndarray) -> None:
    colour = (backdrop / 255).astype(np.float32)
    wanted = (1.5 * colour[..., 0] - 0.2 * colour[..., 1]).astype(np.float32)
    band = np.zeros((SIZE, SIZE), bool)
    band[40:60, 40:60] = True
    start = np.where(band, 0.9, wanted).astype(np.float32)
    solved = closed_form_alpha(colour, start, np.zeros_like(wanted), band, epsilon=1e-7, levels=1, iterations=400)
    assert np.abs(solved - wanted)[band].max() < 0.01


def test_strands_are_recovered_inside_the_band(backdrop: np.ndarray) -> None:
    truth = disc(80, 80, 40)
    for angle in np.linspace(0, np.pi, 9):  # strands 1.5 px wide that stand out by 12 px
        far = np.array([80 + 52 * np.cos(angle), 80 - 52 * np.sin(angle)])
        strand = np.zeros((SIZE * 4, SIZE * 4), np.uint8)
        cv2.line(strand, (320, 320), tuple(np.rint(far * 4).astype(int).tolist()), 255, 6)
        truth = np.maximum(truth, cv2.resize(strand, (SIZE, SIZE), interpolation=cv2.INTER_AREA) / np.float32(255))
    picture = mixed(truth, (40, 25, 20), backdrop).astype(np.float32) / 255
    guess = disc(80, 80, 41)
    distance = np.abs(np.hypot(X - 80, Y - 80) - 41)
    band = distance < 15
    solved = closed_form_alpha(
        picture, np.where(band, guess, guess > 0.5).astype(np.float32), np.full_like(guess, 0.003), band
    )
    outside = band & (guess < 0.01)
    assert np.abs(guess - truth)[outside].mean() > 0.03, "the case has no strands to recover"
    assert np.abs(solved - truth)[outside].mean() < 0.4 * np.abs(guess - truth)[outside].mean()
    assert solved.min() >= 0
    assert solved.max() <= 1


def test_no_band_leaves_the_guess_alone() -> None:
    guess = disc(80, 80, 40)
    out = closed_form_alpha(np.zeros((SIZE, SIZE, 3), np.float32), guess, guess, np.zeros(guess.shape, bool))
    np.testing.assert_array_equal(out, guess)


def test_a_flag_only_one_network_sees_and_another_person_are_background(backdrop: np.ndarray) -> None:
    me, other, flag = disc(60, 90, 35), disc(135, 60, 14), np.zeros((SIZE, SIZE), np.float32)
    flag[10:60, 5:30] = 1
    truth = me
    picture = mixed(np.maximum(me, other), (200, 150, 120), mixed(flag, (200, 20, 30), backdrop))
    person = cv2.GaussianBlur(np.maximum(me, other), (0, 0), 2)
    salient = cv2.GaussianBlur(np.maximum(np.maximum(me, other), 0.7 * flag), (0, 0), 2)
    alpha = refine_matte(picture, person, salient, oval(60, 95, 36, 46))
    assert alpha[(flag > 0) & (np.hypot(X - 60, Y - 90) > 45)].max() < 0.1
    assert alpha[other > 0].max() == 0
    assert np.abs(alpha - truth).mean() < 0.01
    assert alpha[90, 60] == 1


def test_a_glint_inside_the_outline_is_no_hole(backdrop: np.ndarray) -> None:
    me = disc(80, 80, 45)
    picture = mixed(me, (90, 60, 50), backdrop)
    picture[60:63, 108:111] = 255
    guess = cv2.GaussianBlur(me, (0, 0), 1.5)
    guess[60:63, 108:111] = 0.3
    alpha = refine_matte(picture, guess, guess, oval(75, 85, 40, 56))
    assert alpha[58:65, 106:113].min() > 0.9


@pytest.fixture(scope="module")
def networks() -> MatteNetworks:
    try:
        return MatteNetworks(asset_path(SEGMENTER), asset_path(SALIENCY))
    except UserError as error:
        pytest.skip(f"the segmentation networks cannot be had: {error}")


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    matplotlib = pytest.importorskip("matplotlib")
    path = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    picture = cv2.imread(str(path))
    assert picture is not None
    return np.ascontiguousarray(picture[:, :, ::-1])


FACE = oval(255, 195, 150, 190)  # her face, roughly: chin at 290


def test_a_real_portrait_is_cut_out(networks: MatteNetworks, portrait: np.ndarray) -> None:
    alpha = person_matte(portrait, FACE, networks)
    assert alpha.shape == portrait.shape[:2]
    assert alpha.dtype == np.float32
    height, width = alpha.shape
    assert (alpha[150:250, 200:310] == 1).all(), "the face"
    assert alpha[-60:, width // 3 : -width // 3].min() > 0.95, "the uniform"
    assert alpha[:60, :60].max() < 0.05, "the flag in the corner"
    assert alpha[:60, -60:].max() < 0.05
    assert 0.3 < alpha.mean() < 0.85
    assert height > 400


def test_a_large_picture_gets_the_same_matte_larger(networks: MatteNetworks, portrait: np.ndarray) -> None:
    small = person_matte(portrait, FACE, networks)
    large = person_matte(
        cv2.resize(portrait, None, fx=2.5, fy=2.5, interpolation=cv2.INTER_CUBIC), 2.5 * FACE, networks
    )
    assert large.shape == (portrait.shape[0] * 5 // 2, portrait.shape[1] * 5 // 2)
    back = cv2.resize(large, (small.shape[1], small.shape[0]), interpolation=cv2.INTER_AREA)
    assert np.abs(back - small).mean() < 0.02
