"""Sharpening under paint: against plain NumPy, and what must not change does not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from kernels.sharpen import sharpen


def affine(scale: float, angle: float, x: float, y: float) -> np.ndarray:
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[c, -s, x], [s, c, y]])


def sharpened(picture: np.ndarray, painted: np.ndarray, m: np.ndarray, amount: float) -> np.ndarray:
    """The specification, pixel by pixel in float64."""
    out, n = picture.copy(), painted.shape[0]
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16
    for y in range(1, picture.shape[0] - 1):
        for x in range(1, picture.shape[1] - 1):
            u, v = np.linalg.solve(m[:, :2], np.array([x, y]) - m[:, 2])
            if u < 2 or v < 2 or u >= n - 3 or v >= n - 3:
                continue
            i, j = int(u), int(v)
            wx, wy = np.array([1 - u + i, u - i]), np.array([1 - v + j, v - j])
            cover = float(np.clip(wy @ painted[j : j + 2, i : i + 2, 3] @ wx, 0, 1))
            block = picture[y - 1 : y + 2, x - 1 : x + 2].astype(np.float64)
            blurred = np.einsum("ab,abc->c", kernel, block)
            value = picture[y, x] + amount * cover * (picture[y, x] - blurred)
            out[y, x] = np.floor(np.clip(value, 0, 255) + 0.5)
    return out


@pytest.fixture
def painted() -> np.ndarray:
    p = np.zeros((30, 30, 4), np.float32)
    p[6:24, 6:24, 3] = np.random.default_rng(0).random((18, 18))
    p[12:16, 12:16, 3] = 0
    return p


@pytest.mark.parametrize(
    "m", [affine(1.4, 0.3, 12, 5), affine(0.7, -0.5, 10, 30), affine(1.2, 0, -15, -12), affine(1.1, 3, 60, 50)]
)
def test_sharpen_is_its_specification(painted: np.ndarray, m: np.ndarray) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (56, 64, 3), dtype=np.uint8)
    want, got = sharpened(picture, painted, m, 0.6), picture.copy()
    sharpen(got, painted, m, 0.6)
    assert (got != picture).any()
    assert np.abs(got.astype(int) - want).max() <= 1
    assert (got != want).mean() < 0.01


def test_what_is_not_covered_keeps_its_bytes(painted: np.ndarray) -> None:
    picture = np.random.default_rng(2).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    got, m = picture.copy(), affine(1.5, 0.1, 8, 4)
    sharpen(got, painted, m, 0.8)
    cover = cv2.warpAffine(painted[:, :, 3], m, (60, 60), flags=cv2.INTER_LINEAR)
    assert (got[cover == 0] == picture[cover == 0]).all()
    assert (got[cover > 0.2] != picture[cover > 0.2]).any(1).mean() > 0.9


def test_flat_colour_and_no_amount_change_nothing(painted: np.ndarray) -> None:
    flat = np.full((60, 60, 3), 77, np.uint8)
    sharpen(flat, painted, affine(1.5, 0, 8, 4), 1.0)
    assert (flat == 77).all()
    picture = np.random.default_rng(3).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    got = picture.copy()
    sharpen(got, painted, affine(1.5, 0, 8, 4), 0.0)
    assert (got == picture).all()


@pytest.mark.parametrize(
    "m", [affine(1, 0, 500, 500), affine(0, 0, 0, 0), np.full((2, 3), np.nan), affine(9, 0, -90, -90)]
)
def test_crops_beyond_the_picture_harm_nothing(painted: np.ndarray, m: np.ndarray) -> None:
    picture = np.random.default_rng(4).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    got = picture.copy()
    sharpen(got, painted, m.astype(np.float64), 0.5)
    assert (got[[0, -1]] == picture[[0, -1]]).all()
    assert (got[:, [0, -1]] == picture[:, [0, -1]]).all()


def test_wrong_arrays_are_named(painted: np.ndarray) -> None:
    picture = np.zeros((9, 9, 3), np.uint8)
    with pytest.raises(TypeError, match="painted"):
        sharpen(picture, painted.astype(np.float64), affine(1, 0, 0, 0), 0.5)  # type: ignore[arg-type]
    picture.flags.writeable = False
    with pytest.raises(ValueError, match="picture"):
        sharpen(picture, painted, affine(1, 0, 0, 0), 0.5)
