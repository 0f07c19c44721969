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


OUTLINE = np.array([[4, 4], [12, 4], [12, 12], [4, 12]], np.float32)


def settled(rest: Rest, picture: np.ndarray, new: np.ndarray, outline: np.ndarray = OUTLINE) -> np.ndarray:
    shown = rest.settle(picture, new, outline)
    assert shown is not None
    return shown


@pytest.fixture
def rest() -> Rest:
    rng = np.random.default_rng(0)
    return Rest(noisy(rng, 0), painted(rng, 0), 0.3)


def test_noise_is_held_to_a_fraction(rest: Rest) -> None:
    rng = np.random.default_rng(1)
    raw = [painted(rng, 3.0) for _ in range(60)]
    shown = [settled(rest, noisy(rng, 0.8), p).copy() for p in raw]
    assert np.abs(np.diff(shown, axis=0)).mean() < 0.1 * np.abs(np.diff(raw, axis=0)).mean()


def test_motion_passes_to_the_bit(rest: Rest) -> None:
    rng = np.random.default_rng(2)
    for i in range(5):
        picture, new = noisy(rng, 0.5) + np.uint8(20 * (i % 2)), painted(rng, 3.0)
        assert (settled(rest, picture, new) == new).all()


def test_a_slow_change_adds_up_and_passes(rest: Rest) -> None:
    for i in range(200):  # a grey level every five frames: never more than noise from one frame to the next
        level = i / 5
        picture, new = np.full((16, 16, 5), 60 + round(level), np.uint8), np.full((16, 16, 4), level, np.float32)
        shown = settled(rest, picture, new)
        assert abs(float(shown.mean()) - level) < 3.0


def test_another_face_begins_anew(rest: Rest) -> None:
    rng = np.random.default_rng(3)
    rest.settle(noisy(rng, 0), painted(rng, 3.0), OUTLINE)
    rest.forget()
    new = painted(rng, 3.0)
    assert (settled(rest, noisy(rng, 0), new) == new).all()


def test_what_is_returned_is_its_own(rest: Rest) -> None:
    new = painted(np.random.default_rng(4), 3.0)
    assert not np.shares_memory(settled(rest, noisy(np.random.default_rng(4), 0), new), new)


def test_what_looks_like_the_photo_is_not_painted_and_what_is_far_from_it_to_the_bit(rest: Rest) -> None:
    rng = np.random.default_rng(5)
    photo = noisy(rng, 0)
    rest.rest_on(photo, OUTLINE)
    for _ in range(5):
        assert rest.settle(noisy(rng, 0.8), painted(rng, 3.0), OUTLINE) is None
    new, far = painted(rng, 3.0), photo + np.uint8(12)
    assert (settled(rest, far, new) == new).all()
    photo[:] = 0  # what it was given is its own
    rest.forget()
    assert rest.settle(noisy(rng, 0.8), new, OUTLINE) is None
    rest.rest_on(None, None)
    assert rest.settle(noisy(rng, 0.8), new, OUTLINE) is not None


def test_between_the_two_paint_comes_gradually(rest: Rest) -> None:
    rest.rest_on(np.full((16, 16, 5), 100, np.uint8), OUTLINE)
    new = np.full((16, 16, 4), 90.0, np.float32)

    def share(level: int, moved_px: float) -> float:
        rest.forget()
        aside = OUTLINE + np.array([moved_px, 0], np.float32)
        shown = rest.settle(np.full((16, 16, 5), level, np.uint8), new, aside)
        return 0.0 if shown is None else float(shown.mean()) / 90

    assert [share(level, 0.0) for level in (102, 103, 104)] == pytest.approx([0, 0.5, 1], abs=1e-5)
    assert [share(100, px) for px in (0.29, 0.45, 0.61)] == pytest.approx([0, 0.5, 1], abs=1e-4)
    assert share(103, 0.31) == pytest.approx(0.5, abs=1e-5)  # whichever is farther


def test_a_face_that_comes_back_to_rest_loses_its_paint(rest: Rest) -> None:
    rng = np.random.default_rng(6)
    rest.rest_on(noisy(rng, 0), OUTLINE)
    for _ in range(3):
        assert rest.settle(noisy(rng, 0.5) + np.uint8(30), painted(rng, 3.0), OUTLINE) is not None
    assert rest.settle(noisy(rng, 0.5), painted(rng, 3.0), OUTLINE) is None  # at once: the way back is motion


def test_who_rests_beside_neutral_is_painted_steadily(rest: Rest) -> None:
    rng = np.random.default_rng(7)
    rest.rest_on(noisy(rng, 0), OUTLINE)
    new, aside = np.full((16, 16, 4), 90.0, np.float32), OUTLINE + np.array([0.45, 0], np.float32)
    shares = []
    for _ in range(60):
        shaken = aside + rng.normal(0, 0.1, (1, 2)).astype(np.float32)
        shares.append(float(settled(rest, noisy(rng, 0.5), new, shaken).mean()) / 90)
    assert np.mean(shares) == pytest.approx(0.5, abs=0.25)
    assert np.abs(np.diff(shares)).mean() < 0.03  # the outline's noise alone would make 0.3
