"""The figures of merit against slow, obvious references."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import metrics
from models import rotation
from models.face import FaceParams
from models.motion import N_EXPRESSION, neutral_params

RNG = np.random.default_rng(5)


def picture(side: int = 24) -> np.ndarray:
    return RNG.integers(0, 256, (side, side, 3)).astype(np.uint8)


def near(rgb: np.ndarray, by: int = 20) -> np.ndarray:
    return np.clip(rgb.astype(int) + RNG.integers(-by, by + 1, rgb.shape), 0, 255).astype(np.uint8)


def slow_ssim(a: np.ndarray, b: np.ndarray) -> float:
    values = []
    for c in range(3):
        for y in range(a.shape[0] - 6):
            for x in range(a.shape[1] - 6):
                p, q = (v[y : y + 7, x : x + 7, c].astype(float).ravel() for v in (a, b))
                cov = np.cov(p, q)
                luminance = (2 * p.mean() * q.mean() + 6.5025) / (p.mean() ** 2 + q.mean() ** 2 + 6.5025)
                values.append(luminance * (2 * cov[0, 1] + 58.5225) / (cov[0, 0] + cov[1, 1] + 58.5225))
    return float(np.mean(values))


def test_ssim_is_the_mean_over_windows_of_its_equation() -> None:
    a = picture()
    b = near(a)
    assert metrics.ssim(a, b) == pytest.approx(slow_ssim(a, b), abs=1e-9)
    assert metrics.ssim(a, a) == pytest.approx(1.0)


def test_ssim_is_that_of_scikit_image() -> None:
    skimage = pytest.importorskip("skimage.metrics", reason="scikit-image is in the extra `eval`")
    a = picture(64)
    b = near(a, 40)
    assert metrics.ssim(a, b) == pytest.approx(skimage.structural_similarity(a, b, channel_axis=2), abs=1e-6)


def test_psnr() -> None:
    a = np.full((8, 8, 3), 100, np.uint8)
    assert metrics.psnr(a, a) == metrics.MOST_PSNR
    assert metrics.psnr(a, a + np.uint8(10)) == pytest.approx(10 * np.log10(255**2 / 100))
    assert metrics.psnr(np.full_like(a, 255), np.zeros_like(a)) == pytest.approx(0.0)  # no wrap-around of bytes


def test_keypoint_distances_are_percent_of_the_eye_corners_distance() -> None:
    truth = RNG.uniform(0, 200, (478, 3)).astype(np.float32)
    truth[33, :2], truth[263, :2] = (50, 80), (150, 80)
    got = truth.copy()
    got[:, 2] += 99  # depth does not count
    assert metrics.keypoint_distances(truth, got) == (0, 0, 0)
    lips = sorted(set(metrics.LIPS))
    got[lips, 0] += 3
    got[lips, 1] += 4
    mean, at_lips, at_eyes = metrics.keypoint_distances(truth, got)
    assert (mean, at_lips, at_eyes) == (pytest.approx(5 * len(lips) / 468, rel=1e-4), pytest.approx(5, rel=1e-4), 0)


def test_the_regions_are_lips_and_eyes() -> None:
    assert len(metrics.LIPS) == len(set(metrics.LIPS)) == 40
    assert len(metrics.EYE_POINTS) == len(set(metrics.EYE_POINTS)) == 32


def test_region_l1_sees_its_region_alone() -> None:
    points = np.zeros((4, 3), np.float32)
    points[:, :2] = (10, 10), (19, 10), (19, 19), (10, 19)
    truth = np.full((40, 40, 3), 50, np.uint8)
    got = np.zeros_like(truth)
    got[10:20, 10:20] = 43
    assert metrics.region_l1(truth, got, points, range(4)) == 7
    assert np.isnan(metrics.region_l1(truth, got, points + 500, range(4)))


def test_flicker_compares_second_differences() -> None:
    steady = [np.full((4, 4, 3), v, np.uint8) for v in (10, 20, 30, 40)]
    shaking = [np.full((4, 4, 3), v, np.uint8) for v in (10, 14, 10, 14)]
    assert metrics.shimmer(steady) == 0
    assert metrics.shimmer(shaking) == 8
    assert metrics.flicker(shaking, [s + np.uint8(3) for s in shaking]) == 1
    assert metrics.flicker(shaking, steady) == 0
    assert np.isnan(metrics.flicker(steady, shaking))  # footage that is quite still has no measure
    assert np.isnan(metrics.shimmer(steady[:2]))


def params(turn: tuple[float, float, float], smile: float) -> FaceParams:
    c = np.zeros(N_EXPRESSION, np.float32)
    c[43] = smile
    return neutral_params().with_(rotation=rotation.exp(np.radians(turn)), expression=c)


def test_turns_and_expressions_are_measured_from_their_own_start() -> None:
    a0, a = params((0, 5, 0), 0.5), params((0, 25, 0), 0.9)
    b0, b = params((0, -10, 0), 0.0), params((0, 7, 0), 0.4)
    assert metrics.turn_between(a, a0, b, b0) == pytest.approx(3.0)
    assert metrics.expression_distance(a, a0, b, b0) == pytest.approx(0.0, abs=1e-7)
    assert metrics.expression_distance(a, a0, b0, b0) == pytest.approx(0.4 / 52, rel=1e-5)


def test_likeness_leaves_out_frames_without_a_face() -> None:
    faces = {0: np.array([1.0, 0.0]), 1: np.array([1.0, 1.0]), 2: None}

    def embed(rgb: np.ndarray) -> np.ndarray | None:
        return faces[int(rgb[0, 0, 0])]

    frames = [np.full((1, 1, 3), i, np.uint8) for i in range(3)]
    assert metrics.likeness(embed, frames[0], frames, 3) == pytest.approx((1 + np.sqrt(0.5)) / 2)
    assert metrics.likeness(embed, frames[2], frames, 3) is None
    assert metrics.likeness(embed, frames[0], [frames[2]], 3) is None
