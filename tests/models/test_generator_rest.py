"""Paint at rest holds still; paint in motion passes to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from models.generator_rest import Rest


def noisy(rng: np.random.Generator, level: float) -> np.ndarray:
    picture = np.full((16, 16, 5), 120.0)
    picture[:, :, :3] += rng.normal(0, level, (16, 16, 3))
    return np.rint(picture).astype(np.uint8)


def painted(rng: np.random.Generator, level: float) -> np.ndarray:
    return (90 + rng.normal(0, level, (16, 16, 4))).astype(np.float32)


@pytest.fixture
def rest() -> Rest:
    rng = np.random.default_rng(0)
    return Rest(noisy(rng, 0), painted(rng, 0))


def test_noise_is_held_to_a_fraction(rest: Rest) -> None:
    rng = np.random.default_rng(1)
    raw = [painted(rng, 3.0) for _ in range(60)]
    shown = [rest.settle(noisy(rng, 0.8), p).copy() for p in raw]
    assert np.abs(np.diff(shown, axis=0)).mean() < 0.1 * np.abs(np.diff(raw, axis=0)).mean()


def test_motion_passes_to_the_bit(rest: Rest) -> None:
    rng = np.random.default_rng(2)
    for i in range(5):
        picture, new = noisy(rng, 0.5) + np.uint8(20 * (i % 2)), painted(rng, 3.0)
        assert (rest.settle(picture, new) == new).all()


def test_a_slow_change_adds_up_and_passes(rest: Rest) -> None:
    for i in range(200):  # a grey level every five frames: never more than noise from one frame to the next
        level = i / 5
        picture, new = np.full((16, 16, 5), 60 + round(level), np.uint8), np.full((16, 16, 4), level, np.float32)
        shown = rest.settle(picture, new)
        assert abs(float(shown.mean()) - level) < 3.0


def test_another_face_begins_anew(rest: Rest) -> None:
    rng = np.random.default_rng(3)
    rest.settle(noisy(rng, 0), painted(rng, 3.0))
    rest.forget()
    new = painted(rng, 3.0)
    assert (rest.settle(noisy(rng, 0), new) == new).all()


def test_what_is_returned_is_its_own(rest: Rest) -> None:
    new = painted(np.random.default_rng(4), 3.0)
    assert not np.shares_memory(rest.settle(noisy(np.random.default_rng(4), 0), new), new)
