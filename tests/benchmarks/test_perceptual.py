"""Multi-scale SSIM against a slow reference, sharpness, FLIP, portrait pairs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import perceptual
from benchmarks.portrait_pairs import find_pairs


def picture(seed: int = 0, side: int = 192) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 3)


def slow_contrast(x: np.ndarray, y: np.ndarray, whole: bool) -> float:
    """One scale, window by window."""
    g = np.exp(-0.5 * ((np.arange(11) - 5) / 1.5) ** 2)
    w = np.outer(g, g) / g.sum() ** 2
    values = []
    for i in range(x.shape[0] - 10):
        for j in range(x.shape[1] - 10):
            p, q = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
            mp, mq = (w * p).sum(), (w * q).sum()
            vp, vq, c = (w * (p - mp) ** 2).sum(), (w * (q - mq) ** 2).sum(), (w * (p - mp) * (q - mq)).sum()
            value = (2 * c + 58.5225) / (vp + vq + 58.5225)
            values.append(value * (2 * mp * mq + 6.5025) / (mp**2 + mq**2 + 6.5025) if whole else value)
    return float(np.mean(values))


def test_each_scale_is_its_equation() -> None:
    x, y = (np.random.default_rng(s).integers(0, 256, (24, 20)).astype(np.float64) for s in (1, 2))
    y = 0.5 * x + 0.5 * y
    whole, contrast = perceptual._ssim_terms(x, y)
    assert whole == pytest.approx(slow_contrast(x, y, True), abs=1e-6)
    assert contrast == pytest.approx(slow_contrast(x, y, False), abs=1e-6)


def test_ms_ssim_is_one_for_the_same_and_falls_with_the_fault() -> None:
    a = picture()
    b = cv2.GaussianBlur(a, (0, 0), 2)
    c = cv2.GaussianBlur(a, (0, 0), 6)
    assert perceptual.ms_ssim(a, a) == pytest.approx(1.0)
    assert 1 > perceptual.ms_ssim(a, b) > perceptual.ms_ssim(a, c) > 0
    with pytest.raises(ValueError, match="176"):
        perceptual.ms_ssim(a[:100], a[:100])


def test_sharpness_is_measured_inside_the_region_only() -> None:
    a = picture()
    points = np.zeros((4, 3), np.float32)
    points[:, :2] = [(60, 60), (120, 60), (120, 120), (60, 120)]
    blurred = a.copy()
    blurred[:50] = cv2.GaussianBlur(a, (0, 0), 5)[:50]
    assert perceptual.region_sharpness(a, blurred, points, range(4)) == pytest.approx(1.0)
    assert perceptual.region_sharpness(a, cv2.GaussianBlur(a, (0, 0), 4), points, range(4)) < 0.75
    assert np.isnan(perceptual.region_sharpness(np.zeros_like(a), a, points, range(4)))


def test_flip_of_the_same_is_nothing() -> None:
    compare = perceptual.flip()
    if compare is None:
        pytest.skip("flip-evaluator is in the extra `quality`")
    a = picture(side=64)
    assert compare(a, a) == 0
    assert compare(a, 255 - a) > 0.1


def test_flip_and_lpips_say_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perceptual.importlib.util, "find_spec", lambda _: None)
    assert perceptual.flip() is None
    compare, why = perceptual.lpips()
    assert compare is None
    assert "torchvision" in why


def test_pairs_are_matched_by_number(tmp_path: Path) -> None:
    for name in ("x_neutral/001_03.jpg", "x_smiling/001_08.jpg", "x_neutral/002_03.jpg", "x_neutral/003_03.jpg",
                 "x_smiling/003_08.jpg", "other/001_08.jpg"):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names = [(a.stem, b.stem) for a, b in find_pairs(tmp_path, 0)]
    assert names == [("001_03", "001_08"), ("003_03", "003_08")]
    assert [a.stem for a, _ in find_pairs(tmp_path, 1)] == ["003_03"]
