"""Crops in and out of a picture: against plain NumPy and against OpenCV, and what must not change does not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from kernels import paste


def affine(scale: float, angle: float, x: float, y: float) -> np.ndarray:
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[c, -s, x], [s, c, y]])


def catmull_rom(t: float) -> np.ndarray:
    d = np.abs(np.array([t + 1, t, t - 1, t - 2]))
    near = 1.5 * d**3 - 2.5 * d**2 + 1
    far = -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
    return np.where(d <= 1, near, far)


def laid_over(picture: np.ndarray, painted: np.ndarray, m: np.ndarray) -> np.ndarray:
    """The specification, pixel by pixel in float64."""
    out, n = picture.copy(), painted.shape[0]
    for y in range(picture.shape[0]):
        for x in range(picture.shape[1]):
            u, v = np.linalg.solve(m[:, :2], np.array([x, y]) - m[:, 2])
            i, j = int(np.floor(u)), int(np.floor(v))
            if u < 2 or v < 2 or u >= n - 3 or v >= n - 3 or not painted[j : j + 2, i : i + 2].any():
                continue
            block = painted[j - 1 : j + 3, i - 1 : i + 3].astype(np.float64)
            s = np.einsum("a,b,abc->c", catmull_rom(v - j), catmull_rom(u - i), block)
            out[y, x] = np.clip(picture[y, x] * (1 - np.clip(s[3], 0, 1)) + s[:3], 0, 255) + 0.5
    return out


@pytest.fixture
def painted() -> np.ndarray:
    p = np.random.default_rng(0).random((40, 40, 4)).astype(np.float32)
    p[:, :, :3] *= 150
    p[:8], p[-8:], p[:, :8], p[:, -8:] = 0, 0, 0, 0
    p[18:22, 18:22] = 0
    return p


@pytest.mark.parametrize(
    "m", [affine(1.4, 0.3, 12, 5), affine(0.7, -0.5, 10, 30), affine(1, 0, -15, -12), affine(1.1, 3, 60, 50)]
)
def test_lay_over_is_its_specification(painted: np.ndarray, m: np.ndarray) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (64, 72, 3), dtype=np.uint8)
    want, got = laid_over(picture, painted, m), picture.copy()
    paste.lay_over(got, painted, m)
    assert (got != picture).any()
    assert np.abs(got.astype(int) - want).max() <= 1
    assert (got != want).mean() < 0.01


def test_mirrored_crops_are_laid_over(painted: np.ndarray) -> None:
    picture = np.full((64, 64, 3), 90, np.uint8)
    m = affine(1.2, 0.1, 10, 8)
    a, b = picture.copy(), picture.copy()
    paste.lay_over(a, painted, m)
    flip = m.copy()
    flip[:, 2] += flip[:, 0] * 39
    flip[:, 0] *= -1
    paste.lay_over(b, np.ascontiguousarray(painted[:, ::-1]), flip)
    assert np.abs(a.astype(int) - b).max() <= 1


def test_nothing_painted_changes_no_byte(painted: np.ndarray) -> None:
    picture = np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    got = picture.copy()
    paste.lay_over(got, np.zeros_like(painted), affine(1.3, 0.2, 4, 4))
    for m in (np.full((2, 3), np.nan), np.zeros((2, 3)), affine(1, 0, 1e9, 0), affine(1, 0, -400, 0)):
        paste.lay_over(got, painted, m)
    np.testing.assert_array_equal(got, picture)


@pytest.mark.parametrize("m", [affine(1.4, 0.3, 12, 5), affine(0.8, -2, 70, 60), affine(2, 0, -30, -40)])
def test_cut_agrees_with_opencv_and_leaves_other_channels(m: np.ndarray) -> None:
    picture = cv2.GaussianBlur(np.random.default_rng(3).integers(0, 256, (80, 90, 3), dtype=np.uint8), (0, 0), 2)
    out = np.full((40, 40, 5), 7, np.uint8)
    paste.cut(picture, m, out)
    want = cv2.warpAffine(
        picture, m, (40, 40), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    assert np.abs(out[:, :, :3].astype(int) - want).max() <= 2
    assert (out[:, :, 3:] == 7).all()


def test_wrong_arrays_are_named() -> None:
    picture, m = np.zeros((8, 8, 3), np.uint8), affine(1, 0, 0, 0)
    with pytest.raises(TypeError, match="painted"):
        paste.lay_over(picture, np.zeros((8, 8, 4)), m)
    with pytest.raises(ValueError, match="out"):
        paste.cut(picture, m, np.zeros((8, 8, 2), np.uint8))
