"""Light in an opening: against plain NumPy, and what is asked for is measured afterwards."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from kernels.opening import HALF, add_light, measure_light

LUMA = np.array([0.299, 0.587, 0.114])
BARE = np.zeros((0, 0, 4), np.float32)
PLAIN = np.ones((1, 3), np.float32)


def mouth(seed: int, size: int = 48) -> np.ndarray:
    """A bent opening inside a larger mask, (S, S, 2), with soft borders."""
    rng = np.random.default_rng(seed)
    x = np.linspace(-1, 1, 15)
    bend, tall = rng.uniform(-4, 4), rng.uniform(1.5, 9)
    masks = np.zeros((size, size, 2), np.uint8)
    for i, (wide, more) in enumerate(((14, 0.0), (18, 5.0))):
        up = np.column_stack([wide * x, bend * x**2 - (tall + more) * np.sqrt(1 - x**2)])
        low = np.column_stack([wide * x, bend * x**2 + (tall + more) * np.sqrt(1 - x**2)])[::-1]
        loop = np.concatenate([up, low]) + size / 2 + rng.uniform(-2, 2, 2)
        plane = np.zeros((size, size), np.uint8)
        cv2.fillPoly(plane, [np.rint(loop * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        masks[:, :, i] = plane
    return masks


def place(masks: np.ndarray, x: int, y: int, rows: int, columns: int) -> tuple[float, float]:
    """Where a pixel lies on the grid, in nodes from the first."""
    inside = masks[:, :, 0] >= HALF
    xs = np.flatnonzero(inside.any(0))
    near = int(np.clip(x, xs[0], xs[-1]))
    ys = np.flatnonzero(inside[:, near])
    u = (near - xs[0] + 0.5) / (xs[-1] - xs[0] + 1) * columns - 0.5
    v = (y - ys[0] + 0.5) / (ys[-1] - ys[0] + 1) * rows - 0.5
    return float(np.clip(u, 0, columns - 1)), float(np.clip(v, 0, rows - 1))


def hat(n: int, at: float) -> np.ndarray:
    """Bilinear weights of n nodes at a place."""
    return np.clip(1 - abs(np.arange(n) - at), 0, 1)


def paint(seed: int, size: int = 48) -> np.ndarray:
    rng = np.random.default_rng(seed)
    cover = rng.uniform(0, 1, (size, size, 1))
    return np.concatenate([cover * rng.uniform(0, 255, (size, size, 3)), cover], 2).astype(np.float32)


def finished(crop: np.ndarray, painted: np.ndarray) -> np.ndarray:
    return crop[:, :, :3] * (1 - painted[:, :, 3:].astype(float)) + painted[:, :, :3]


@pytest.mark.parametrize("lips", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_measure_light_is_its_specification(seed: int, lips: bool) -> None:
    masks, rng = mouth(seed), np.random.default_rng(seed)
    crop = rng.integers(0, 256, (48, 48, 3 + seed % 3), dtype=np.uint8)
    painted = paint(seed) if seed % 2 else BARE
    share = np.full((4, 8), 7.0, np.float32)
    pixels, around, mean = measure_light(crop, painted, masks, share, 1.5, 1.1, lips=lips)
    luma = (finished(crop, painted) if seed % 2 else crop[:, :, :3]) @ LUMA
    inside = masks[:, :, 0] >= HALF
    light, weight = np.zeros((4, 8)), np.zeros((4, 8))
    for y, x in np.argwhere(inside):
        u, v = place(masks, x, y, 4, 8)
        w = np.outer(hat(4, v), hat(8, u))
        light, weight = light + w * luma[y, x], weight + w
    y, x = np.nonzero(masks[:, :, 1])
    box = np.s_[max(0, y.min() - 6) : y.max() + 7, max(0, x.min() - 6) : x.max() + 7]
    ring = (masks[:, :, 1] >= HALF) & ~inside
    want_around = luma[ring].mean() if lips else luma[box][~inside[box]].mean()
    assert around == pytest.approx(want_around, rel=1e-6)
    assert pixels == inside.sum()
    want = (light + 1.5 * luma[inside].mean()) / (weight + 1.5) / around
    np.testing.assert_allclose(share, np.minimum(want, 1.1), rtol=1e-4)
    assert share.max() == np.float32(1.1) or want.max() < 1.1
    assert mean == pytest.approx(share.mean(), rel=1e-5)


def hue(colours: np.ndarray, luma: float, step: float) -> np.ndarray:
    at = (np.arange(len(colours)) + 0.5) * step
    return np.array([np.interp(luma, at, colours[:, c]) for c in range(3)])


@pytest.mark.parametrize("seed", range(8))
def test_add_light_is_its_specification(seed: int) -> None:
    masks, rng = mouth(seed), np.random.default_rng(seed)
    crop = rng.integers(0, 256, (48, 48, 5), dtype=np.uint8)
    crop[:, :, 3:] = masks
    grid = rng.uniform(-90, 90, (4, 8)).astype(np.float32)
    colours = rng.uniform(0.4, 1.6, (5, 3))
    colours = (colours / (colours @ LUMA)[:, None]).astype(np.float32)
    pull, step, painted = 0.3 * (seed % 3), 40.0, paint(seed)
    got = painted.copy()
    add_light(grid, crop, crop[:, :, 3:], got, colours, step, pull)
    np.testing.assert_array_equal(got[masks[:, :, 0] == 0], painted[masks[:, :, 0] == 0])
    np.testing.assert_array_equal(got[:, :, 3], painted[:, :, 3])
    old, new = finished(crop, painted), finished(crop, got)
    for y, x in np.argwhere(masks[:, :, 0] > 0):
        u, v = place(masks, x, y, 4, 8)
        part = masks[y, x, 0] / 255
        more = hat(4, v) @ grid @ hat(8, u) * part
        was = np.clip(old[y, x], 0, 255)
        luma = max(was @ LUMA, 1.0)
        will = max(luma + more, 0.0)
        after = hue(colours, will, step)
        want = was + more * after if more >= 0 else was * after / hue(colours, luma, step)
        want = want * will / max(want @ LUMA, 1e-3)
        want = want + pull * part * painted[y, x, 3] * (will * after - want)
        np.testing.assert_allclose(new[y, x], want, atol=0.02)


def test_what_is_added_is_measured_again() -> None:
    masks, crop = mouth(3), np.full((48, 48, 3), 120, np.uint8)
    grid = np.linspace(-60, 90, 32).reshape(4, 8).astype(np.float32)
    painted = np.zeros((48, 48, 4), np.float32)
    add_light(grid, crop, masks, painted, PLAIN, 50.0, 0.0)
    share = np.empty((4, 8), np.float32)
    _, around, _ = measure_light(crop, painted, masks, share, 0.0, 9.0)
    assert np.abs(share * around - 120 - grid).max() < 18  # of 150: every node is a mean over its neighbourhood


def test_black_and_overpainted_pixels_stay_finite() -> None:
    masks, crop = mouth(1), np.zeros((48, 48, 3), np.uint8)
    for colour in (-40.0, 0.0, 400.0):
        for more in (-300.0, 0.0, 300.0):
            painted = np.zeros((48, 48, 4), np.float32)
            painted[:, :, 0] = colour
            add_light(np.full((4, 8), more, np.float32), crop, masks, painted, PLAIN, 50.0, 0.5)
            inside = painted[masks[:, :, 0] == 255]
            assert np.isfinite(painted).all()
            assert inside[:, :3].min() >= -1e-3
            assert inside[:, :3].max() <= 255 + 300 / LUMA[2]


def test_an_opening_in_two_parts_and_none_at_all() -> None:
    masks = np.zeros((20, 20, 2), np.uint8)
    crop, grid = np.zeros((20, 20, 3), np.uint8), np.full((4, 8), 200, np.float32)
    painted = np.zeros((20, 20, 4), np.float32)
    add_light(grid, crop, masks, painted, PLAIN, 50.0, 0.0)
    assert not painted.any()
    share = np.ones((4, 8), np.float32)
    assert measure_light(crop, BARE, masks, share, 1.0, 2.0) == (0, 0.0, 0.0)
    assert not share.any()
    masks[7:13, 1:19, 1] = 255
    masks[8:12, 2:6, 0] = masks[8:12, 12:18, 0] = 255
    masks[9, 8, 0] = 30  # a soft pixel between the parts
    add_light(grid, crop, masks, painted, PLAIN, 50.0, 0.0)
    assert ((painted[:, :, 0] > 0) == (masks[:, :, 0] > 0)).all()


def test_arrays_are_checked_by_name() -> None:
    masks, grid, crop = mouth(0), np.zeros((4, 8), np.float32), np.zeros((48, 48, 3), np.uint8)
    painted = np.zeros((48, 48, 4), np.float32)
    with pytest.raises(TypeError, match="painted"):
        add_light(grid, crop, masks, painted.astype(np.float64), PLAIN, 1.0, 0.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="painted"):
        measure_light(crop, painted[:40].copy(), masks, grid, 1.0, 2.0)
    with pytest.raises(ValueError, match="masks"):
        measure_light(crop[:40].copy(), BARE, masks, grid, 1.0, 2.0)
    with pytest.raises(TypeError, match="masks"):
        measure_light(crop, BARE, masks.astype(np.float32), grid, 1.0, 2.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="grid"):
        add_light(grid[:1].copy(), crop, masks, painted, PLAIN, 1.0, 0.0)
    painted.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        add_light(grid, crop, masks, painted, PLAIN, 1.0, 0.0)
