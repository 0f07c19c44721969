"""Registration of truths with warps: a known shift comes back, and what does not fit stays."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from models.training.register import MOST_PX, laid_on, moved, shift_between


def eye(seed: int = 0) -> np.ndarray:
    """A smooth random picture, (64, 64, 3)."""
    rng = np.random.default_rng(seed)
    x = cv2.GaussianBlur(rng.normal(128, 900, (64, 64, 3)).astype(np.float32), (0, 0), 3)
    return np.clip(x, 0, 255).astype(np.uint8)


def opening() -> np.ndarray:
    return cv2.ellipse(np.zeros((64, 64), np.uint8), (32, 32), (18, 8), 0, 0, 360, 255, -1)


@pytest.mark.parametrize("shift", [(1.0, 0.0), (-2.0, 1.0), (1.5, -0.5)])
def test_a_known_shift_is_found_under_another_light(shift: tuple[float, float]) -> None:
    warp = eye()
    true = cv2.add(moved(warp, -np.array(shift, np.float32)), (20, 10, 0, 0))
    found = shift_between(true, warp, opening() > 0)
    assert np.abs(found - shift).max() <= 0.5
    laid = laid_on(true[None], warp[None], opening()[None, ..., None])[0]
    inside = opening() > 0
    assert np.abs(laid.astype(int) - warp)[inside].mean() < np.abs(true.astype(int) - warp)[inside].mean()


def test_a_picture_in_its_place_and_a_shift_too_far_stay() -> None:
    warp = eye()
    assert not shift_between(warp, warp, opening() > 0).any()
    assert np.abs(shift_between(moved(warp, np.array([9.0, 0])), warp, opening() > 0)).max() <= MOST_PX + 0.5


def test_a_hidden_eye_is_left_alone() -> None:
    true, nothing = eye(1)[None], np.zeros((1, 64, 64, 1), np.uint8)
    assert np.array_equal(laid_on(true, eye(2)[None], nothing), true)
