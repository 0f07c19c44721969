"""Samples need no torch: they come out of the engine's own warp."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "models"))
from generator_faces import face_points, picture

from models.training.data import Clip, Maker, compose
from models.training.train_samples import pairs


def landmarks() -> np.ndarray:
    p = face_points()
    p[:, 2] *= -1  # landmarks count depth away from the camera
    return p


def test_driving_a_face_with_itself_gives_the_picture_back() -> None:
    import cv2

    rgb = cv2.GaussianBlur(picture(), (0, 0), 4)
    scores = np.zeros(52, np.float32)
    s = Maker(0, 0.0).pair_sample((rgb, landmarks(), scores), (rgb, landmarks(), scores))
    skin = s["mouth_mask"][0, :, :, 1] == 0
    error = np.abs(s["mouth_warp"][0].astype(int) - s["mouth_true"][0].astype(int))[skin]
    assert error.mean() < 2.0
    np.testing.assert_array_equal(s["mouth_warp"][0], s["mouth_warp"][1])


def test_samples_repeat_with_the_seed_and_differ_without() -> None:
    clip = Clip([picture(seed=i) for i in range(4)], np.stack([landmarks()] * 4), np.zeros((4, 52), np.float32))
    a, b, c = (list(Maker(seed).clip_samples(clip, 1, 2)) for seed in (1, 1, 2))
    for x, y in zip(a, b, strict=True):
        for k in x:
            np.testing.assert_array_equal(x[k], y[k])
    assert any((x["mouth_warp"] != y["mouth_warp"]).any() for x, y in zip(a, c, strict=True))


def test_wobble_of_nothing_is_nothing_and_a_shift_is_a_share_of_the_side() -> None:
    m = np.array([[2, 0, 10], [0, 2, 20]], np.float32)
    np.testing.assert_allclose(compose(m, (0, 0, 0, 1), 100), m)
    np.testing.assert_allclose(compose(m, (0.1, 0, 0, 1), 100)[:, 2], [30, 20], atol=1e-4)


def test_pairs_are_of_one_person() -> None:
    names = ["london_neutral/001_a.jpg", "london_smiling/001_b.jpg", "london_neutral/002_a.jpg", "cc0/001_x.jpg"]
    assert pairs(names) == [("london_neutral/001_a.jpg", "london_smiling/001_b.jpg")]


def test_noise_leaves_absent_units_absent() -> None:
    from models.motion import neutral_params

    p = Maker(3).shaken(neutral_params())
    assert (p.expression[:52] == 0).all()
    assert p.rotation[0] == pytest.approx(1.0, abs=1e-3)
